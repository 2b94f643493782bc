#include "dmz-relay/runtime/relay_status.hpp"

#include <boost/json.hpp>

#include "common/ops/metrics.hpp"

namespace sallyport::dmz_relay {
namespace {

double seconds(base::Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

}  // namespace

std::string status_json(const relay_core::RelayStatus& status, const std::string& relay,
                        base::Now now) {
    namespace json = boost::json;
    json::array agents, sessions;
    for (const auto& agent : status.agents)
        agents.push_back(
            json::object{{"agent", qualified_name(agent.identity)},
                         {"role", to_string(agent.identity.role)},
                         {"address", agent.address},
                         {"for_s", seconds(now.instant - agent.since)},
                         {"round_trip_s", agent.round_trip ? json::value(seconds(*agent.round_trip))
                                                           : json::value(nullptr)},
                         {"sessions", agent.sessions},
                         {"queued_bytes", agent.queued_bytes}});
    for (const auto& session : status.sessions)
        sessions.push_back(json::object{{"edge", session.edge},
                                        {"it", session.it},
                                        {"frames_to_it", session.frames_to_it},
                                        {"bytes_to_it", session.bytes_to_it},
                                        {"frames_to_edge", session.frames_to_edge}});
    return json::serialize(json::object{{"agent", "dmz-relay"},
                                        {"relay", relay},
                                        {"version", SALLYPORT_VERSION},
                                        {"agents", std::move(agents)},
                                        {"sessions", std::move(sessions)},
                                        {"admitted", status.admitted},
                                        {"refused", status.refused},
                                        {"frames", status.frames},
                                        {"bytes", status.bytes}});
}

std::string metrics_text(const relay_core::RelayStatus& status) {
    ops::Metrics metrics;
    metrics.gauge("relay_agents", "Agents admitted now.", status.agents.size());
    metrics.gauge("relay_sessions", "Sessions open now.", status.sessions.size());
    metrics.counter("relay_admitted_total", "Agents admitted.", status.admitted);
    metrics.counter("relay_refused_total", "Agents refused or dismissed.", status.refused);
    metrics.counter("relay_frames_total", "Session frames forwarded.", status.frames);
    metrics.counter("relay_bytes_total", "Bytes of session frames forwarded.", status.bytes);
    return std::move(metrics).text();
}

}  // namespace sallyport::dmz_relay
