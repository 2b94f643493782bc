#include "edge-agent/core/waiting_records.hpp"

#include <algorithm>

namespace sallyport::edge_core {

bool WaitingRecords::add(tunnel::BatchRecord record, const mqtt::Published& published,
                         const std::optional<spool::Receipt>& receipt) {
    Waiting waiting;
    waiting.record = std::move(record);
    waiting.client_id = published.client_id;
    waiting.token = published.token;
    waiting.receipt = receipt;
    return add(std::move(waiting));
}

bool WaitingRecords::add(tunnel::BatchRecord record) {
    Waiting waiting;
    waiting.record = std::move(record);
    return add(std::move(waiting));
}

bool WaitingRecords::add(Waiting waiting) {
    const auto& record = waiting.record;
    waiting.bytes = sizeof(Waiting) + record.value.size() + record.properties.size() +
                    record.also_tags.size() * sizeof(record::TagId) + waiting.client_id.size();
    if (bytes_ + waiting.bytes > limits_.bytes_max) return false;
    bytes_ += waiting.bytes;
    auto& kept = waiting_.emplace_back(std::move(waiting));
    kept.value.assign(kept.record.value.begin(), kept.record.value.end());
    kept.properties.assign(kept.record.properties.begin(), kept.record.properties.end());
    kept.record.value = kept.value;
    kept.record.properties = kept.properties;
    if (kept.token.session == 0) return true;
    by_name_.erase(name_of(kept));  // its key views the older one
    by_name_.emplace(name_of(kept), &kept);
    auto& share = shares_[kept.client_id];
    ++share.publishes;
    share.bytes += kept.bytes;
    return true;
}

bool WaitingRecords::fills_window(const mqtt::Published& published) {
    const auto share = shares_.find(published.client_id);
    if (share == shares_.end() || is_within(share->second, 1)) return false;
    share->second.unread = published.token;
    return true;
}

bool WaitingRecords::join(const tunnel::BatchRecord& record, const mqtt::Published& published) {
    if (!published.dup || published.qos != mqtt::Qos::at_least_once) return false;
    const auto named = by_name_.find({published.client_id, published.token.packet_id});
    if (named == by_name_.end()) return false;
    auto& waiting = *named->second;
    // A receipt names the session; without one it may be another one of the same client.
    const bool is_its_own = !waiting.receipt || waiting.token.session == published.token.session;
    const bool is_same = waiting.record.tag == record.tag && waiting.record.flags == record.flags &&
                         std::ranges::equal(waiting.value, record.value) &&
                         std::ranges::equal(waiting.properties, record.properties);
    if (!is_its_own || !is_same) return false;
    waiting.token = published.token;
    return true;
}

std::optional<mqtt::AckToken> WaitingRecords::pop_front() {
    const auto& gone = waiting_.front();
    const auto named = by_name_.find(name_of(gone));
    if (named != by_name_.end() && named->second == &gone) by_name_.erase(named);
    bytes_ -= gone.bytes;
    std::optional<mqtt::AckToken> reads_on;
    if (gone.token.session != 0) {
        const auto at = shares_.find(gone.client_id);
        auto& share = at->second;
        share.bytes -= gone.bytes;
        --share.publishes;
        if (share.unread && (share.publishes == 0 || is_within(share, 2)))
            reads_on = std::exchange(share.unread, {});
        if (share.publishes == 0) shares_.erase(at);
    }
    waiting_.pop_front();
    return reads_on;
}

}  // namespace sallyport::edge_core
