// Which reason codes may stand in which packet (MQTT 5.0, section 2.4), and 3.1.1's own codes.
#pragma once

#include <optional>

#include "common/mqtt/packet.hpp"

namespace sallyport::mqtt {

/// True if the standard lists `reason` for packets of `type`.
bool is_allowed(ReasonCode reason, PacketType type);

/// CONNACK return code of 3.1.1 (3.2.2.3) for `reason`; what that version cannot say becomes 3,
/// server unavailable.
std::uint8_t connack_code_3_1_1(ReasonCode reason);
/// The opposite; nothing for a reserved code.
std::optional<ReasonCode> connack_reason_3_1_1(std::uint8_t code);

}  // namespace sallyport::mqtt
