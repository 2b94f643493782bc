// The edge's status as JSON, and its metrics.
#pragma once

#include <string>

#include "edge-agent/core/edge_core.hpp"

namespace sallyport::edge_agent {

std::string status_json(const edge_core::EdgeStatus& status, const std::string& edge);
std::string metrics_text(const edge_core::EdgeStatus& status);

}  // namespace sallyport::edge_agent
