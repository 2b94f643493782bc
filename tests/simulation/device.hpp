// A simulated device: an MQTT client that publishes numbered values at QoS 0, 1 or 2, keeps what is
// not acknowledged, and sends it again after a reconnect, as real clients do.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/base/network_core.hpp"
#include "common/mqtt/packet.hpp"
#include "tests/simulation/scheduler.hpp"

namespace sallyport::simulation {

struct DeviceOptions {
    std::string client_id;  // also the prefix of its values: "<client_id>:<number>:…"
    mqtt::Version version = mqtt::Version::v5;
    mqtt::Qos qos = mqtt::Qos::at_least_once;
    std::uint64_t publishes = 100;
    std::size_t topics = 3;
    std::size_t payload_bytes_max = 200;
    std::size_t window = 10;  // unacknowledged publishes
    base::Duration interval_max = std::chrono::milliseconds(50);
};

/// A publish as the device made it; its number is what the checker goes by.
struct Made {
    std::uint64_t number = 0;
    std::string topic;
    std::string payload;
    bool retain = false;
    base::Instant at{};
};

class Device final : public base::NetworkCore {
public:
    Device(DeviceOptions options, Random random);

    void opened(base::ConnectionId id, const base::Peer& peer, base::Now now) override;
    void received(base::ConnectionId id, base::ByteView bytes, base::Now now) override;
    void closed(base::ConnectionId id, base::CloseCause cause, base::Now now) override;
    void expire(base::Now now) override;
    std::optional<base::Instant> next_deadline() const override;
    std::optional<base::Command> next_command() override;
    bool take_output(base::ConnectionId id, base::Bytes& out) override;

    bool is_done() const { return made_.size() == options_.publishes && unacked_.empty(); }
    const DeviceOptions& options() const { return options_; }
    const std::vector<Made>& made() const { return made_; }
    /// Numbers whose PUBACK or PUBREC came (QoS 1, 2).
    const std::set<std::uint64_t>& acknowledged() const { return acknowledged_; }
    /// Those that came since this was last asked.
    std::vector<std::uint64_t> take_new_acknowledgements() {
        return std::exchange(newly_acknowledged_, {});
    }
    /// Numbers sent whose acknowledgement has not come.
    std::vector<std::uint64_t> waiting() const;
    /// When the present connection was accepted; nothing while there is none.
    std::optional<base::Instant> online_since() const { return online_since_; }
    std::uint64_t sent_again() const { return sent_again_; }
    /// It sent that number again to a server that had no session of it: as another message.
    bool sent_anew(std::uint64_t number) const { return sent_anew_.contains(number); }

private:
    struct Unacked {
        std::uint16_t packet_id;
        std::uint64_t number;
        bool released = false;  // QoS 2: PUBREC came, PUBREL sent
    };

    void handle(const mqtt::Packet& packet, base::Now now);
    void acknowledge(const mqtt::Acknowledgement& packet);
    void note_acknowledged(std::uint64_t number);
    void make(base::Now now);
    void send(const Unacked& publish, bool dup);
    void connected(base::Now now);

    DeviceOptions options_;
    Random random_;
    base::DialIds ids_;
    std::optional<base::ConnectionId> connection_;
    bool online_ = false;
    std::optional<base::Instant> online_since_;
    base::Instant next_{};  // dial, or publish
    std::optional<base::Instant> next_ping_;
    bool ping_unanswered_ = false;
    std::uint16_t next_packet_id_ = 0;
    std::vector<Made> made_;
    std::deque<Unacked> unacked_;
    std::set<std::uint64_t> acknowledged_;
    std::vector<std::uint64_t> newly_acknowledged_;
    std::uint64_t sent_again_ = 0;
    std::set<std::uint64_t> sent_anew_;
    base::Bytes inbox_, outbox_;
    std::deque<base::Command> commands_;
};

}  // namespace sallyport::simulation
