// What one session still has to be sent with QoS 1 or 2: messages that wait for their turn, and
// messages in flight, which have a packet identifier and stay until the client has completed them
// (section 4.3, 4.4). Survives connections. Decides nothing about output; the broker asks it what
// comes next.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/mqtt/stored_message.hpp"

namespace sallyport::mqtt {

struct Delivery {
    StoredMessagePtr message;
    Qos qos = Qos::at_least_once;  // effective
    bool retain = false;           // the flag as it is sent
    bool shared = false;           // of a shared subscription
    std::vector<std::uint32_t> subscription_ids;
    // Its place in the session: given when it joins, rises, never used again. 0: has not joined.
    std::uint64_t order = 0;
    // The journal's change that must be on disk before the client hears of its next step. 0: none.
    std::uint64_t held_until = 0;
    bool must_stay = false;  // trim() leaves it alone
};

class OutboundQueue {
public:
    /// What one entry costs beyond its message's bytes, about.
    static constexpr std::size_t kOverheadBytes = 192;

    struct InFlight {
        Delivery delivery;
        bool released = false;  // PUBREC has come: PUBREL is what is sent again
        bool sent = false;      // on the present connection: counts against Receive Maximum
        bool attempted = true;  // the client may have seen the PUBLISH: DUP is due (3.3.1.1)
    };

    /// Joins the waiting messages; valid until the next change.
    Delivery& push(Delivery delivery);
    /// Drops waiting messages until both limits hold: first, oldest first, those with a newer
    /// message of the same topic behind them; then the oldest, or, where any must stay, the newest,
    /// as long as that one need not. Returns how many, and appends them to `dropped` where given.
    /// In flight is never dropped.
    std::size_t trim(std::size_t messages_max, std::size_t bytes_max,
                     std::vector<Delivery>* dropped = nullptr);
    /// Drops those with a newer message of the same topic behind them. Returns how many.
    std::size_t drop_superseded();
    bool has_waiting() const { return !waiting_.empty(); }
    std::size_t waiting() const { return waiting_.size(); }
    /// The oldest waiting message, and taking it.
    const Delivery& front() const { return waiting_.begin()->second; }
    Delivery pop();

    /// A new connection: everything in flight is to be sent again, oldest first.
    void connected(std::uint16_t receive_maximum);
    bool window_open() const {
        return outstanding_ < receive_maximum_ && in_flight_.size() < 65'535;
    }
    bool has_resend() const { return !resend_.empty(); }
    /// Takes the next identifier to send again; nothing where there is none.
    std::optional<std::uint16_t> next_resend();
    /// Puts a message in flight and gives it its packet identifier. Only while the window is open.
    std::uint16_t begin(Delivery delivery);
    const InFlight* find(std::uint16_t packet_id) const;
    InFlight* find(std::uint16_t packet_id);
    /// PUBREC: the message is the client's; its identifier stays until PUBCOMP.
    void release(std::uint16_t packet_id);
    void complete(std::uint16_t packet_id);

    /// What restore() takes is of this order or a later one.
    std::uint64_t next_order() const { return next_order_; }
    /// At a start, in order of `delivery.order`. packet_id 0: it waits; else it is nobody else's.
    void restore(Delivery delivery, std::uint16_t packet_id, bool released);
    /// Calls f(Delivery&) for all there are, in no order. `f` leaves the messages alone.
    template <class F>
    void for_each(F f) {
        for (auto& [packet_id, entry] : in_flight_) f(entry.delivery);
        for (auto& [order, delivery] : waiting_) f(delivery);
    }

    std::size_t bytes() const { return waiting_bytes_ + in_flight_bytes_; }
    /// Of waiting messages that must stay.
    std::size_t staying() const { return staying_; }
    std::size_t staying_bytes() const { return staying_bytes_; }
    std::size_t in_flight_bytes() const { return in_flight_bytes_; }
    std::size_t in_flight() const { return in_flight_.size(); }

private:
    Delivery& join_waiting(Delivery delivery);
    void forget(std::uint64_t order, const Delivery& delivery);
    std::map<std::uint64_t, Delivery>::iterator next_to_drop();

    std::map<std::uint64_t, Delivery> waiting_;  // by order of arrival
    // The newest waiting message of each topic, and those that a newer one has superseded. Messages
    // of shared subscriptions are in neither: they are work to share out, not a state. Nor are
    // those that must stay.
    std::unordered_map<std::string_view, std::uint64_t> newest_;
    std::set<std::uint64_t> superseded_;
    std::unordered_map<std::uint16_t, InFlight> in_flight_;
    std::deque<std::uint16_t> resend_;
    std::uint64_t next_order_ = 1;
    std::size_t waiting_bytes_ = 0;
    std::size_t in_flight_bytes_ = 0;
    std::size_t staying_ = 0, staying_bytes_ = 0;
    std::size_t outstanding_ = 0;
    std::uint16_t receive_maximum_ = 65'535;
    std::uint16_t last_packet_id_ = 0;
};

}  // namespace sallyport::mqtt
