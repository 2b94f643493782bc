#include "dmz-relay/runtime/relay_status.hpp"

#include <array>

#include <boost/json.hpp>

#include "common/ops/page_views.hpp"
#include "common/ops/words.hpp"

namespace sallyport::dmz_relay {
namespace {

namespace json = boost::json;
using ops::or_null;
using relay_core::AgentState;
using relay_core::AgentStatus;
using relay_core::SessionStatus;

std::optional<base::Duration> age(std::optional<base::Instant> at, base::Now now) {
    if (!at) return std::nullopt;
    return now.instant - *at;
}

std::string reason_of(const AgentStatus& agent) {
    const bool is_edge = agent.identity.role == base::Role::edge;
    const std::string peer = is_edge ? "it-agent " : "edge ";
    switch (agent.state) {
        case AgentState::live: return "";
        case AgentState::alone: return "no " + peer + agent.missing + " is connected";
        case AgentState::closed: return "no session with " + peer + agent.missing;
        case AgentState::unrouted: return "no [[route]] names it";
    }
    return "";
}

ops::Hop agent_hop(const AgentStatus& agent) {
    auto flow = agent.address + ", " + ops::counted(agent.sessions, "session");
    if (agent.round_trip)
        flow += fmt::format(", round trip {:.1f} ms", ops::seconds(*agent.round_trip) * 1000);
    if (agent.queued_bytes > 0)
        flow += fmt::format(", {} wait for it", ops::bytes_in_words(agent.queued_bytes));
    const std::string role(to_string(agent.identity.role));
    return {role + ' ' + qualified_name(agent.identity),
            std::string(to_string(agent.state)),
            agent.state == AgentState::live,
            agent.since,
            reason_of(agent),
            std::move(flow)};
}

std::string last_in_words(const char* whither, std::optional<base::Duration> age) {
    if (!age) return fmt::format("nothing {} yet", whither);
    return fmt::format("last {} {} ago", whither, ops::in_words(*age));
}

ops::Hop session_hop(const SessionStatus& session, base::Now now) {
    auto flow = fmt::format("{}, {} to it, {}, {}", ops::counted(session.frames_to_it, "frame"),
                            ops::bytes_in_words(session.bytes_to_it),
                            last_in_words("to it", age(session.last_to_it, now)),
                            last_in_words("back", age(session.last_to_edge, now)));
    if (session.queued_bytes > 0)
        flow += fmt::format(", {} queued", ops::bytes_in_words(session.queued_bytes));
    return {session.edge + " → " + session.it, "live", true, session.since, {}, std::move(flow)};
}

json::object agent_json(const AgentStatus& agent, base::Now now) {
    return {{"agent", qualified_name(agent.identity)},
            {"role", to_string(agent.identity.role)},
            {"address", agent.address},
            {"state", to_string(agent.state)},
            {"since", to_rfc3339(agent.since)},
            {"reason", reason_of(agent)},
            {"admitted", to_rfc3339(agent.admitted)},
            {"for_s", ops::seconds(now.wall - agent.admitted)},
            {"round_trip_s", or_null(agent.round_trip)},
            {"sessions", agent.sessions},
            {"queued_bytes", agent.queued_bytes}};
}

json::object session_json(const SessionStatus& session, base::Now now) {
    return {{"edge", session.edge},
            {"it", session.it},
            {"since", to_rfc3339(session.since)},
            {"frames_to_it", session.frames_to_it},
            {"bytes_to_it", session.bytes_to_it},
            {"frames_to_edge", session.frames_to_edge},
            {"bytes_to_edge", session.bytes_to_edge},
            {"last_to_it_s", or_null(age(session.last_to_it, now))},
            {"last_to_edge_s", or_null(age(session.last_to_edge, now))},
            {"queued_bytes", session.queued_bytes}};
}

/// Agents of one role, for a metric.
struct OfRole {
    base::Role role = base::Role::edge;
    std::size_t agents = 0, live = 0, queued_bytes = 0;
};

std::array<OfRole, 2> by_role(const relay_core::RelayStatus& status) {
    std::array<OfRole, 2> roles{{{base::Role::edge, 0, 0, 0}, {base::Role::it, 0, 0, 0}}};
    for (const auto& agent : status.agents) {
        auto& role = roles[agent.identity.role == base::Role::edge ? 0 : 1];
        ++role.agents;
        role.live += agent.state == AgentState::live ? 1 : 0;
        role.queued_bytes += agent.queued_bytes;
    }
    return roles;
}

}  // namespace

ops::Page page(const relay_core::RelayStatus& status, const std::string& relay, base::Now now) {
    ops::Page page{"dmz-relay " + relay, now.wall, {}};
    page.hops.push_back({"listener",
                         "live",
                         true,
                         status.started,
                         {},
                         ops::counted(status.agents.size(), "agent") + ", " +
                             ops::counted(status.frames, "frame") + " passed"});
    for (const auto& agent : status.agents) page.hops.push_back(agent_hop(agent));
    for (const auto& session : status.sessions) page.hops.push_back(session_hop(session, now));
    return page;
}

std::string status_json(const relay_core::RelayStatus& status, const std::string& relay,
                        base::Now now) {
    json::array agents, sessions;
    for (const auto& agent : status.agents) agents.push_back(agent_json(agent, now));
    for (const auto& session : status.sessions) sessions.push_back(session_json(session, now));
    json::object all{{"agent", "dmz-relay"},
                     {"relay", relay},
                     {"version", SALLYPORT_VERSION},
                     {"agents", std::move(agents)},
                     {"sessions", std::move(sessions)},
                     {"admitted", status.admitted},
                     {"refused", status.refused},
                     {"frames", status.frames},
                     {"bytes", status.bytes}};
    ops::add_page(all, page(status, relay, now));
    return json::serialize(all);
}

std::string metrics_text(const relay_core::RelayStatus& status, const std::string& relay,
                         base::Now now) {
    ops::Metrics metrics;
    ops::add_page(metrics, page(status, relay, now));
    const auto roles = by_role(status);
    const auto role = [](const OfRole& each) { return to_string(each.role); };
    metrics.gauges("relay_agents", "Agents admitted now.", "role", roles, role,
                   [](const OfRole& each) { return each.agents; });
    metrics.gauges("relay_agents_live", "Of them, those with all that the routes promise.", "role",
                   roles, role, [](const OfRole& each) { return each.live; });
    metrics.gauges("relay_queued_bytes", "Bytes of frames that wait for agents.", "role", roles,
                   role, [](const OfRole& each) { return each.queued_bytes; });
    metrics.gauge("relay_sessions", "Sessions open now.", status.sessions.size());
    const auto edge = [](const SessionStatus& each) { return each.edge + " → " + each.it; };
    metrics.counters("relay_session_bytes_total", "Bytes passed to the it-agent.", "session",
                     status.sessions, edge,
                     [](const SessionStatus& each) { return each.bytes_to_it; });
    metrics.gauges("relay_session_idle_seconds", "Since the last frame to the it-agent.", "session",
                   status.sessions, edge, [&](const SessionStatus& each) {
                       const auto idle = age(each.last_to_it, now);
                       return idle ? std::optional(ops::seconds(*idle)) : std::nullopt;
                   });
    metrics.gauges("relay_session_queued_bytes", "Bytes of its frames that wait.", "session",
                   status.sessions, edge,
                   [](const SessionStatus& each) { return each.queued_bytes; });
    metrics.counter("relay_admitted_total", "Agents admitted.", status.admitted);
    metrics.counter("relay_refused_total", "Agents refused or dismissed.", status.refused);
    metrics.counter("relay_frames_total", "Session frames forwarded.", status.frames);
    metrics.counter("relay_bytes_total", "Bytes of session frames forwarded.", status.bytes);
    return std::move(metrics).text();
}

}  // namespace sallyport::dmz_relay
