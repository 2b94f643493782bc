// An application on the IT side: subscribes to everything at QoS 1 and notes which records it was
// shown.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "common/base/network_core.hpp"
#include "common/mqtt/packet.hpp"

namespace sallyport::simulation {

class Subscriber final : public base::NetworkCore {
public:
    void opened(base::ConnectionId id, const base::Peer& peer, base::Now now) override;
    void received(base::ConnectionId id, base::ByteView bytes, base::Now now) override;
    void closed(base::ConnectionId id, base::CloseCause cause, base::Now now) override;
    void expire(base::Now now) override;
    std::optional<base::Instant> next_deadline() const override;
    std::optional<base::Command> next_command() override;
    bool take_output(base::ConnectionId id, base::Bytes& out) override;

    /// Records shown, and shown more than once.
    std::uint64_t records() const { return records_; }
    std::uint64_t repeats() const { return repeats_; }
    /// The newest payload seen on a retained state topic.
    std::string state_of(const std::string& topic) const;

private:
    void handle(const mqtt::Packet& packet);
    void note(const mqtt::Publish& publish);

    base::DialIds ids_;
    std::optional<base::ConnectionId> connection_;
    bool online_ = false;
    base::Instant next_{};
    std::optional<base::Instant> next_ping_;
    base::Bytes inbox_, outbox_;
    std::deque<base::Command> commands_;
    std::set<std::tuple<std::string, std::string, std::string>> seen_;
    std::map<std::string, std::string> states_;
    std::uint64_t records_ = 0, repeats_ = 0;
};

}  // namespace sallyport::simulation
