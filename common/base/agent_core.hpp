// The core of a whole agent: what its process asks of it beyond the network.
#pragma once

#include <optional>

#include "common/base/network_core.hpp"
#include "common/base/notice.hpp"

namespace sallyport::base {

class AgentCore : public NetworkCore {
public:
    /// Says goodbye to every peer and closes; no connection is left soon after.
    virtual void shut_down(Now now) = 0;
    virtual std::optional<Notice> next_notice() = 0;
};

}  // namespace sallyport::base
