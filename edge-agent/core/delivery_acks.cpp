#include "edge-agent/core/delivery_acks.hpp"

#include <xxhash.h>

namespace sallyport::edge_core {
namespace {

std::uint64_t digest(std::string_view topic, base::ByteView payload) {
    const std::uint64_t seed = XXH3_64bits(topic.data(), topic.size());
    return XXH3_64bits_withSeed(payload.data(), payload.size(), seed);
}

}  // namespace

spool::Receipt DeliveryAcks::receipt_of(const mqtt::Published& published) {
    spool::Receipt receipt;
    receipt.session = published.token.session;
    receipt.packet_id = published.token.packet_id;
    receipt.is_exactly_once = published.qos == mqtt::Qos::exactly_once;
    receipt.awaits_delivery = true;
    receipt.digest = digest(published.topic, published.payload);
    return receipt;
}

void DeliveryAcks::restore() {
    decided_upto_ = spool_.delivered();
    for (const auto& receipt : spool_.receipts()) {
        const bool is_delivered = receipt.seq <= decided_upto_ && !receipt.left_out;
        const bool waits = receipt.awaits_delivery && !(receipt.is_exactly_once && is_delivered);
        const bool is_known = waits ? broker_.has_session(receipt.session)
                                    : broker_.restore_receipt(receipt.session, receipt.packet_id);
        if (!is_known)
            spool_.release(receipt.session, receipt.packet_id);
        else if (waits)
            add(receipt, {});
    }
}

void DeliveryAcks::add(const spool::Receipt& receipt, mqtt::AckToken token) {
    const Name name{receipt.session, receipt.packet_id};
    // Sent again while it waited for room: the newest copy is the one that is answered.
    if (const auto older = by_name_.find(name); older != by_name_.end())
        waits_.erase(older->second);
    waits_.emplace(receipt.seq, Wait{receipt, token});
    by_name_[name] = receipt.seq;
}

void DeliveryAcks::remove(Waits::iterator at) {
    const auto& receipt = at->second.receipt;
    by_name_.erase({receipt.session, receipt.packet_id});
    waits_.erase(at);
}

void DeliveryAcks::wait(const spool::Receipt& receipt, mqtt::AckToken token) {
    if (waits_.size() >= kWaitingMax && front_is_unclaimed()) {
        const auto& oldest = waits_.begin()->second.receipt;
        spool_.release(oldest.session, oldest.packet_id);
        remove(waits_.begin());
    }
    add(receipt, token);
}

bool DeliveryAcks::join(const mqtt::Published& published) {
    if (waits_.empty() || published.token.session == 0) return false;
    const auto named = by_name_.find({published.token.session, published.token.packet_id});
    if (named == by_name_.end()) return false;
    const auto at = waits_.find(named->second);
    auto& wait = at->second;
    const bool is_exactly_once = published.qos == mqtt::Qos::exactly_once;
    const bool is_same = (is_exactly_once || published.dup) &&
                         wait.receipt.digest == digest(published.topic, published.payload);
    if (!is_same || is_exactly_once != wait.receipt.is_exactly_once) {
        spool_.release(wait.receipt.session, wait.receipt.packet_id);
        remove(at);
        return false;
    }
    wait.token = published.token;
    if (at->first <= decided_upto_ && !wait.ticket) due_.push_back(at->first);
    return true;
}

void DeliveryAcks::released(mqtt::AckToken token) {
    const auto named = by_name_.find({token.session, token.packet_id});
    if (named != by_name_.end()) remove(waits_.find(named->second));
}

void DeliveryAcks::settle(base::Now now) {
    if (waits_.empty()) return;
    const auto upto = spool_.delivered();
    for (auto at = waits_.upper_bound(decided_upto_); at != waits_.end() && at->first <= upto; ++at)
        due_.push_back(at->first);
    decided_upto_ = upto;
    for (; !due_.empty(); due_.pop_front()) answer(due_.front(), now);
    for (; !releasing_.empty(); releasing_.pop_front()) {
        const auto at = waits_.find(releasing_.front());
        if (at == waits_.end()) continue;
        if (!spool_.is_released(*at->second.ticket)) return;
        const bool left_out = at->second.receipt.left_out;
        broker_.acknowledge(
            at->second.token,
            left_out ? mqtt::ReasonCode::implementation_specific_error : mqtt::ReasonCode::success,
            now);
        remove(at);
    }
}

/// A device that is away is answered when it sends again.
void DeliveryAcks::answer(record::Seq seq, base::Now now) {
    const auto at = waits_.find(seq);
    if (at == waits_.end() || at->second.ticket) return;
    auto& [receipt, token, ticket] = at->second;
    receipt.left_out = receipt.left_out || spool_.is_left_out(seq);
    if (!broker_.awaits(token)) {
        if (broker_.has_session(receipt.session)) return;
        spool_.release(receipt.session, receipt.packet_id);
        remove(at);
        return;
    }
    if (receipt.is_exactly_once && !receipt.left_out) {
        broker_.acknowledge(token, mqtt::ReasonCode::success, now);
        remove(at);
        return;
    }
    ticket = spool_.release(receipt.session, receipt.packet_id);
    releasing_.push_back(seq);
}

}  // namespace sallyport::edge_core
