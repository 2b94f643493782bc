// CONNECT and CONNACK, sections 3.1 and 3.2 of both standards.
#include "common/mqtt/packet_fields.hpp"

namespace sallyport::mqtt {
namespace {

constexpr std::string_view kProtocolName = "MQTT";

constexpr std::uint8_t kReserved = 0x01;
constexpr std::uint8_t kCleanStart = 0x02;
constexpr std::uint8_t kWill = 0x04;
constexpr std::uint8_t kWillQos = 0x18;
constexpr unsigned kWillQosShift = 3;
constexpr std::uint8_t kWillRetain = 0x20;
constexpr std::uint8_t kPassword = 0x40;
constexpr std::uint8_t kUserName = 0x80;

constexpr std::uint8_t kSessionPresent = 0x01;

/// Protocol Name and Version. Another name or level is another protocol, answered as such
/// (3.1.2.1).
Version read_version(WireReader& in) {
    const std::string_view name = in.read_text();
    const std::uint8_t level = in.read_u8();
    const bool known = level == static_cast<std::uint8_t>(Version::v3_1_1) ||
                       level == static_cast<std::uint8_t>(Version::v5);
    if (name != kProtocolName || !known) in.fail(ReasonCode::unsupported_protocol_version);
    return static_cast<Version>(level);
}

/// 3.1.2.3: the reserved bit is 0, there is no will QoS 3, and nothing is said about a will that is
/// not there. 3.1.1 has no password without a user name (MQTT-3.1.2-22 there); 5.0 allows it.
std::uint8_t read_connect_flags(WireReader& in, Version version) {
    const std::uint8_t flags = in.read_u8();
    const bool has_will = (flags & kWill) != 0;
    const bool password_alone = (flags & (kUserName | kPassword)) == kPassword;
    if ((flags & kReserved) != 0 || (flags & kWillQos) == kWillQos ||
        (!has_will && (flags & (kWillQos | kWillRetain)) != 0) ||
        (version == Version::v3_1_1 && password_alone))
        in.fail(ReasonCode::malformed_packet);
    return flags;
}

Will read_will(WireReader& in, std::uint8_t flags, Version version) {
    Will will;
    will.qos = static_cast<Qos>((flags & kWillQos) >> kWillQosShift);
    will.retain = (flags & kWillRetain) != 0;
    if (version == Version::v5) will.properties = read_properties(in, PropertyPlace::will);
    will.topic = read_topic_name(in);
    will.payload = in.read_binary();
    return will;
}

}  // namespace

Decoded decode_connect(WireReader& in) {
    Connect packet;
    packet.version = read_version(in);
    const std::uint8_t flags = read_connect_flags(in, packet.version);
    packet.clean_start = (flags & kCleanStart) != 0;
    packet.keep_alive_s = in.read_u16();
    if (packet.version == Version::v5)
        packet.properties = read_properties(in, PropertyPlace::connect);
    packet.client_id = in.read_text();
    if ((flags & kWill) != 0) packet.will = read_will(in, flags, packet.version);
    if ((flags & kUserName) != 0) packet.user_name = in.read_text();
    if ((flags & kPassword) != 0) packet.password = in.read_binary();
    return finish(in, packet);
}

Decoded decode_connack(WireReader& in, Version version) {
    Connack packet;
    const std::uint8_t flags = in.read_u8();
    packet.session_present = (flags & kSessionPresent) != 0;
    if ((flags & ~kSessionPresent) != 0) in.fail(ReasonCode::malformed_packet);
    if (version == Version::v5) {
        packet.reason = read_reason(in, PacketType::connack);
        packet.properties = read_properties(in, PropertyPlace::connack);
    } else if (const auto reason = connack_reason_3_1_1(in.read_u8())) {
        packet.reason = *reason;
    } else {
        in.fail(ReasonCode::protocol_error);
    }
    // MQTT-3.2.2-6: a refused connection has no session to speak of.
    if (packet.session_present && packet.reason != ReasonCode::success)
        in.fail(ReasonCode::protocol_error);
    return finish(in, packet);
}

}  // namespace sallyport::mqtt
