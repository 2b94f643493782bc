#include "tests/simulation/model_store.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "common/base/assert.hpp"

namespace sallyport::simulation {
namespace {

/// The sink's retained messages as changes of the broker's, with which they share a table.
mqtt::DurableChanges as_changes(const std::vector<sinks::StoredRetained>& retained) {
    mqtt::DurableChanges made;
    for (const auto& each : retained) {
        if (each.payload.empty()) {
            made.changes.emplace_back(mqtt::RetainedGone{each.topic});
            continue;
        }
        auto message = std::make_shared<mqtt::DurableMessage>();
        message->topic = each.topic;
        message->payload = each.payload;
        message->properties = each.properties;
        message->qos = each.qos;
        message->expires_at = each.expires_at;
        made.changes.emplace_back(mqtt::RetainedPut{each.topic, std::move(message)});
    }
    return made;
}

}  // namespace

sinks::StoreState ModelStore::load() {
    sinks::StoreState state;
    state.store_id = contents_.store_id;
    for (const auto& [key, position] : contents_.positions)
        state.positions.push_back({key.first, position});
    for (const auto& [key, quality] : contents_.tags)
        state.tags.push_back({key.first, key.second, quality});
    state.broker = contents_.broker.state();
    for (const auto& [topic, message] : state.broker.retained)
        state.retained.push_back(
            {topic, message->payload, message->properties, message->qos, message->expires_at});
    for (const auto& [ledger_id, row] : contents_.ledger) state.ledger.push_back(row);
    return state;
}

std::optional<std::string> ModelStore::commit(const sinks::StoreJob& job) {
    if (failures_left_ > 0) {
        --failures_left_;
        ++failures_;
        return "injected failure";
    }
    auto& [id, positions, tags, broker, ledger, journal] = contents_;
    for (const auto row : job.ledger.erased) ledger.erase(row);
    for (const auto& row : job.ledger.put) ledger[row.id] = row;
    for (const auto& stored : job.positions)
        positions[{stored.edge, stored.position.epoch}] = stored.position;
    for (const auto& tag : job.tags) tags[{tag.edge, tag.topic}] = tag.quality;
    broker.apply(as_changes(job.retained));
    broker.apply(job.broker);
    std::vector<tunnel::BatchRecord> records;
    for (const auto& entry : job.handed_over) {
        const auto head = tunnel::decode_batch(*entry.body, records);
        SALLYPORT_ASSERT(head.has_value());
        for (const auto& record : records) {
            if (record.seq <= entry.after) continue;
            Delivered delivered{entry.edge,
                                head->epoch,
                                record.seq,
                                record.also_tags,
                                record.quality,
                                (record.flags & record::kHasValue) != 0,
                                std::string(base::as_text(record.value)),
                                mqtt::Qos{static_cast<std::uint8_t>(record::qos_of(record.flags))}};
            delivered.tags.push_back(record.tag);
            journal.push_back(std::move(delivered));
        }
    }
    return std::nullopt;
}

record::Seq ModelStore::position(const std::string& edge, record::Epoch epoch) const {
    const auto found = contents_.positions.find({edge, epoch});
    return found == contents_.positions.end() ? 0 : found->second.seq;
}

bool ModelStore::is_settled(const std::string& edge, record::Seq seq) const {
    const bool is_passed = std::ranges::any_of(contents_.positions, [&](const auto& stored) {
        return stored.first.first == edge && stored.second.seq >= seq;
    });
    return !is_passed || std::ranges::any_of(contents_.ledger, [&](const auto& stored) {
        const auto& entry = stored.second.entry;
        return entry.peer == edge && entry.first <= seq && seq <= entry.last;
    });
}

std::map<std::string, std::string> ModelStore::retained() const {
    std::map<std::string, std::string> values;
    for (const auto& [topic, row] : contents_.broker.retained)
        values[topic] = base::as_text(row.message->payload);
    return values;
}

void ModelStore::lose(std::uint64_t new_id) {
    contents_ = {};
    contents_.store_id = new_id;
}

}  // namespace sallyport::simulation
