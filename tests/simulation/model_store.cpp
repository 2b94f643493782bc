#include "tests/simulation/model_store.hpp"

#include <algorithm>

#include "common/base/assert.hpp"

namespace sallyport::simulation {

sinks::StoreState ModelStore::load() {
    auto state = state_;
    for (const auto& [key, position] : positions_) state.positions.push_back({key.first, position});
    for (const auto& [key, quality] : tags_) state.tags.push_back({key.first, key.second, quality});
    for (const auto& [topic, retained] : retained_) state.retained.push_back(retained);
    return state;
}

std::optional<std::string> ModelStore::commit(const sinks::StoreJob& job) {
    if (failures_left_ > 0) {
        --failures_left_;
        ++failures_;
        return "injected failure";
    }
    for (const auto& stored : job.positions)
        positions_[{stored.edge, stored.position.epoch}] = stored.position;
    for (const auto& tag : job.tags) tags_[{tag.edge, tag.topic}] = tag.quality;
    for (const auto& retained : job.retained) {
        if (retained.payload.empty())
            retained_.erase(retained.topic);
        else
            retained_[retained.topic] = retained;
    }
    std::vector<tunnel::BatchRecord> records;
    for (const auto& entry : job.handed_over) {
        const auto head = tunnel::decode_batch(*entry.body, records);
        SALLYPORT_ASSERT(head.has_value());
        for (const auto& record : records) {
            if (record.seq <= entry.after || (record.flags & record::kHasValue) == 0) continue;
            journal_.push_back(
                {entry.edge, head->epoch, record.seq, std::string(base::as_text(record.value))});
        }
    }
    return std::nullopt;
}

record::Seq ModelStore::newest_position(const std::string& edge) const {
    record::Seq newest = 0;
    for (const auto& [key, position] : positions_)
        if (key.first == edge) newest = std::max(newest, position.seq);
    return newest;
}

}  // namespace sallyport::simulation
