// An agent's link to its relay as it appears in `status` and /metrics of both agents that dial.
#pragma once

#include <string>

#include <boost/json.hpp>

#include "common/ops/metrics.hpp"
#include "common/ops/page.hpp"
#include "common/tunnel/relay_connection.hpp"

namespace sallyport::ops {

/// `name`: "edge → relay".
Hop link_hop(const tunnel::LinkStatus& link, std::string name);
boost::json::object to_json(const tunnel::LinkStatus& link);
void add_metrics(Metrics& metrics, const tunnel::LinkStatus& link);

}  // namespace sallyport::ops
