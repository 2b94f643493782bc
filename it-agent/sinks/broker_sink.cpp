#include "it-agent/sinks/broker_sink.hpp"

#include <utility>

#include "common/base/assert.hpp"

namespace sallyport::sinks {
namespace {

bool has_value(const tunnel::BatchRecord& record) {
    return (record.flags & record::kHasValue) != 0;
}
bool is_retained(const tunnel::BatchRecord& record) {
    return has_value(record) && (record.flags & record::kRetain) != 0;
}

}  // namespace

void BrokerSink::add(const Arrival& arrival, base::ByteView body,
                     const std::vector<tunnel::BatchRecord>& records, base::Now now) {
    const auto& edge = arrival.feed->edge();
    auto shared = std::make_shared<const base::Bytes>(body.begin(), body.end());
    waiting_.push_back({arrival, shared});
    if (arrival.end.seq <= arrival.after)
        return;  // had before: only to be acknowledged in its turn
    // One position an edge and epoch is enough; the newest is behind the others.
    auto& positions = open_job_.positions;
    if (!positions.empty() && positions.back().edge == edge &&
        positions.back().position.epoch == arrival.end.epoch)
        positions.back().position = arrival.end;
    else
        positions.push_back({edge, arrival.end});
    for (const auto& record : records) {
        if (record.seq <= arrival.after) continue;
        note_tag(arrival, record, record.tag);
        for (const auto tag : record.also_tags) note_tag(arrival, record, tag);
        if (is_retained(record)) note_retained(arrival, record, now);
    }
    open_job_.handed_over.push_back({edge, std::move(shared), arrival.after});
}

/// The tag table changes only when a tag is new or its own quality changes.
void BrokerSink::note_tag(const Arrival& arrival, const tunnel::BatchRecord& record,
                          record::TagId tag) {
    auto& feed = *arrival.feed;
    const auto index = (*arrival.tags)[tag];
    if (!feed.note_stored(index, record.quality)) return;
    open_job_.tags.push_back({feed.edge(), feed.topic(index), record.quality});
}

void BrokerSink::note_retained(const Arrival& arrival, const tunnel::BatchRecord& record,
                               base::Now now) {
    auto& feed = *arrival.feed;
    StoredRetained retained;
    retained.topic = feed.emitted_topic((*arrival.tags)[record.tag]);
    retained.payload.assign(record.value.begin(), record.value.end());
    retained.qos = mqtt::Qos{static_cast<std::uint8_t>(record::qos_of(record.flags))};
    const emit::Origin origin{feed.edge(), emit::epoch_text(arrival.end.epoch)};
    emit::mirror_properties(retained.properties, record, origin, record.quality,
                            feed.is_historical(record.arrival_time, now));
    open_job_.retained.push_back(std::move(retained));
}

std::optional<StoreJob> BrokerSink::next_job(base::Now now) {
    if (out_) return std::nullopt;
    if (in_flight_) {  // failed before
        if (now.instant < retry_at_) return std::nullopt;
    } else {
        if (waiting_.empty()) return std::nullopt;
        in_flight_ = std::exchange(open_job_, {});
        in_flight_->id = next_job_id_++;
        committing_ = std::exchange(waiting_, {});
    }
    out_ = true;
    retry_at_.reset();
    return in_flight_;
}

void BrokerSink::complete(const StoreDone& done, base::Now now) {
    SALLYPORT_ASSERT(out_ && in_flight_ && done.id == in_flight_->id);
    out_ = false;
    if (done.error) {
        last_error_ = *done.error;
        retry_at_ = now.instant + kRetryAfter;
        return;
    }
    in_flight_.reset();
    for (auto& waiting : committing_) committed_.push_back(std::move(waiting));
    committing_.clear();
}

std::optional<Emitted> BrokerSink::emit_next(base::Now now) {
    if (committed_.empty() || broker_.holds_back()) return std::nullopt;
    const auto waiting = std::move(committed_.front());
    committed_.pop_front();
    emit(waiting, now);
    const auto& arrival = waiting.arrival;
    return Emitted{arrival.feed, arrival.session, arrival.end, arrival.credit_bytes};
}

void BrokerSink::emit(const Waiting& waiting, base::Now now) {
    const auto& arrival = waiting.arrival;
    if (origin_epoch_ != arrival.end.epoch || origin_.edge != arrival.feed->edge()) {
        origin_epoch_ = arrival.end.epoch;
        origin_ = {arrival.feed->edge(), emit::epoch_text(arrival.end.epoch)};
    }
    const auto head = tunnel::decode_batch(*waiting.body, records_);
    SALLYPORT_ASSERT(head.has_value());  // the receiver decoded the same bytes
    for (const auto& record : records_) {
        if (record.seq <= arrival.after) continue;
        if (has_value(record)) emit_value(waiting, record, now);
        arrival.feed->quality_emitted((*arrival.tags)[record.tag], record.quality, now);
        for (const auto tag : record.also_tags)
            arrival.feed->quality_emitted((*arrival.tags)[tag], record.quality, now);
    }
}

void BrokerSink::emit_value(const Waiting& waiting, const tunnel::BatchRecord& record,
                            base::Now now) {
    auto& feed = *waiting.arrival.feed;
    const auto index = (*waiting.arrival.tags)[record.tag];
    emit::mirror_properties(properties_, record, origin_, record.quality,
                            feed.is_historical(record.arrival_time, now));
    const auto topic = feed.emitted_topic(index);
    const bool retain = (record.flags & record::kRetain) != 0;
    broker_.publish({topic, record.value, properties_,
                     mqtt::Qos{static_cast<std::uint8_t>(record::qos_of(record.flags))}, retain},
                    now);
    if (retain) feed.retained_emitted(index, record.value.empty() ? base::Bytes{} : properties_);
}

}  // namespace sallyport::sinks
