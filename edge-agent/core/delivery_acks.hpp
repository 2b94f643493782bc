// Acknowledgements of `ack = "delivered"`: PUBACK or PUBREC waits until every destination has the
// record, and leaves then, out of turn. What the device sends again meanwhile joins its record. The
// log keeps who waits for what (spool::Receipt), so that a restart changes nothing of that.
//
// A wait is *undecided* until every cursor has passed its record; then *due* as soon as its device
// waits on a connection; then, where the identifier will be free, *releasing*: the answer leaves
// when the log has durably forgotten it. A QoS 2 publish stays a receipt until its PUBREL.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "common/mqtt/broker.hpp"
#include "edge-agent/spool/spool.hpp"

namespace sallyport::edge_core {

class DeliveryAcks {
public:
    /// Beyond, publishes that ask for it are not taken.
    static constexpr std::size_t kWaitingMax = 16'384;

    DeliveryAcks(spool::Spool& spool, mqtt::Broker& broker) : spool_(spool), broker_(broker) {}

    /// What the log keeps of a publish that waits, but for its seq.
    static spool::Receipt receipt_of(const mqtt::Published& published);

    /// A start: takes the receipts of the log, and gives the broker those of publishes that wait
    /// for nothing but their PUBREL.
    void restore();
    bool has_room() const { return waits_.size() < kWaitingMax || front_is_unclaimed(); }
    void wait(const spool::Receipt& receipt, mqtt::AckToken token);
    /// True: the same publish once more, which is answered when its record's time has come. It has
    /// the same bytes and, of QoS 1, DUP: many a client numbers anew when it restarts.
    bool join(const mqtt::Published& published);
    /// PUBREL has come: a QoS 2 publish had been answered, though a restart has forgotten that.
    void released(mqtt::AckToken token);
    void settle(base::Now now);
    std::size_t size() const { return waits_.size(); }

private:
    using Name = std::pair<std::uint64_t, std::uint16_t>;
    struct Wait {
        spool::Receipt receipt;
        mqtt::AckToken token;                   // of the last time it was sent; none after a start
        std::optional<std::uint64_t> ticket{};  // releasing
    };
    using Waits = std::map<record::Seq, Wait>;

    bool front_is_unclaimed() const {
        return !waits_.empty() && waits_.begin()->first <= decided_upto_ &&
               !waits_.begin()->second.ticket;
    }
    void add(const spool::Receipt& receipt, mqtt::AckToken token);
    void answer(record::Seq seq, base::Now now);
    void remove(Waits::iterator at);

    spool::Spool& spool_;
    mqtt::Broker& broker_;
    Waits waits_;
    std::map<Name, record::Seq> by_name_;
    record::Seq decided_upto_ = 0;
    std::deque<record::Seq> due_, releasing_;
};

}  // namespace sallyport::edge_core
