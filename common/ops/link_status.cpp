#include "common/ops/link_status.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/ops/page_views.hpp"
#include "common/ops/words.hpp"

namespace sallyport::ops {
namespace {

std::uint64_t reconnects(const tunnel::LinkStatus& link) {
    return link.links_opened - std::min<std::uint64_t>(link.links_opened, 1);
}

std::string what_was_seen(const tunnel::LinkStatus& link) {
    if (link.last_failure == to_string(tunnel::LinkFailure::silent))
        return "no byte for " + in_words(link.lost_after);
    return link.last_failure.empty() ? "not connected yet" : link.last_failure;
}

}  // namespace

Hop link_hop(const tunnel::LinkStatus& link, std::string name) {
    Hop hop{std::move(name), link.is_up ? "live" : "lost", link.is_up, link.since, {}, {}};
    if (link.is_up) {
        if (link.round_trip)
            hop.flow = fmt::format("round trip {:.1f} ms, ", seconds(*link.round_trip) * 1000);
        hop.flow += counted(reconnects(link), "reconnect");
    } else {
        hop.reason = what_was_seen(link);
        hop.flow = link.state == "greeting" ? "greeting" : "dialling again";
    }
    return hop;
}

boost::json::object to_json(const tunnel::LinkStatus& link) {
    return {{"link", link.state},
            {"since", base::to_rfc3339(link.since)},
            {"last_failure", link.last_failure},
            {"last_failure_at", or_null(link.last_failure_at)},
            {"round_trip_s", or_null(link.round_trip)},
            {"links_opened", link.links_opened},
            {"reconnects", reconnects(link)}};
}

void add_metrics(Metrics& metrics, const tunnel::LinkStatus& link) {
    metrics.gauge("link_up", "1 while the link to the relay is up.", link.is_up ? 1 : 0);
    metrics.gauge("link_round_trip_seconds", "Of the last ping that was answered.",
                  link.round_trip ? std::optional(seconds(*link.round_trip)) : std::nullopt);
    metrics.counter("links_opened_total", "Connections made to the relay.", link.links_opened);
}

}  // namespace sallyport::ops
