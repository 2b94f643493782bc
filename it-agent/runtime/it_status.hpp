// The it-agent's status: as a page for people, as JSON, and as metrics, all of one ItStatus.
#pragma once

#include <string>

#include "common/ops/page.hpp"
#include "it-agent/core/it_core.hpp"

namespace sallyport::it_agent {

/// `agent` is "<plant>/<name>".
ops::Page page(const it_core::ItStatus& status, const std::string& agent, base::Now now);
std::string status_json(const it_core::ItStatus& status, const std::string& agent, base::Now now);
std::string metrics_text(const it_core::ItStatus& status, const std::string& agent, base::Now now);

}  // namespace sallyport::it_agent
