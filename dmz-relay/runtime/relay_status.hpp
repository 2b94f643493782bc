// The relay's status as JSON, and its metrics.
#pragma once

#include <string>

#include "common/base/time.hpp"
#include "dmz-relay/core/relay_core.hpp"

namespace sallyport::dmz_relay {

std::string status_json(const relay_core::RelayStatus& status, const std::string& relay,
                        base::Now now);
std::string metrics_text(const relay_core::RelayStatus& status);

}  // namespace sallyport::dmz_relay
