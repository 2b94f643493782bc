// The page as JSON members and as metrics, the same in all agents.
#pragma once

#include <boost/json.hpp>

#include "common/ops/metrics.hpp"
#include "common/ops/page.hpp"

namespace sallyport::ops {

/// A number, or null where it is not known.
template <class Number>
boost::json::value or_null(const std::optional<Number>& number) {
    return number ? boost::json::value(*number) : boost::json::value(nullptr);
}
inline boost::json::value or_null(std::optional<base::Duration> time) {
    return time ? boost::json::value(seconds(*time)) : boost::json::value(nullptr);
}
inline boost::json::value or_null(std::optional<base::WallTime> time) {
    return time ? boost::json::value(base::to_rfc3339(*time)) : boost::json::value(nullptr);
}

/// Adds `live` and `hops` to an agent's status.
inline void add_page(boost::json::object& status, const Page& page) {
    boost::json::array hops;
    for (const auto& hop : page.hops)
        hops.push_back(boost::json::object{{"hop", hop.name},
                                           {"state", hop.state},
                                           {"live", hop.live},
                                           {"since", or_null(hop.since)},
                                           {"reason", hop.reason}});
    status["live"] = page.live();
    status["hops"] = std::move(hops);
}

inline void add_page(Metrics& metrics, const Page& page) {
    metrics.gauge("live", "1 while every hop is live: what /healthz says.", page.live() ? 1 : 0);
    const auto name = [](const Hop& hop) { return hop.name; };
    metrics.gauges("hop_live", "1 while the hop is live.", "hop", page.hops, name,
                   [](const Hop& hop) { return hop.live ? 1 : 0; });
    metrics.gauges("hop_state_since_timestamp_seconds",
                   "When the hop entered its state, seconds since 1970.", "hop", page.hops, name,
                   [](const Hop& hop) {
                       return hop.since ? std::optional(static_cast<double>(hop.since->ns) / 1e9)
                                        : std::nullopt;
                   });
}

}  // namespace sallyport::ops
