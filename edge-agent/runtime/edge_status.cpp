#include "edge-agent/runtime/edge_status.hpp"

#include <algorithm>
#include <functional>

#include <boost/json.hpp>

#include "common/ops/broker_status.hpp"
#include "common/ops/link_status.hpp"
#include "common/ops/page_views.hpp"
#include "edge-agent/runtime/spool_json.hpp"

namespace sallyport::edge_agent {
namespace {

namespace json = boost::json;
using ops::or_null;
using uplink::DestinationStatus;

json::value drain_json(const std::optional<uplink::Drain>& drain) {
    if (!drain) return nullptr;
    return json::object{{"progress", drain->progress}, {"eta_s", or_null(drain->left)}};
}

json::object destination_json(const DestinationStatus& destination) {
    return {{"destination", destination.destination},
            {"state", to_string(destination.state)},
            {"since", to_rfc3339(destination.since)},
            {"reason", destination.reason},
            {"acknowledged_seq", destination.acknowledged},
            {"waiting_records", destination.waiting_records},
            {"behind_s", or_null(destination.behind)},
            {"oldest_unacknowledged_s", or_null(destination.oldest_unacknowledged)},
            {"out_records_per_s", or_null(destination.out_per_s)},
            {"drain", drain_json(destination.drain)},
            {"refused_records", destination.refused_records},
            {"conflated_records", destination.conflated_records}};
}

json::object spool_json(const edge_core::EdgeStatus& status) {
    const auto& outlook = status.outlook;
    auto all = stats_json(status.spool);
    all["room_bytes"] = outlook.room_bytes;
    all["disk_free_bytes"] = or_null(outlook.disk_free_bytes);
    all["in_bytes_per_s"] = or_null(outlook.bytes_per_s);
    all["seconds_until_full"] = or_null(outlook.until_full);
    all["in_records_per_s"] = or_null(status.uplink.in_per_s);
    all["since"] = to_rfc3339(status.spool_since);
    return all;
}

std::optional<double> in_seconds(std::optional<base::Duration> time) {
    if (!time) return std::nullopt;
    return ops::seconds(*time);
}

void add_destinations(ops::Metrics& metrics, const std::vector<DestinationStatus>& all) {
    const auto add = [&](std::string_view name, std::string_view help, const auto& value_of) {
        metrics.gauges(name, help, "destination", all, std::mem_fn(&DestinationStatus::destination),
                       value_of);
    };
    add("destination_live", "1 while the path to the destination is live.",
        [](const auto& each) { return each.state == uplink::PathState::live ? 1 : 0; });
    add("destination_behind_seconds", "Age of the oldest record not yet sent.",
        [](const auto& each) { return in_seconds(each.behind); });
    add("destination_oldest_unacknowledged_seconds", "Age of the oldest record not acknowledged.",
        [](const auto& each) { return in_seconds(each.oldest_unacknowledged); });
    add("destination_waiting_records", "Records not acknowledged, nor named as missing.",
        [](const auto& each) { return each.waiting_records; });
    add("destination_acknowledged_records_per_second", "Records acknowledged a second, now.",
        [](const auto& each) { return each.out_per_s; });
    add("destination_drain_ratio", "How much of the backlog's peak is drained, 0 to 1.",
        [](const auto& each) {
            return each.drain ? std::optional(each.drain->progress) : std::nullopt;
        });
    add("destination_drain_left_seconds", "Until the backlog is drained, at the present rates.",
        [](const auto& each) { return each.drain ? in_seconds(each.drain->left) : std::nullopt; });
    metrics.counters("destination_refused_records_total", "Records outside the route's topics.",
                     "destination", all, std::mem_fn(&DestinationStatus::destination),
                     std::mem_fn(&DestinationStatus::refused_records));
    metrics.counters("destination_conflated_records_total",
                     "Superseded records of class latest, left out.", "destination", all,
                     std::mem_fn(&DestinationStatus::destination),
                     std::mem_fn(&DestinationStatus::conflated_records));
}

void add_spool(ops::Metrics& metrics, const edge_core::EdgeStatus& status) {
    const auto& spool = status.spool;
    const auto& outlook = status.outlook;
    metrics.gauge("spool_bytes", "Bytes of the spool's segments on disk.", spool.bytes);
    metrics.gauge("spool_max_bytes", "What they may be, of [spool] max_bytes.", spool.max_bytes);
    metrics.gauge("spool_room_bytes", "Room until the oldest records are dropped.",
                  outlook.room_bytes);
    metrics.gauge("spool_disk_free_bytes", "Free in the spool's file system.",
                  outlook.disk_free_bytes);
    metrics.gauge("spool_until_full_seconds", "Until there is no room, at the present rates.",
                  in_seconds(outlook.until_full));
    metrics.gauge("spool_failing", "1 while the spool's disk refuses.", spool.failing ? 1 : 0);
    metrics.gauge("spool_records_per_second", "Records appended a second, now.",
                  status.uplink.in_per_s);
    metrics.counter("spool_commits_total", "Group commits.", spool.commits);
    metrics.counter("spool_records_total", "Records appended.", spool.records);
    metrics.counter("spool_written_bytes_total", "Bytes of entries written.", spool.entry_bytes);
    metrics.counter("spool_dropped_records_total", "Records dropped from a full spool.",
                    spool.dropped_records);
    metrics.counter("spool_disk_errors_total", "Errors of the spool's disk.", spool.disk_errors);
}

}  // namespace

std::string status_json(const edge_core::EdgeStatus& status, const std::string& edge,
                        base::Now now) {
    json::array destinations;
    for (const auto& destination : status.uplink.destinations)
        destinations.push_back(destination_json(destination));
    json::object all{{"agent", "edge-agent"},
                     {"edge", edge},
                     {"version", SALLYPORT_VERSION},
                     {"relay", ops::to_json(status.uplink.link)},
                     {"destinations", std::move(destinations)},
                     {"spool", spool_json(status)},
                     {"ingest", json::object{{"tags", status.tags},
                                             {"forwarded", status.forwarded},
                                             {"shed_qos0", status.shed_qos0},
                                             {"refused_topics", status.refused_topics},
                                             {"unreadable_payloads", status.unreadable_payloads},
                                             {"unbelieved_times", status.unbelieved_times},
                                             {"refused_full", status.refused_full},
                                             {"pending_acks", status.pending_acks},
                                             {"delivery_acks", status.delivery_acks}}},
                     {"counts", counts_json(status.counts)},
                     {"broker", ops::to_json(status.broker)}};
    ops::add_page(all, page(status, edge, now));
    return json::serialize(all);
}

std::string metrics_text(const edge_core::EdgeStatus& status, const std::string& edge,
                         base::Now now) {
    ops::Metrics metrics;
    const auto& destinations = status.uplink.destinations;
    const bool live = std::ranges::all_of(
        destinations, [](const auto& each) { return each.state == uplink::PathState::live; });
    ops::add_page(metrics, page(status, edge, now));
    metrics.gauge("path_live", "1 while there are destinations and the path to each is live.",
                  live && !destinations.empty() ? 1 : 0);
    if (!destinations.empty()) ops::add_metrics(metrics, status.uplink.link);
    add_destinations(metrics, destinations);
    add_spool(metrics, status);
    metrics.counter("refused_full_total", "Publishes refused because the spool was full.",
                    status.refused_full);
    metrics.counter("shed_qos0_total", "QoS 0 publishes not forwarded, for want of room.",
                    status.shed_qos0);
    metrics.gauge("tags", "Tags known.", status.tags);
    metrics.counter("unreadable_payloads_total", "Payloads that their codec could not read.",
                    status.unreadable_payloads);
    metrics.counter("unbelieved_times_total", "Times in payloads that were not believed.",
                    status.unbelieved_times);
    ops::add_metrics(metrics, status.broker);
    return std::move(metrics).text();
}

}  // namespace sallyport::edge_agent
