// Fields that several packets share, read with the checks that go with them. Internal to the
// decoder.
#pragma once

#include <utility>

#include "common/base/result.hpp"
#include "common/mqtt/properties.hpp"
#include "common/mqtt/reason_codes.hpp"
#include "common/mqtt/topic.hpp"
#include "common/mqtt/wire_reader.hpp"

namespace sallyport::mqtt {

using Decoded = base::Result<Packet, ReasonCode>;

constexpr std::uint8_t kQosMax = 2;

/// Packet Identifier: never 0 (2.2.1).
inline std::uint16_t read_packet_id(WireReader& in) {
    const std::uint16_t packet_id = in.read_u16();
    if (packet_id == 0) in.fail(ReasonCode::protocol_error);
    return packet_id;
}

/// A reason code that the standard lists for `type`.
inline ReasonCode read_reason(WireReader& in, PacketType type) {
    const auto reason = static_cast<ReasonCode>(in.read_u8());
    if (!is_allowed(reason, type)) in.fail(ReasonCode::protocol_error);
    return reason;
}

/// A topic name, of at least one character and without wildcards (4.7).
inline std::string_view read_topic_name(WireReader& in) {
    const std::string_view topic = in.read_text();
    if (!is_valid_topic_name(topic)) in.fail(ReasonCode::topic_name_invalid);
    return topic;
}

inline std::string_view read_topic_filter(WireReader& in) {
    const std::string_view filter = in.read_text();
    if (!is_valid_topic_filter(filter)) in.fail(ReasonCode::topic_filter_invalid);
    return filter;
}

/// The packet, if nothing failed and nothing is left over after its last field.
template <class P>
Decoded finish(const WireReader& in, P&& packet) {
    if (const auto error = in.error()) return *error;
    if (!in.empty()) return ReasonCode::malformed_packet;
    return Packet(std::forward<P>(packet));
}

/// The two packets that open a connection, in decode_connect.cpp. `in` stands after the fixed
/// header.
Decoded decode_connect(WireReader& in);
Decoded decode_connack(WireReader& in, Version version);

}  // namespace sallyport::mqtt
