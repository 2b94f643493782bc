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

#include "common/base/agent_core.hpp"
#include "common/mqtt/broker.hpp"
#include "common/record/tag_view.hpp"
#include "edge-agent/core/broker_saver.hpp"
#include "edge-agent/core/delivery_acks.hpp"
#include "edge-agent/core/spool_outlook.hpp"
#include "edge-agent/core/waiting_records.hpp"
#include "edge-agent/ingest/classifier.hpp"
#include "edge-agent/ingest/publisher_saves.hpp"
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
    bool keeps_broker_state = false;  // somebody asks for next_broker_job()
    std::uint64_t seed = 1;           // random: process number, assigned client identifiers
    /// Publishes accepted from clients but without room in the spool. A client that has so many of
    /// them, or a 16th of the bytes, is not read meanwhile.
    std::size_t waiting_publish_bytes_max = 64U << 20U;
    std::size_t waiting_publishes_per_client = 64;
};

struct EdgeStatus {
    mqtt::BrokerCounters broker;
    spool::SpoolStats spool;
    std::size_t tags = 0;
    std::uint64_t forwarded = 0, shed_qos0 = 0, pending_acks = 0, refused_topics = 0;
    std::uint64_t unreadable_payloads = 0;  // of payload = "json": passed on as Uncertain
    std::uint64_t unbelieved_times = 0;     // likewise: the arrival's time stands for them
    std::uint64_t refused_full = 0;         // answered "quota exceeded": the spool was full
    std::uint64_t delivery_acks = 0;  // publishes whose acknowledgement waits for every destination
    std::vector<spool::DestinationCounts> counts;
    record::Epoch epoch = 0;
    uplink::UplinkStatus uplink;
    SpoolOutlook outlook;
    base::WallTime started, spool_since;  // since then the spool's disk works, or fails
};

class EdgeCore final : public base::AgentCore {
public:
    /// `publishers`: what the PublisherStore has.
    EdgeCore(EdgeOptions options, std::unique_ptr<spool::Spool> spool,
             const std::vector<ingest::TagPublisher>& publishers, base::Now now);
    EdgeCore(EdgeOptions options, std::unique_ptr<spool::Spool> spool, base::Now now)
        : EdgeCore(std::move(options), std::move(spool), {}, now) {}

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
    /// What the PublisherStore is to commit; without one, nobody need ask.
    std::optional<ingest::PublisherJob> next_publisher_job(base::Now now);
    void complete(const ingest::PublisherDone& done, base::Now now);
    /// What of the broker is to be saved. restore() before the first input; only with
    /// keeps_broker_state.
    void restore(const mqtt::DurableState& state, base::Now now);
    std::optional<BrokerJob> next_broker_job(base::Now now) { return broker_saver_.next_job(now); }
    void complete(const BrokerDone& done, base::Now now);

    void shut_down(base::Now now) override;
    std::optional<base::Notice> next_notice() override;
    /// The tags that match, a page of them.
    record::TagsPage tags(const record::TagsQuery& query) const;
    /// `disk_free_bytes`: of the spool's file system, where the runtime knows it.
    EdgeStatus status(base::Now now,
                      std::optional<std::uint64_t> disk_free_bytes = std::nullopt) const;
    const spool::Spool& spool() const { return *spool_; }
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
    /// A PUBCOMP that waits until the log has forgotten its receipt.
    struct PendingRelease {
        std::uint64_t ticket = 0;
        mqtt::AckToken token;
    };

    void start(const std::vector<ingest::TagPublisher>& publishers, base::Now now);
    void settle(base::Now now);
    void take_events(base::Now now);
    void handle(const mqtt::Published& published, base::Now now);
    void handle(const mqtt::ClientGone& gone, base::Now now);
    void handle(const mqtt::Released& released, base::Now now);
    void read_payload(tunnel::BatchRecord& record, std::size_t rule);
    void note_value(const tunnel::BatchRecord& record);
    bool accept(tunnel::BatchRecord record, const mqtt::Published& published, std::size_t rule,
                base::Now now);
    void refuse(const mqtt::Published& published, base::Now now);
    void await_ack(record::Seq seq, mqtt::AckToken token, std::optional<spool::Receipt> receipt);
    void record_quality(const ingest::QualityChanges& changes, base::Now now);
    void record_quality(const ingest::QualityChange& change, base::Now now);
    bool is_latest(record::TagId tag) const;
    void admit_waiting(base::Now now);
    void release_acks(base::Now now);
    void publish_tunnel_state(base::Now now);

    EdgeOptions options_;
    std::unique_ptr<spool::Spool> spool_;
    mqtt::Broker broker_;
    BrokerSaver broker_saver_;
    ingest::Classifier classifier_;
    std::vector<std::optional<ingest::JsonCodec>> codecs_;  // by number of the [[forward]]
    bool has_latest_ = false;                               // some [[forward]] is of that class
    ingest::Publishers publishers_;
    ingest::PublisherSaves publisher_saves_;
    std::vector<record::NewestValue> newest_;  // by tag id
    uplink::Uplink uplink_;
    std::deque<PendingAck> pending_acks_;
    std::deque<PendingRelease> pending_releases_;
    DeliveryAcks delivery_acks_;
    WaitingRecords waiting_;
    std::string told_tunnel_state_;
    base::Instant next_state_check_;
    std::uint64_t forwarded_ = 0, shed_qos0_ = 0, refused_topics_ = 0;
    std::uint64_t unreadable_payloads_ = 0, unbelieved_times_ = 0;
    base::WallTime started_, spool_since_;
    std::uint64_t spool_bytes_ = 0;  // spool.entry_bytes, as last seen
    base::Rate spool_bytes_in_;
    std::uint64_t refused_full_ = 0;
    bool told_full_ = false;
    base::Notices notices_;
    std::optional<spool::DiskError> told_disk_error_;
    bool told_publisher_error_ = false;
};

}  // namespace sallyport::edge_core
