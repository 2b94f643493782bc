// The QoS 1 and 2 publishes of one session that are not complete (section 4.3): which packet
// identifiers the owner has still to acknowledge, and which QoS 2 ones wait for their PUBREL.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "common/mqtt/packet.hpp"

namespace sallyport::mqtt {

class InboundReceipts {
public:
    struct Receipt {
        std::uint32_t generation = 0;  // tells a reused packet identifier from its earlier uses
        Qos qos = Qos::at_least_once;
        bool acknowledged = false;  // QoS 2: PUBREC has been sent or is due on the next resend
    };

    /// A new message under this identifier; what stood there before is forgotten. Returns its
    /// generation.
    std::uint32_t begin(std::uint16_t packet_id, Qos qos) {
        receipts_.insert_or_assign(packet_id, Receipt{++generation_, qos, false});
        return generation_;
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
    std::size_t size() const { return receipts_.size(); }

private:
    std::unordered_map<std::uint16_t, Receipt> receipts_;
    std::uint32_t generation_ = 0;
};

}  // namespace sallyport::mqtt
