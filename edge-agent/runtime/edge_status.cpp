#include "edge-agent/runtime/edge_status.hpp"

#include <boost/json.hpp>

#include "common/ops/broker_status.hpp"

namespace sallyport::edge_agent {
namespace {

double seconds(base::Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

}  // namespace

std::string status_json(const edge_core::EdgeStatus& status, const std::string& edge) {
    namespace json = boost::json;
    json::array destinations;
    for (const auto& destination : status.uplink.destinations) {
        destinations.push_back(json::object{{"destination", destination.destination},
                                            {"state", to_string(destination.state)},
                                            {"reason", destination.reason},
                                            {"acknowledged_seq", destination.acknowledged},
                                            {"waiting_records", destination.waiting_records},
                                            {"behind_s", seconds(destination.behind)},
                                            {"refused_records", destination.refused_records}});
    }
    const auto& spool = status.spool;
    const json::object all{
        {"agent", "edge-agent"},
        {"edge", edge},
        {"version", SALLYPORT_VERSION},
        {"relay",
         json::object{{"link", status.uplink.link},
                      {"last_failure", status.uplink.last_failure},
                      {"round_trip_s", status.uplink.round_trip
                                           ? json::value(seconds(*status.uplink.round_trip))
                                           : json::value(nullptr)},
                      {"links_opened", status.uplink.links_opened}}},
        {"destinations", std::move(destinations)},
        {"spool", json::object{{"first_seq", spool.first},
                               {"synced_seq", spool.synced},
                               {"segments", spool.segments},
                               {"bytes", spool.bytes},
                               {"pending_bytes", spool.pending_bytes},
                               {"commits", spool.commits},
                               {"records", spool.records},
                               {"dropped_records", spool.dropped_records},
                               {"disk_errors", spool.disk_errors},
                               {"failing", spool.failing ? json::value(to_string(*spool.failing))
                                                         : json::value(nullptr)}}},
        {"ingest", json::object{{"tags", status.tags},
                                {"forwarded", status.forwarded},
                                {"shed_qos0", status.shed_qos0},
                                {"refused_topics", status.refused_topics},
                                {"pending_acks", status.pending_acks}}},
        {"broker", ops::to_json(status.broker)}};
    return json::serialize(all);
}

std::string metrics_text(const edge_core::EdgeStatus& status) {
    ops::Metrics metrics;
    std::uint64_t waiting = 0;
    base::Duration behind{};
    bool live = !status.uplink.destinations.empty();
    for (const auto& destination : status.uplink.destinations) {
        waiting = std::max(waiting, destination.waiting_records);
        behind = std::max(behind, destination.behind);
        live = live && destination.state == uplink::PathState::live;
    }
    metrics.gauge("path_live", "1 while every destination's path is live.", live ? 1 : 0);
    metrics.gauge("behind_seconds", "Age of the oldest record not yet sent.", seconds(behind));
    metrics.gauge("waiting_records", "Records not yet acknowledged by the slowest destination.",
                  waiting);
    metrics.gauge("spool_bytes", "Bytes of the spool's segments on disk.", status.spool.bytes);
    metrics.counter("spool_commits_total", "Group commits.", status.spool.commits);
    metrics.counter("spool_records_total", "Records appended.", status.spool.records);
    metrics.counter("spool_dropped_records_total", "Records dropped from a full spool.",
                    status.spool.dropped_records);
    metrics.counter("spool_disk_errors_total", "Errors of the spool's disk.",
                    status.spool.disk_errors);
    metrics.counter("shed_qos0_total", "QoS 0 publishes not forwarded, for want of room.",
                    status.shed_qos0);
    metrics.gauge("tags", "Tags known.", status.tags);
    ops::add_metrics(metrics, status.broker);
    return std::move(metrics).text();
}

}  // namespace sallyport::edge_agent
