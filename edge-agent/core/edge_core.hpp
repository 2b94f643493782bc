// The edge: broker, ingest, spool and uplink joined into one core. A forwarded publish is appended
// to the spool as it is accepted; its PUBACK or PUBREC leaves when the commit that holds it is on
// disk; the uplink sends what is synced. Whatever the spool's disk or the tunnel do, the broker
// goes on serving local clients.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/network_core.hpp"
#include "common/base/notice.hpp"
#include "common/mqtt/broker.hpp"
#include "edge-agent/ingest/classifier.hpp"
#include "edge-agent/ingest/publishers.hpp"
#include "edge-agent/spool/spool.hpp"
#include "edge-agent/uplink/uplink.hpp"

namespace sallyport::edge_core {

struct EdgeOptions {
    std::string plant, name;
    mqtt::BrokerLimits broker;
    std::vector<ingest::ForwardRule> forwards;
    std::vector<std::string> destinations;
    tunnel::LinkTimers link_timers;
    tunnel::SenderTimers sender_timers;
    std::uint64_t seed = 1;  // random: process number, assigned client identifiers
    /// Publishes accepted from clients but without room in the spool; their senders are not read
    /// meanwhile.
    std::size_t waiting_publish_bytes_max = 64U << 20U;
};

struct EdgeStatus {
    mqtt::BrokerCounters broker;
    spool::SpoolStats spool;
    std::size_t tags = 0;
    std::uint64_t forwarded = 0, shed_qos0 = 0, pending_acks = 0, refused_topics = 0;
    record::Epoch epoch = 0;
    uplink::UplinkStatus uplink;
};

class EdgeCore final : public base::NetworkCore {
public:
    EdgeCore(EdgeOptions options, std::unique_ptr<spool::Spool> spool, base::Now now);

    void opened(base::ConnectionId id, const base::Peer& peer, base::Now now) override;
    void received(base::ConnectionId id, base::ByteView bytes, base::Now now) override;
    void progressed(base::ConnectionId id, base::Now now) override;
    void closed(base::ConnectionId id, base::CloseCause cause, base::Now now) override;
    void expire(base::Now now) override;
    std::optional<base::Instant> next_deadline() const override;
    std::optional<base::Command> next_command() override;
    bool take_output(base::ConnectionId id, base::Bytes& out) override;

    /// What the storage thread is to do; complete() takes each result.
    std::optional<spool::DiskJob> next_job(base::Now now);
    void complete(spool::DiskDone done, base::Now now);

    void shut_down(base::Now now);
    std::optional<base::Notice> next_notice();
    EdgeStatus status(base::Now now) const;
    /// Up to where that destination has said its sink has everything.
    record::Seq acknowledged(std::string_view destination) const {
        return uplink_.acknowledged(destination);
    }

private:
    /// A QoS > 0 publish whose acknowledgement waits for its record to be on disk.
    struct PendingAck {
        record::Seq seq;
        mqtt::AckToken token;
    };
    /// A record that found no room, owned: a QoS > 0 publish, or (without token) a change of
    /// quality.
    struct WaitingRecord {
        tunnel::BatchRecord record;
        base::Bytes value, properties;
        mqtt::AckToken token;
        std::size_t bytes = 0;
    };

    void settle(base::Now now);
    void handle(const mqtt::Published& published, base::Now now);
    bool wait_for_room(tunnel::BatchRecord record, mqtt::AckToken token);
    void accept(tunnel::BatchRecord record, const mqtt::Published& published, base::Now now);
    void record_quality(const ingest::QualityChange& change, base::Now now);
    void admit_waiting(base::Now now);
    void release_acks(base::Now now);
    void publish_tunnel_state(base::Now now);

    EdgeOptions options_;
    std::unique_ptr<spool::Spool> spool_;
    mqtt::Broker broker_;
    ingest::Classifier classifier_;
    ingest::Publishers publishers_;
    uplink::Uplink uplink_;
    std::deque<PendingAck> pending_acks_;
    std::deque<WaitingRecord> waiting_;
    std::size_t waiting_bytes_ = 0;
    std::string told_tunnel_state_;
    base::Instant next_state_check_;
    std::uint64_t forwarded_ = 0, shed_qos0_ = 0, refused_topics_ = 0;
    base::Notices notices_;
    std::optional<spool::DiskError> told_disk_error_;
};

}  // namespace sallyport::edge_core
