#include "it-agent/runtime/it_status.hpp"

#include <algorithm>

#include <boost/json.hpp>

#include "common/ops/broker_status.hpp"

namespace sallyport::it_agent {
namespace {

double seconds(base::Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

}  // namespace

std::string status_json(const it_core::ItStatus& status, const std::string& agent) {
    namespace json = boost::json;
    json::array edges;
    for (const auto& edge : status.edges)
        edges.push_back(json::object{
            {"edge", edge.edge},
            {"state", to_string(edge.state)},
            {"side", edge.side},
            {"seen", edge.seen},
            {"since", to_rfc3339(edge.since)},
            {"behind_s", seconds(edge.behind)},
            {"spooled_records", edge.spooled_records},
            {"clock_offset_s",
             edge.clock_offset ? json::value(seconds(*edge.clock_offset)) : json::value(nullptr)},
            {"tags", edge.tags},
            {"records", edge.records}});
    return json::serialize(json::object{
        {"agent", "it-agent"},
        {"it", agent},
        {"version", SALLYPORT_VERSION},
        {"relay",
         json::object{{"link", status.link},
                      {"last_failure", status.last_failure},
                      {"round_trip_s", status.round_trip ? json::value(seconds(*status.round_trip))
                                                         : json::value(nullptr)},
                      {"links_opened", status.links_opened}}},
        {"edges", std::move(edges)},
        {"downlink", json::object{{"entries", status.entries},
                                  {"repeated_entries", status.repeated_entries},
                                  {"gaps", status.gaps},
                                  {"missing_records", status.missing_records}}},
        {"store_error", status.store_error},
        {"broker", ops::to_json(status.broker)}});
}

std::string metrics_text(const it_core::ItStatus& status) {
    ops::Metrics metrics;
    std::uint64_t records = 0, tags = 0, live = 0;
    for (const auto& edge : status.edges) {
        records += edge.records;
        tags += edge.tags;
        live += edge.state == emit::FeedState::live ? 1 : 0;
    }
    metrics.gauge("edges", "Edges known.", status.edges.size());
    metrics.gauge("edges_live", "Edges whose path is live.", live);
    metrics.gauge("tags", "Tags known.", tags);
    metrics.counter("records_total", "Records emitted.", records);
    metrics.counter("repeated_entries_total", "Entries that came again and were dropped.",
                    status.repeated_entries);
    metrics.counter("missing_records_total", "Records named in gaps.", status.missing_records);
    metrics.gauge("store_failing", "1 while the store refuses.",
                  status.store_error.empty() ? 0 : 1);
    ops::add_metrics(metrics, status.broker);
    return std::move(metrics).text();
}

}  // namespace sallyport::it_agent
