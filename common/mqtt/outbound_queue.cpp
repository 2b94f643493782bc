#include "common/mqtt/outbound_queue.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "common/base/assert.hpp"

namespace sallyport::mqtt {
namespace {

std::size_t cost(const Delivery& delivery) {
    return delivery.message->bytes() + OutboundQueue::kOverheadBytes;
}

}  // namespace

Delivery& OutboundQueue::push(Delivery delivery) {
    delivery.order = next_order_++;
    return join_waiting(std::move(delivery));
}

Delivery& OutboundQueue::join_waiting(Delivery delivery) {
    const std::uint64_t order = delivery.order;
    waiting_bytes_ += cost(delivery);
    const auto at = waiting_.emplace_hint(waiting_.end(), order, std::move(delivery));
    if (at->second.must_stay) {
        ++staying_;
        staying_bytes_ += cost(at->second);
    }
    if (at->second.shared || at->second.must_stay) return at->second;
    // The key views the topic of the newest message, so that it lives as long as the entry does.
    const std::string_view topic = at->second.message->topic;
    if (const auto older = newest_.find(topic); older != newest_.end()) {
        superseded_.insert(older->second);
        newest_.erase(older);
    }
    newest_.emplace(topic, order);
    return at->second;
}

std::size_t OutboundQueue::trim(std::size_t messages_max, std::size_t bytes_max,
                                std::vector<Delivery>* dropped_deliveries) {
    std::size_t dropped = 0;
    while (!waiting_.empty() && (waiting_.size() > messages_max || bytes() > bytes_max)) {
        const auto victim = next_to_drop();
        if (victim == waiting_.end()) break;
        forget(victim->first, victim->second);
        if (dropped_deliveries != nullptr) dropped_deliveries->push_back(std::move(victim->second));
        waiting_.erase(victim);
        ++dropped;
    }
    return dropped;
}

std::size_t OutboundQueue::drop_superseded() {
    const std::size_t dropped = superseded_.size();
    while (!superseded_.empty()) {
        const auto victim = waiting_.find(*superseded_.begin());
        forget(victim->first, victim->second);
        waiting_.erase(victim);
    }
    return dropped;
}

/// The end where nothing may be dropped.
std::map<std::uint64_t, Delivery>::iterator OutboundQueue::next_to_drop() {
    if (!superseded_.empty()) return waiting_.find(*superseded_.begin());
    if (staying_ == 0) return waiting_.begin();
    const auto last = std::prev(waiting_.end());
    return last->second.must_stay ? waiting_.end() : last;
}

Delivery OutboundQueue::pop() {
    SALLYPORT_ASSERT(!waiting_.empty());
    const auto oldest = waiting_.begin();
    forget(oldest->first, oldest->second);
    Delivery delivery = std::move(oldest->second);
    waiting_.erase(oldest);
    return delivery;
}

void OutboundQueue::forget(std::uint64_t order, const Delivery& delivery) {
    waiting_bytes_ -= cost(delivery);
    if (delivery.must_stay) {
        --staying_;
        staying_bytes_ -= cost(delivery);
        return;
    }
    if (delivery.shared || superseded_.erase(order) > 0) return;
    newest_.erase(delivery.message->topic);
}

void OutboundQueue::connected(std::uint16_t receive_maximum) {
    receive_maximum_ = receive_maximum;
    outstanding_ = 0;
    std::vector<std::pair<std::uint64_t, std::uint16_t>> ordered;
    ordered.reserve(in_flight_.size());
    for (auto& [packet_id, entry] : in_flight_) {
        entry.sent = false;
        ordered.emplace_back(entry.delivery.order, packet_id);
    }
    std::ranges::sort(ordered);
    resend_.clear();
    for (const auto& [order, packet_id] : ordered) resend_.push_back(packet_id);
}

std::optional<std::uint16_t> OutboundQueue::next_resend() {
    while (!resend_.empty()) {
        const std::uint16_t packet_id = resend_.front();
        resend_.pop_front();
        const auto entry = in_flight_.find(packet_id);
        if (entry == in_flight_.end()) continue;  // completed before its turn came
        entry->second.sent = true;
        ++outstanding_;
        return packet_id;
    }
    return std::nullopt;
}

std::uint16_t OutboundQueue::begin(Delivery delivery) {
    SALLYPORT_ASSERT(window_open());
    do {
        ++last_packet_id_;
    } while (last_packet_id_ == 0 || in_flight_.contains(last_packet_id_));
    in_flight_bytes_ += cost(delivery);
    ++outstanding_;
    if (delivery.order == 0) delivery.order = next_order_++;
    in_flight_.emplace(last_packet_id_, InFlight{std::move(delivery), false, true, true});
    return last_packet_id_;
}

const OutboundQueue::InFlight* OutboundQueue::find(std::uint16_t packet_id) const {
    const auto entry = in_flight_.find(packet_id);
    return entry == in_flight_.end() ? nullptr : &entry->second;
}

OutboundQueue::InFlight* OutboundQueue::find(std::uint16_t packet_id) {
    const auto entry = in_flight_.find(packet_id);
    return entry == in_flight_.end() ? nullptr : &entry->second;
}

void OutboundQueue::release(std::uint16_t packet_id) {
    auto& entry = in_flight_.at(packet_id);
    if (entry.released) return;
    in_flight_bytes_ -= cost(entry.delivery);
    entry.released = true;
    entry.delivery.message.reset();
}

void OutboundQueue::complete(std::uint16_t packet_id) {
    const auto entry = in_flight_.find(packet_id);
    SALLYPORT_ASSERT(entry != in_flight_.end());
    if (entry->second.sent) --outstanding_;
    if (!entry->second.released) in_flight_bytes_ -= cost(entry->second.delivery);
    in_flight_.erase(entry);
}

void OutboundQueue::restore(Delivery delivery, std::uint16_t packet_id, bool released) {
    SALLYPORT_ASSERT(delivery.order >= next_order_ && !in_flight_.contains(packet_id));
    next_order_ = delivery.order + 1;
    if (packet_id == 0) {
        join_waiting(std::move(delivery));
        return;
    }
    if (!released) in_flight_bytes_ += cost(delivery);
    in_flight_.emplace(packet_id, InFlight{std::move(delivery), released, false, true});
    last_packet_id_ = packet_id;
}

}  // namespace sallyport::mqtt
