#include "it-agent/runtime/it_status.hpp"

#include <algorithm>
#include <functional>
#include <map>

#include <boost/json.hpp>

#include "common/ops/broker_status.hpp"
#include "common/ops/link_status.hpp"
#include "common/ops/page_views.hpp"
#include "common/ops/words.hpp"

namespace sallyport::it_agent {
namespace {

namespace json = boost::json;
using emit::FeedState;
using emit::FeedStatus;
using ops::or_null;

/// How old what is not here yet may be: nothing where no Beat has told.
std::optional<base::Duration> oldest_undelivered(const FeedStatus& edge, base::Now now) {
    if (!edge.complete_until) return std::nullopt;
    return std::max(now.wall - *edge.complete_until, base::Duration{});
}

std::string reason_of(const FeedStatus& edge) {
    if (edge.state == FeedState::behind) return ops::in_words(edge.behind) + " behind";
    if (edge.side.empty()) return edge.seen;
    return fmt::format("{} side: {}", edge.side, edge.seen);
}

ops::Hop edge_hop(const FeedStatus& edge, base::Now now) {
    const bool live = edge.state == FeedState::live;
    const auto rate = ops::rate_in_words(edge.rate.per_second(now.instant).value_or(0));
    std::string flow;
    if (live || edge.state == FeedState::behind || edge.state == FeedState::catching_up)
        flow = fmt::format("{} records, {}", rate, ops::counted(edge.tags, "tag"));
    if (!live && edge.spooled_records > 0)
        flow += fmt::format("{}{} records wait at the edge, as it last said",
                            flow.empty() ? "" : ", ", ops::with_commas(edge.spooled_records));
    if (!live && edge.complete_until)
        flow += fmt::format("{}complete up to {}", flow.empty() ? "" : ", ",
                            ops::clock_in_words(*edge.complete_until, now.wall));
    if (edge.unheard > 0)
        flow +=
            fmt::format("{}{} unheard", flow.empty() ? "" : ", ", ops::with_commas(edge.unheard));
    return {edge.edge,  std::string(to_string(edge.state)), live,
            edge.since, live ? "" : reason_of(edge),        std::move(flow)};
}

json::object edge_json(const FeedStatus& edge, base::Now now) {
    return {{"edge", edge.edge},
            {"state", to_string(edge.state)},
            {"side", edge.side},
            {"seen", edge.seen},
            {"since", to_rfc3339(edge.since)},
            {"behind_s", ops::seconds(edge.behind)},
            {"complete_until", or_null(edge.complete_until)},
            {"oldest_undelivered_s", or_null(oldest_undelivered(edge, now))},
            {"spooled_records", edge.spooled_records},
            {"clock_offset_s", or_null(edge.clock_offset)},
            {"tags", edge.tags},
            {"records", edge.records},
            {"unheard", edge.unheard},
            {"conflated", edge.conflated},
            {"records_per_s", or_null(edge.rate.per_second(now.instant))}};
}

ops::Hop consumer_hop(const mqtt::ConsumerState& consumer) {
    const bool holds = consumer.holding_since.has_value();
    ops::Hop hop{"consumer " + consumer.client_id,
                 holds ? "holding" : "live",
                 !holds && consumer.has_session,
                 std::nullopt,
                 {},
                 ops::counted(consumer.waiting_messages, "message") + " wait"};
    if (holds) {
        hop.since = consumer.holding_since->wall;
        hop.reason = consumer.connected ? "reads too slowly" : "not connected";
    } else if (!consumer.has_session) {
        hop.state = "no session";
        hop.reason = "nothing is kept for it until it has connected and subscribed";
        hop.flow = "";
    } else if (!consumer.connected) {
        hop.flow += ", not connected";
    }
    if (consumer.lost_messages > 0)
        hop.flow += fmt::format("{}{} lost with a session that ended", hop.flow.empty() ? "" : ", ",
                                ops::with_commas(consumer.lost_messages));
    return hop;
}

json::object consumer_json(const mqtt::ConsumerState& consumer) {
    const auto& since = consumer.holding_since;
    return {{"client_id", consumer.client_id},
            {"has_session", consumer.has_session},
            {"connected", consumer.connected},
            {"holding_since", since ? json::value(to_rfc3339(since->wall)) : json::value(nullptr)},
            {"waiting_messages", consumer.waiting_messages},
            {"waiting_bytes", consumer.waiting_bytes},
            {"lost_messages", consumer.lost_messages}};
}

void add_consumers(ops::Metrics& metrics, const std::vector<mqtt::ConsumerState>& consumers) {
    if (consumers.empty()) return;
    const auto id = std::mem_fn(&mqtt::ConsumerState::client_id);
    metrics.gauges("consumer_holding", "1 while its full queue holds the edges.", "client",
                   consumers, id,
                   [](const auto& each) { return each.holding_since.has_value() ? 1 : 0; });
    metrics.gauges("consumer_has_session", "1 while it has a session, connected or not.", "client",
                   consumers, id, [](const auto& each) { return each.has_session ? 1 : 0; });
    metrics.gauges("consumer_waiting_messages", "Messages that wait for it.", "client", consumers,
                   id, std::mem_fn(&mqtt::ConsumerState::waiting_messages));
    metrics.gauges("consumer_waiting_bytes", "Bytes that wait for it.", "client", consumers, id,
                   std::mem_fn(&mqtt::ConsumerState::waiting_bytes));
    metrics.counters("consumer_lost_messages_total", "Waited for a session of it that has ended.",
                     "client", consumers, id, std::mem_fn(&mqtt::ConsumerState::lost_messages));
}

json::object ledger_json(const it_core::ItStatus& status) {
    json::array sums;
    for (const auto& sum : status.ledger)
        sums.push_back(json::object{
            {"edge", sum.edge}, {"reason", to_string(sum.reason)}, {"records", sum.records}});
    return {{"rows", status.ledger_rows}, {"records", std::move(sums)}};
}

void add_ledger(ops::Metrics& metrics, const std::vector<it_core::LedgerSum>& sums) {
    std::map<std::string_view, std::uint64_t> by_reason;
    for (const auto& sum : sums) by_reason[to_string(sum.reason)] += sum.records;
    metrics.counters(
        "ledger_records_total", "Records that will not be handed over.", "reason", by_reason,
        [](const auto& each) { return each.first; }, [](const auto& each) { return each.second; });
}

void add_edges(ops::Metrics& metrics, const std::vector<FeedStatus>& edges, base::Now now) {
    const auto add = [&](std::string_view name, std::string_view help, const auto& value_of) {
        metrics.gauges(name, help, "edge", edges, std::mem_fn(&FeedStatus::edge), value_of);
    };
    add("edge_live", "1 while the path to the edge is live.",
        [](const FeedStatus& each) { return each.state == FeedState::live ? 1 : 0; });
    add("edge_behind_seconds", "Age of the oldest record not yet sent, as the edge last said.",
        [](const FeedStatus& each) { return ops::seconds(each.behind); });
    add("edge_oldest_undelivered_seconds", "What is not here yet may be this old, not older.",
        [&](const FeedStatus& each) {
            const auto oldest = oldest_undelivered(each, now);
            return oldest ? std::optional(ops::seconds(*oldest)) : std::nullopt;
        });
    add("edge_spooled_records", "Records that wait at the edge, as it last said.",
        [](const FeedStatus& each) { return each.spooled_records; });
    add("edge_records_per_second", "Records emitted a second, now.",
        [&](const FeedStatus& each) { return each.rate.per_second(now.instant); });
    add("edge_clock_offset_seconds", "The edge's clock minus ours.", [](const FeedStatus& each) {
        return each.clock_offset ? std::optional(ops::seconds(*each.clock_offset)) : std::nullopt;
    });
    add("edge_tags", "Tags known of the edge.", [](const FeedStatus& each) { return each.tags; });
    metrics.counters("edge_records_total", "Records emitted.", "edge", edges,
                     std::mem_fn(&FeedStatus::edge), std::mem_fn(&FeedStatus::records));
    metrics.counters("edge_unheard_total", "Values emitted while nobody subscribed to them.",
                     "edge", edges, std::mem_fn(&FeedStatus::edge),
                     std::mem_fn(&FeedStatus::unheard));
    metrics.counters("edge_conflated_records_total",
                     "Records of class latest that the edge left out for newer ones.", "edge",
                     edges, std::mem_fn(&FeedStatus::edge), std::mem_fn(&FeedStatus::conflated));
}

}  // namespace

ops::Page page(const it_core::ItStatus& status, const std::string& agent, base::Now now) {
    ops::Page page{"it-agent " + agent, now.wall, {}};
    if (status.link) page.hops.push_back(ops::link_hop(*status.link, "it → relay"));
    for (const auto& edge : status.edges) page.hops.push_back(edge_hop(edge, now));
    for (const auto& consumer : status.consumers) page.hops.push_back(consumer_hop(consumer));
    const bool stores = status.store_error.empty();
    page.hops.push_back({"store", stores ? "live" : "failing", stores, status.store_since,
                         status.store_error,
                         stores ? "" : "nothing is acknowledged, so the edges keep it"});
    page.hops.push_back({"broker",
                         "live",
                         true,
                         status.started,
                         {},
                         ops::counted(status.broker.clients_connected, "client") + ", " +
                             ops::counted(status.broker.subscriptions, "subscription")});
    return page;
}

std::string status_json(const it_core::ItStatus& status, const std::string& agent, base::Now now) {
    json::array edges, consumers;
    for (const auto& edge : status.edges) edges.push_back(edge_json(edge, now));
    for (const auto& consumer : status.consumers) consumers.push_back(consumer_json(consumer));
    json::object all{
        {"agent", "it-agent"},
        {"it", agent},
        {"version", SALLYPORT_VERSION},
        {"relay", status.link ? json::value(ops::to_json(*status.link)) : json::value(nullptr)},
        {"edges", std::move(edges)},
        {"downlink", json::object{{"entries", status.entries},
                                  {"repeated_entries", status.repeated_entries},
                                  {"gaps", status.gaps},
                                  {"missing_records", status.missing_records}}},
        {"ledger", ledger_json(status)},
        {"consumers", std::move(consumers)},
        {"store_error", status.store_error},
        {"broker", ops::to_json(status.broker)}};
    ops::add_page(all, page(status, agent, now));
    return json::serialize(all);
}

std::string metrics_text(const it_core::ItStatus& status, const std::string& agent, base::Now now) {
    ops::Metrics metrics;
    std::uint64_t records = 0, tags = 0;
    for (const auto& edge : status.edges) {
        records += edge.records;
        tags += edge.tags;
    }
    ops::add_page(metrics, page(status, agent, now));
    if (status.link) ops::add_metrics(metrics, *status.link);
    add_edges(metrics, status.edges, now);
    add_consumers(metrics, status.consumers);
    add_ledger(metrics, status.ledger);
    metrics.gauge("edges", "Edges known.", status.edges.size());
    metrics.gauge("edges_live", "Edges whose path is live.",
                  std::ranges::count(status.edges, FeedState::live, &FeedStatus::state));
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
