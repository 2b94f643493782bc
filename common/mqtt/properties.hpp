// The property table of MQTT 5.0, section 2.2.2.2: which property belongs in which packet, of what
// type, in what range. Blocks stay raw; this decides whether one may be believed.
#pragma once

#include <optional>

#include "common/mqtt/wire_reader.hpp"

namespace sallyport::mqtt {

/// Where a property block stands; one bit each in the table.
enum class PropertyPlace : std::uint16_t {
    connect = 1U << 0U,
    will = 1U << 1U,
    connack = 1U << 2U,
    publish = 1U << 3U,
    acknowledgement = 1U << 4U,  // PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK: one set
    subscribe = 1U << 5U,
    unsubscribe = 1U << 6U,
    disconnect = 1U << 7U,
    auth = 1U << 8U,
};

/// Wire type of a property's value.
enum class PropertyKind : std::uint8_t { none, byte, u16, u32, varint, text, binary, text_pair };

/// Kind of a property; `none` for an identifier the standard does not define.
PropertyKind kind_of(PropertyId id);

/// Checks a whole block (without its length). malformed_packet: cut short, an identifier unknown or
/// out of place, a string that is not UTF-8. protocol_error: a repeat, a value out of its range,
/// Authentication Data without a method. Nothing: the block is good.
std::optional<ReasonCode> check_properties(base::ByteView block, PropertyPlace place);

/// Reads a Property Length and its block and fails the reader for check_properties' reason.
base::ByteView read_properties(WireReader& in, PropertyPlace place);

}  // namespace sallyport::mqtt
