// The edge's status: as a page for people (edge_page.cpp), as JSON, and as metrics. All three are
// made of one EdgeStatus.
#pragma once

#include <string>

#include "common/ops/page.hpp"
#include "edge-agent/core/edge_core.hpp"

namespace sallyport::edge_agent {

/// `edge` is "<plant>/<name>".
ops::Page page(const edge_core::EdgeStatus& status, const std::string& edge, base::Now now);
std::string status_json(const edge_core::EdgeStatus& status, const std::string& edge,
                        base::Now now);
std::string metrics_text(const edge_core::EdgeStatus& status, const std::string& edge,
                         base::Now now);

}  // namespace sallyport::edge_agent
