// An application on the IT side: subscribes to everything at QoS 1 and notes what it is shown.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/network_core.hpp"
#include "common/mqtt/packet.hpp"
#include "common/record/record.hpp"

namespace sallyport::simulation {

/// One record as the application was shown it.
struct Shown {
    std::string edge, topic, value;
    record::Epoch epoch = 0;
    record::Seq seq = 0;
    std::string quality;
    bool historical = false;
    mqtt::Qos qos = mqtt::Qos::at_most_once;
    base::Instant at{};
};

class Subscriber final : public base::NetworkCore {
public:
    void opened(base::ConnectionId id, const base::Peer& peer, base::Now now) override;
    void received(base::ConnectionId id, base::ByteView bytes, base::Now now) override;
    void closed(base::ConnectionId id, base::CloseCause cause, base::Now now) override;
    void expire(base::Now now) override;
    std::optional<base::Instant> next_deadline() const override;
    std::optional<base::Command> next_command() override;
    bool take_output(base::ConnectionId id, base::Bytes& out) override;

    /// What it was shown since forget(), in that order.
    const std::vector<Shown>& shown() const { return shown_; }
    /// What was retained when it subscribed, by topic; without the agent's own topics.
    const std::map<std::string, std::string>& retained() const { return retained_; }
    /// The it-agent has another store: from the next connection on identities may come again.
    void forget() { forgets_ = true; }
    bool is_online() const { return online_; }
    /// The newest payload seen on one of the agent's own topics.
    std::string state_of(const std::string& topic) const;

private:
    void handle(const mqtt::Packet& packet, base::Now now);
    void note(const mqtt::Publish& publish, base::Now now);

    base::DialIds ids_;
    std::optional<base::ConnectionId> connection_;
    bool online_ = false;
    base::Instant next_{};
    std::optional<base::Instant> next_ping_;
    base::Bytes inbox_, outbox_;
    std::deque<base::Command> commands_;
    bool ping_unanswered_ = false, forgets_ = false;
    std::vector<Shown> shown_;
    std::map<std::string, std::string> states_, retained_;
};

}  // namespace sallyport::simulation
