// The edge's hops in words: the link, each destination, the spool, the broker. No destination can
// have a name with a space in it, so that no two hops are called the same.
#include <fmt/format.h>

#include "common/ops/link_status.hpp"
#include "common/ops/words.hpp"
#include "edge-agent/runtime/edge_status.hpp"

namespace sallyport::edge_agent {
namespace {

using ops::in_words;
using ops::rate_in_words;

/// "412,000 records wait, the oldest 3 min 20 s old, draining 38,000/s, 11 s to go"
std::string flow_of(const uplink::DestinationStatus& destination) {
    const auto out = destination.out_per_s.value_or(0);
    if (destination.state == uplink::PathState::live)
        return fmt::format("{} records acknowledged", rate_in_words(out));
    auto flow = ops::counted(destination.waiting_records, "record") +
                (destination.waiting_records == 1 ? " waits" : " wait");
    if (destination.oldest_unacknowledged)
        flow += fmt::format(", the oldest {} old", in_words(*destination.oldest_unacknowledged));
    if (destination.state == uplink::PathState::lost || !destination.drain) return flow;
    if (!destination.drain->left) return flow + ", not draining";
    return flow + fmt::format(", draining {}, {:.0f} % done, {} to go", rate_in_words(out),
                              destination.drain->progress * 100,
                              in_words(*destination.drain->left));
}

ops::Hop hop_of(const uplink::DestinationStatus& destination) {
    const bool live = destination.state == uplink::PathState::live;
    auto reason = destination.reason;
    if (destination.state == uplink::PathState::behind && destination.behind)
        reason = in_words(*destination.behind) + " behind";
    return {destination.destination,
            std::string(to_string(destination.state)),
            live,
            destination.since,
            std::move(reason),
            flow_of(destination)};
}

ops::Hop spool_hop(const edge_core::EdgeStatus& status) {
    const auto& spool = status.spool;
    ops::Hop hop{"local spool", "live", !spool.failing, status.spool_since, {}, {}};
    hop.flow = fmt::format("{} of {}, {} records in", ops::bytes_in_words(spool.bytes),
                           ops::bytes_in_words(spool.max_bytes),
                           rate_in_words(status.uplink.in_per_s.value_or(0)));
    if (status.outlook.until_full)
        hop.flow += fmt::format(", full in {}", in_words(*status.outlook.until_full));
    if (!spool.failing) return hop;
    hop.state = "failing";
    hop.reason = fmt::format("the disk fails: {}", to_string(*spool.failing));
    return hop;
}

}  // namespace

ops::Page page(const edge_core::EdgeStatus& status, const std::string& edge, base::Now now) {
    ops::Page page{"edge-agent " + edge, now.wall, {}};
    if (!status.uplink.destinations.empty())
        page.hops.push_back(ops::link_hop(status.uplink.link, "edge → relay"));
    for (const auto& destination : status.uplink.destinations)
        page.hops.push_back(hop_of(destination));
    page.hops.push_back(spool_hop(status));
    page.hops.push_back({"local broker",
                         "live",
                         true,
                         status.started,
                         {},
                         ops::counted(status.broker.clients_connected, "client") + ", " +
                             ops::counted(status.tags, "tag")});
    return page;
}

}  // namespace sallyport::edge_agent
