// The it-agent's status as JSON, and its metrics.
#pragma once

#include <string>

#include "it-agent/core/it_core.hpp"

namespace sallyport::it_agent {

std::string status_json(const it_core::ItStatus& status, const std::string& agent);
std::string metrics_text(const it_core::ItStatus& status);

}  // namespace sallyport::it_agent
