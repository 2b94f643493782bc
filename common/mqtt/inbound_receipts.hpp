// The QoS 1 and 2 publishes of one session that are not complete (section 4.3): which packet
// identifiers the owner has still to acknowledge, which wait for the disk, and which QoS 2 ones
// wait for their PUBREL.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "common/base/network_core.hpp"
#include "common/mqtt/packet.hpp"

namespace sallyport::mqtt {

class InboundReceipts {
public:
    enum class State : std::uint8_t {
        // QoS 2: the client has to send it again before anything is answered, because a restart or
        // disconnect_publisher() came between. What is missing of it is completed then.
        interrupted,
        with_owner,    // the owner has not answered
        acknowledged,  // it has; PUBACK or PUBREC has gone or waits for the disk
        released,      // QoS 2: PUBREL has come; PUBCOMP waits for the disk and the owner
    };
    struct Receipt {
        std::uint32_t generation = 0;  // tells a reused packet identifier from its earlier uses
        Qos qos = Qos::at_least_once;
        State state = State::with_owner;
        ReasonCode reason = ReasonCode::success;  // of the acknowledgement
        bool distributed = true;                  // false: interrupted before this broker had it
        bool owner_has_it = false;                // interrupted: the owner need not be asked again
        bool owner_released = false;              // released: the owner has its share on disk
        bool kept = false;                        // it is on disk, or on its way
        std::uint64_t held_until = 0;             // the change that the next answer waits for
        base::ConnectionId asked_on{};            // where the client waits for the answer
    };

    /// A new message under this identifier; what stood there before is forgotten.
    Receipt& begin(std::uint16_t packet_id, Qos qos, base::ConnectionId asked_on) {
        Receipt receipt;
        receipt.generation = ++generation_;
        receipt.qos = qos;
        receipt.asked_on = asked_on;
        return receipts_.insert_or_assign(packet_id, receipt).first->second;
    }
    /// The same message is brought before the owner once more.
    void ask_again(Receipt& receipt) {
        receipt.generation = ++generation_;
        receipt.state = State::with_owner;
    }
    Receipt* find(std::uint16_t packet_id) {
        const auto found = receipts_.find(packet_id);
        return found == receipts_.end() ? nullptr : &found->second;
    }
    void erase(std::uint16_t packet_id) { receipts_.erase(packet_id); }
    /// The connection has ended: the client sends its QoS 1 messages again, and they count as new.
    void forget_at_least_once() {
        std::erase_if(receipts_,
                      [](const auto& entry) { return entry.second.qos == Qos::at_least_once; });
    }
    /// Calls f(packet identifier, Receipt&) for all there are, in no order.
    template <class F>
    void for_each(F f) {
        for (auto& [packet_id, receipt] : receipts_) f(packet_id, receipt);
    }
    std::size_t size() const { return receipts_.size(); }

private:
    std::unordered_map<std::uint16_t, Receipt> receipts_;
    std::uint32_t generation_ = 0;
};

}  // namespace sallyport::mqtt
