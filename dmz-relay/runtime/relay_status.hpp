// The relay's status: as a page for people, as JSON, and as metrics, all of one RelayStatus.
//
// Its health: it listens, and every agent that is connected has what the routes promise it. Who
// ought to be connected the relay does not know; the agents say that of themselves.
#pragma once

#include <string>

#include "common/base/time.hpp"
#include "common/ops/page.hpp"
#include "dmz-relay/core/relay_core.hpp"

namespace sallyport::dmz_relay {

/// `relay` is "<plant>/<name>".
ops::Page page(const relay_core::RelayStatus& status, const std::string& relay, base::Now now);
std::string status_json(const relay_core::RelayStatus& status, const std::string& relay,
                        base::Now now);
std::string metrics_text(const relay_core::RelayStatus& status, const std::string& relay,
                         base::Now now);

}  // namespace sallyport::dmz_relay
