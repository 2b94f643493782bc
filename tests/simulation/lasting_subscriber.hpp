// A client with a lasting session that goes away and comes back: it takes messages at QoS 1 or 2,
// answers for them as the standard has it, and notes what it was given and what came again.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/base/network_core.hpp"
#include "common/mqtt/packet.hpp"
#include "common/record/record.hpp"
#include "tests/simulation/scheduler.hpp"

namespace sallyport::simulation {

/// A message that the client took as new, by the rules of its QoS. On the IT side it has the
/// record's identity.
struct Taken {
    std::string value, edge;
    record::Epoch epoch = 0;
    record::Seq seq = 0;
    mqtt::Qos qos = mqtt::Qos::at_most_once;
    bool is_retained = false;  // the copy that a new subscription is given; these have no order
};

class LastingSubscriber final : public base::NetworkCore {
public:
    LastingSubscriber(std::string client_id, std::string filter, mqtt::Qos qos, Random random)
        : client_id_(std::move(client_id)),
          filter_(std::move(filter)),
          qos_(qos),
          random_(random) {}

    void opened(base::ConnectionId id, const base::Peer& peer, base::Now now) override;
    void received(base::ConnectionId id, base::ByteView bytes, base::Now now) override;
    void closed(base::ConnectionId id, base::CloseCause cause, base::Now now) override;
    void expire(base::Now now) override;
    std::optional<base::Instant> next_deadline() const override;
    std::optional<base::Command> next_command() override;
    bool take_output(base::ConnectionId id, base::Bytes& out) override;

    /// Its server has another store: it begins anew, under another name, at its next connection.
    void begin_anew() { begins_anew_ = true; }
    /// From now on it stays where it is.
    void stay() { leaves_ = false; }

    const std::string& client_id() const { return client_id_; }
    mqtt::Qos qos() const { return qos_; }
    /// Its subscription was acknowledged to the present name.
    bool is_subscribed() const { return subscribed_ && !begins_anew_; }
    /// True once for each subscription that was acknowledged.
    bool take_subscribed() { return std::exchange(newly_subscribed_, false); }
    /// Of the present name, in the order of their arrival.
    const std::vector<Taken>& taken() const { return taken_; }
    /// A session whose subscription was acknowledged was not there any more.
    bool lost_its_session() const { return lost_session_; }
    /// Sessions found again; PUBLISH of QoS 2, and PUBREL, that came again.
    std::uint64_t resumed() const { return resumed_; }
    std::uint64_t known_again() const { return known_again_; }
    std::uint64_t released_again() const { return released_again_; }

private:
    void connect();
    void handle(const mqtt::Packet& packet, base::Now now);
    void handle(const mqtt::Connack& connack, base::Now now);
    void handle(const mqtt::Publish& publish);
    void release(std::uint16_t packet_id);
    void answer(mqtt::PacketType type, std::uint16_t packet_id);
    void note(const mqtt::Publish& publish);

    std::string client_id_, filter_;
    mqtt::Qos qos_;
    Random random_;
    base::DialIds ids_;
    std::optional<base::ConnectionId> connection_;
    bool online_ = false, leaves_ = true, begins_anew_ = false;
    bool subscribed_ = false, newly_subscribed_ = false, lost_session_ = false;
    base::Instant next_{};  // dial, or leave
    std::optional<base::Instant> next_ping_;
    bool ping_unanswered_ = false;
    base::Bytes inbox_, outbox_;
    std::deque<base::Command> commands_;
    std::set<std::uint16_t> unreleased_;  // packet identifiers of QoS 2 messages
    std::vector<Taken> taken_;
    std::uint64_t resumed_ = 0, known_again_ = 0, released_again_ = 0;
};

}  // namespace sallyport::simulation
