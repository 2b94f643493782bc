// The relay: admits agents, joins the ends of routes into sessions, forwards frames. It stores
// nothing and decides nothing about data.
//
// A link: greeting --Hello--> (probing, where another process holds the identity) --> admitted -->
// gone. A session: opened when both ends of a route are admitted; closed when an end goes, refuses
// it, breaks the protocol or overruns its queue; opened anew a second later unless an end does not
// want it.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/base/agent_core.hpp"
#include "common/tunnel/link.hpp"
#include "dmz-relay/policy/routes.hpp"
#include "dmz-relay/switch/session_table.hpp"

namespace sallyport::relay_core {

struct RelayOptions {
    std::string plant;  // the relay's own, of its certificate
    std::vector<policy::Route> routes;
    tunnel::LinkTimers timers;
    std::uint64_t seed = 1;  // random: first session number, process number
    base::WallTime started;  // for the status
    std::size_t agents_max = 4096;
    std::size_t sessions_max_per_agent = 1024;
    /// A session's frames waiting for its it-agent: more than the credit an honest receiver gives.
    std::size_t session_queue_bytes_max = 24U << 20U;
    /// All sessions' frames together: whoever overruns while it is reached is closed first.
    std::size_t queue_bytes_max = 256U << 20U;
    /// What a session may always have waiting, however much the others have.
    std::size_t session_queue_share_bytes = 1U << 20U;
    /// Toward OT go numbers only: far more than an honest it-agent sends while an edge is silent.
    std::size_t session_queue_to_edge_bytes_max = 1U << 20U;
    base::Duration probe_within = std::chrono::seconds(1);
    base::Duration reopen_after = std::chrono::seconds(1);
};

/// What an agent that is admitted lacks. Of agents that are not here the relay knows nothing.
enum class AgentState {
    live,      // it has a session with a peer of every route that names it
    alone,     // a route names it, and no peer of that route is here
    closed,    // a peer is here, and they have no session: an end does not want it
    unrouted,  // no route names it
};
std::string_view to_string(AgentState state);

struct AgentStatus {
    base::Identity identity;
    std::string address;
    base::WallTime admitted;
    AgentState state = AgentState::live;
    base::WallTime since;  // when its sessions last changed
    std::string missing;   // the peer, as the route names it; where it is alone or closed
    std::optional<base::Duration> round_trip;
    std::size_t sessions = 0;
    std::size_t queued_bytes = 0;
};
struct SessionStatus {
    std::string edge, it;
    base::WallTime since;
    std::uint64_t frames_to_it = 0, bytes_to_it = 0;
    std::uint64_t frames_to_edge = 0, bytes_to_edge = 0;
    std::optional<base::Instant> last_to_it, last_to_edge;  // frame
    std::size_t queued_bytes = 0;                           // for its it-agent
};
struct RelayStatus {
    std::vector<AgentStatus> agents;
    std::vector<SessionStatus> sessions;
    base::WallTime started;
    std::uint64_t admitted = 0, refused = 0, frames = 0, bytes = 0;
};

class RelayCore final : public base::AgentCore {
public:
    explicit RelayCore(RelayOptions options);

    void opened(base::ConnectionId id, const base::Peer& peer, base::Now now) override;
    void received(base::ConnectionId id, base::ByteView bytes, base::Now now) override;
    void progressed(base::ConnectionId id, base::Now now) override;
    void closed(base::ConnectionId id, base::CloseCause cause, base::Now now) override;
    void expire(base::Now now) override;
    std::optional<base::Instant> next_deadline() const override;
    std::optional<base::Command> next_command() override;
    bool take_output(base::ConnectionId id, base::Bytes& out) override;

    void shut_down(base::Now now) override;
    std::optional<base::Notice> next_notice() override { return notices_.next(); }
    RelayStatus status() const;

private:
    enum class Stage { greeting, probing, admitted, leaving };
    struct Agent {
        base::Peer peer;
        base::Identity identity;
        tunnel::Link link;
        base::WallTime admitted;
        base::WallTime sessions_since;  // when they last changed
        Stage stage = Stage::greeting;
        std::uint64_t process = 0;
        base::Instant probe_until{};
        base::ConnectionId probed{};  // the holder that was asked
        bool announced = false;
        /// Peers whose session this agent does not want, until either reconnects.
        std::set<base::ConnectionId> unwanted{};
    };

    void greet(base::ConnectionId id, Agent& agent, const tunnel::Hello& hello, base::Now now);
    void admit(base::ConnectionId id, Agent& agent, base::Now now);
    void probe(Agent& agent, base::ConnectionId holder_id, Agent& holder, base::Now now);
    void settle_probe(base::ConnectionId id, Agent& agent, base::Now now);
    void join(base::ConnectionId edge_id, Agent& edge, base::ConnectionId it_id, Agent& it,
              base::Now now);
    void join_with_all(base::ConnectionId id, Agent& agent, base::Now now);
    void forward(base::ConnectionId id, Agent& agent, const tunnel::SessionFrame& frame,
                 base::Now now);
    bool is_overrun(std::size_t queued) const;
    void end_session(tunnel::SessionId id, tunnel::SessionEnd reason, base::ConnectionId except,
                     base::Now now);
    void end_sessions_of(base::ConnectionId id, tunnel::SessionEnd reason, base::Now now);
    void session_closed_by(base::ConnectionId id, Agent& agent, const tunnel::Closed& closed,
                           base::Now now);
    void dismiss(base::ConnectionId id, Agent& agent, tunnel::ByeReason reason,
                 tunnel::SessionEnd end, std::string why, base::Now now);
    void fail(base::ConnectionId id, Agent& agent, tunnel::LinkFailure failure, base::Now now);
    void announce(base::ConnectionId id, Agent& agent);
    Agent* holder_of(const base::Identity& identity, base::ConnectionId except,
                     base::ConnectionId& holder);
    std::size_t queued_bytes() const;
    /// Who is here, for judging each against the routes.
    struct Present;
    Present present() const;
    void judge(AgentStatus& status, base::ConnectionId id, const Present& present) const;

    RelayOptions options_;
    policy::RoutePolicy policy_;
    relay_switch::SessionTable sessions_;
    std::map<base::ConnectionId, Agent> agents_;
    std::deque<base::Command> commands_;
    std::optional<base::Instant> reopen_at_;
    bool stopping_ = false;
    base::Notices notices_;
    std::uint64_t admitted_ = 0, refused_ = 0, frames_ = 0, bytes_ = 0;
};

}  // namespace sallyport::relay_core
