// The it-agent: downlink, sink and broker joined into one core. What arrives is checked against the
// positions, goes through the sink, and is acknowledged to the edge when the sink has it.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/agent_core.hpp"
#include "common/mqtt/broker.hpp"
#include "it-agent/core/consumer_watch.hpp"
#include "it-agent/downlink/downlink.hpp"
#include "it-agent/emit/edge_feed.hpp"
#include "it-agent/sinks/broker_sink.hpp"
#include "it-agent/sinks/store.hpp"

namespace sallyport::it_core {

/// One [[edge]]: whose records are taken, and what is put before their topics.
struct EdgeRule {
    std::string pattern, prefix;
};

struct ItOptions {
    std::string plant, name;
    std::vector<EdgeRule> edges;
    bool has_relay = true;  // false: a local broker only
    mqtt::BrokerLimits broker;
    tunnel::LinkTimers link_timers;
    tunnel::ReceiverLimits receiver_limits;
    emit::FeedTimers feed_timers;
    emit::EmissionOptions emission;
    bool keeps_broker_state = false;       // the store keeps StoreJob::broker
    std::vector<std::string> consumers{};  // client identifiers: their full queues hold the edges
    std::uint64_t seed = 1;                // random: process number, assigned client identifiers
};

/// Records in the ledger, of one edge, for one reason; since the store was made.
struct LedgerSum {
    std::string edge;
    record::LedgerReason reason{};
    std::uint64_t records = 0;
};

struct ItStatus {
    mqtt::BrokerCounters broker;
    std::optional<tunnel::LinkStatus> link;  // nothing: a local broker only
    std::uint64_t entries = 0, repeated_entries = 0, gaps = 0, missing_records = 0;
    std::string store_error;              // empty while the store works
    base::WallTime started, store_since;  // since then the store works, or refuses
    std::vector<emit::FeedStatus> edges;
    std::vector<mqtt::ConsumerState> consumers;
    std::size_t ledger_rows = 0;
    std::vector<LedgerSum> ledger;
};

class ItCore final : public base::AgentCore {
public:
    ItCore(ItOptions options, const sinks::StoreState& state, base::Now now);

    void opened(base::ConnectionId id, const base::Peer& peer, base::Now now) override;
    void received(base::ConnectionId id, base::ByteView bytes, base::Now now) override;
    void progressed(base::ConnectionId id, base::Now now) override;
    void closed(base::ConnectionId id, base::CloseCause cause, base::Now now) override;
    void expire(base::Now now) override;
    std::optional<base::Instant> next_deadline() const override;
    std::optional<base::Command> next_command() override;
    bool take_output(base::ConnectionId id, base::Bytes& out) override;

    /// What the storage thread is to commit; complete() takes each result.
    std::optional<sinks::StoreJob> next_job(base::Now now) { return sink_.next_job(now); }
    void complete(const sinks::StoreDone& done, base::Now now);

    void shut_down(base::Now now) override;
    std::optional<base::Notice> next_notice() override;
    ItStatus status() const;
    /// The tags whose topics, as emitted, match: a page of them.
    record::TagsPage tags(const record::TagsQuery& query) const;

    /// A page of the ledger: rows with an id over `after`.
    std::vector<record::LedgerRow> ledger_rows(std::uint64_t after, std::size_t rows_max) const {
        return sink_.ledger().rows(after, rows_max);
    }

private:
    /// Most epochs whose position is remembered for one edge.
    static constexpr std::size_t kEpochsMax = 4096;

    struct Edge {
        emit::EdgeFeed feed;
        std::map<record::Epoch, tunnel::Position> taken{};  // into the sink, perhaps not yet had
        std::map<record::Epoch, tunnel::Position> committed{};  // had by the sink
        tunnel::SessionId session{};                            // 0: none
        tunnel::Position resumed_at{};
        std::shared_ptr<sinks::TagMap> tags{};
        std::vector<tunnel::Run> log{};  // the session's, as it began
    };

    void restore(const sinks::StoreState& state, base::Now now);
    void restore(const sinks::StoredRetained& retained, base::Now now);
    void settle(base::Now now);
    void handle(const downlink::DownlinkEvent& event, base::Now now);
    void start_session(const downlink::SessionStarted& started, base::Now now);
    void take_entry(const downlink::EntryArrived& arrived, base::Now now);
    void define_tags(const downlink::TagsDefined& defined);
    static record::Seq known_to(const Edge& edge);
    void note_gap(const downlink::GapNamed& named, base::Now now);
    void lose(Edge& edge, std::string_view side, std::string_view seen, base::Now now);
    void emit_committed(base::Now now);
    const EdgeRule* rule_for(std::string_view edge) const;
    Edge& edge_of(const std::string& name, base::Now now);

    ItOptions options_;
    std::uint64_t store_id_;
    mqtt::Broker broker_;
    downlink::Downlink downlink_;
    sinks::BrokerSink sink_;
    ConsumerWatch consumer_watch_;
    base::WallTime started_, store_since_;
    std::map<std::string, Edge> edges_;
    std::uint64_t entries_ = 0, repeated_entries_ = 0, gaps_ = 0, missing_records_ = 0;
    base::Notices notices_;
};

}  // namespace sallyport::it_core
