#include "common/mqtt/decode.hpp"

#include <utility>

#include "common/mqtt/packet_fields.hpp"

namespace sallyport::mqtt {
namespace {

constexpr std::uint8_t kFlagsMask = 0x0F;
constexpr unsigned kTypeShift = 4;
constexpr std::size_t kRemainingLengthBytesMax = 4;

constexpr std::uint8_t kPublishRetain = 0x01;
constexpr unsigned kPublishQosShift = 1;
constexpr std::uint8_t kPublishDup = 0x08;
constexpr std::uint8_t kQosMask = 0x03;

constexpr std::uint8_t kNoLocal = 0x04;
constexpr std::uint8_t kRetainAsPublished = 0x08;
constexpr unsigned kRetainHandlingShift = 4;
constexpr std::uint8_t kRetainHandlingMax = 2;
constexpr std::uint8_t kOptionsReservedV5 = 0xC0;
constexpr std::uint8_t kOptionsReserved311 = 0xFC;
constexpr std::uint8_t kSubackFailure311 = 0x80;

/// Section 2.1.3: what the flags of a packet other than PUBLISH must be.
constexpr std::uint8_t fixed_flags(PacketType type) {
    const bool has_reserved_one = type == PacketType::pubrel || type == PacketType::subscribe ||
                                  type == PacketType::unsubscribe;
    return has_reserved_one ? 0x02 : 0x00;
}

bool has_alias(base::ByteView properties) {
    return find_property(properties, PropertyId::topic_alias).has_value();
}

/// Section 3.3. An empty topic stands for a Topic Alias, where there is one.
Decoded decode_publish(WireReader& in, std::uint8_t flags, Version version) {
    Publish packet;
    const std::uint8_t qos = (flags >> kPublishQosShift) & kQosMask;
    packet.qos = static_cast<Qos>(qos);
    packet.retain = (flags & kPublishRetain) != 0;
    packet.dup = (flags & kPublishDup) != 0;
    if (qos > kQosMax || (packet.dup && qos == 0)) return ReasonCode::malformed_packet;

    packet.topic = in.read_text();
    if (!in.failed() && !(packet.topic.empty() && version == Version::v5) &&
        !is_valid_topic_name(packet.topic))
        in.fail(ReasonCode::topic_name_invalid);
    if (qos > 0) packet.packet_id = read_packet_id(in);
    if (version == Version::v5) packet.properties = read_properties(in, PropertyPlace::publish);
    if (packet.topic.empty() && !has_alias(packet.properties)) in.fail(ReasonCode::protocol_error);
    packet.payload = in.take_rest();
    return finish(in, packet);
}

/// Sections 3.4 to 3.7. In 5.0 the reason code and the properties may be left out, from the end.
Decoded decode_acknowledgement(WireReader& in, PacketType type, Version version) {
    Acknowledgement packet;
    packet.type = type;
    packet.packet_id = read_packet_id(in);
    if (version == Version::v5 && !in.empty()) packet.reason = read_reason(in, type);
    if (version == Version::v5 && !in.empty())
        packet.properties = read_properties(in, PropertyPlace::acknowledgement);
    return finish(in, packet);
}

/// Section 3.8.3: one topic filter and its options. A subscriber cannot be told "not your own" of
/// messages that any member of its group may get (MQTT-3.8.3-4).
SubscribeFilter read_subscription(WireReader& in, Version version) {
    SubscribeFilter subscription;
    subscription.filter = read_topic_filter(in);
    const std::uint8_t options = in.read_u8();
    const std::uint8_t qos = options & kQosMask;
    const bool is_v5 = version == Version::v5;
    if ((options & (is_v5 ? kOptionsReservedV5 : kOptionsReserved311)) != 0)
        in.fail(ReasonCode::malformed_packet);
    if (qos > kQosMax) in.fail(ReasonCode::protocol_error);
    subscription.qos = static_cast<Qos>(qos);
    if (!is_v5) return subscription;

    subscription.no_local = (options & kNoLocal) != 0;
    subscription.retain_as_published = (options & kRetainAsPublished) != 0;
    subscription.retain_handling = static_cast<std::uint8_t>(options >> kRetainHandlingShift);
    const bool is_shared = !split_shared(subscription.filter).group.empty();
    if (subscription.retain_handling > kRetainHandlingMax || (subscription.no_local && is_shared))
        in.fail(ReasonCode::protocol_error);
    return subscription;
}

Decoded decode_subscribe(WireReader& in, Version version) {
    Subscribe packet;
    packet.packet_id = read_packet_id(in);
    if (version == Version::v5) packet.properties = read_properties(in, PropertyPlace::subscribe);
    if (in.empty()) in.fail(ReasonCode::protocol_error);
    while (!in.empty()) packet.filters.push_back(read_subscription(in, version));
    return finish(in, std::move(packet));
}

Decoded decode_unsubscribe(WireReader& in, Version version) {
    Unsubscribe packet;
    packet.packet_id = read_packet_id(in);
    if (version == Version::v5) packet.properties = read_properties(in, PropertyPlace::unsubscribe);
    if (in.empty()) in.fail(ReasonCode::protocol_error);
    while (!in.empty()) packet.filters.push_back(read_topic_filter(in));
    return finish(in, std::move(packet));
}

/// 3.1.1 has one failure only (3.9.3 there).
ReasonCode read_suback_reason(WireReader& in, Version version) {
    const ReasonCode reason = read_reason(in, PacketType::suback);
    if (version == Version::v3_1_1 && static_cast<std::uint8_t>(reason) > kSubackFailure311)
        in.fail(ReasonCode::protocol_error);
    return reason;
}

Decoded decode_suback(WireReader& in, Version version) {
    Suback packet;
    packet.packet_id = read_packet_id(in);
    if (version == Version::v5)
        packet.properties = read_properties(in, PropertyPlace::acknowledgement);
    if (in.empty()) in.fail(ReasonCode::protocol_error);
    packet.reasons.reserve(in.size());
    while (!in.empty()) packet.reasons.push_back(read_suback_reason(in, version));
    return finish(in, std::move(packet));
}

Decoded decode_unsuback(WireReader& in, Version version) {
    Unsuback packet;
    packet.packet_id = read_packet_id(in);
    if (version == Version::v3_1_1) return finish(in, std::move(packet));
    packet.properties = read_properties(in, PropertyPlace::acknowledgement);
    if (in.empty()) in.fail(ReasonCode::protocol_error);
    packet.reasons.reserve(in.size());
    while (!in.empty()) packet.reasons.push_back(read_reason(in, PacketType::unsuback));
    return finish(in, std::move(packet));
}

Decoded decode_disconnect(WireReader& in, Version version) {
    Disconnect packet;
    if (version == Version::v5 && !in.empty())
        packet.reason = read_reason(in, PacketType::disconnect);
    if (version == Version::v5 && !in.empty())
        packet.properties = read_properties(in, PropertyPlace::disconnect);
    return finish(in, packet);
}

/// Section 3.15. Only the empty form may leave the Authentication Method out: 3.15.2.1 allows that
/// form, 3.15.2.2.2 demands the method wherever there are properties.
Decoded decode_auth(WireReader& in, Version version) {
    if (version == Version::v3_1_1) return ReasonCode::malformed_packet;
    Auth packet;
    if (in.empty()) return finish(in, packet);
    packet.reason = read_reason(in, PacketType::auth);
    packet.properties = read_properties(in, PropertyPlace::auth);
    if (!find_property(packet.properties, PropertyId::authentication_method))
        in.fail(ReasonCode::protocol_error);
    return finish(in, packet);
}

Decoded decode_body(WireReader& in, PacketType type, std::uint8_t flags, Version version) {
    switch (type) {
        case PacketType::connect: return decode_connect(in);
        case PacketType::connack: return decode_connack(in, version);
        case PacketType::publish: return decode_publish(in, flags, version);
        case PacketType::puback:
        case PacketType::pubrec:
        case PacketType::pubrel:
        case PacketType::pubcomp: return decode_acknowledgement(in, type, version);
        case PacketType::subscribe: return decode_subscribe(in, version);
        case PacketType::suback: return decode_suback(in, version);
        case PacketType::unsubscribe: return decode_unsubscribe(in, version);
        case PacketType::unsuback: return decode_unsuback(in, version);
        case PacketType::pingreq: return finish(in, Pingreq{});
        case PacketType::pingresp: return finish(in, Pingresp{});
        case PacketType::disconnect: return decode_disconnect(in, version);
        case PacketType::auth: return decode_auth(in, version);
    }
    return ReasonCode::malformed_packet;
}

/// Size of the fixed header of a packet that frame_length() has measured.
std::size_t fixed_header_size(base::ByteView packet) {
    std::size_t size = 2;
    while ((packet[size - 1] & 0x80U) != 0) ++size;
    return size;
}

bool speaks_v5(const Packet& packet, Version version) {
    const auto* connect = std::get_if<Connect>(&packet);
    return (connect != nullptr ? connect->version : version) == Version::v5;
}

}  // namespace

base::Result<std::optional<std::size_t>, ReasonCode> frame_length(base::ByteView input,
                                                                  std::size_t packet_bytes_max) {
    using Length = std::optional<std::size_t>;
    if (input.empty()) return Length{};
    if (input[0] >> kTypeShift == 0) return ReasonCode::malformed_packet;
    std::size_t remaining = 0;
    for (std::size_t i = 0; i < kRemainingLengthBytesMax; ++i) {
        const std::size_t at = 1 + i;
        if (at == input.size()) return Length{};
        remaining |= (input[at] & std::size_t{0x7F}) << (7 * i);
        if ((input[at] & 0x80U) != 0) continue;
        const std::size_t whole = at + 1 + remaining;
        if (whole > packet_bytes_max) return ReasonCode::packet_too_large;
        return Length{whole};
    }
    return ReasonCode::malformed_packet;
}

Decoded decode(base::ByteView packet, Version version) {
    const auto length = frame_length(packet, packet.size());
    if (!length || *length != packet.size()) return ReasonCode::malformed_packet;
    const std::size_t header_size = fixed_header_size(packet);
    WireReader in(packet.subspan(header_size));
    const auto type = static_cast<PacketType>(packet[0] >> kTypeShift);
    const std::uint8_t flags = packet[0] & kFlagsMask;
    if (type != PacketType::publish && flags != fixed_flags(type))
        return ReasonCode::malformed_packet;
    Decoded decoded = decode_body(in, type, flags, version);
    // MQTT-1.5.5-1: 5.0 wants the shortest Remaining Length; 3.1.1 does not ask for it.
    const bool is_shortest = header_size == 2 || packet[header_size - 1] != 0;
    if (!is_shortest && decoded && speaks_v5(*decoded, version))
        return ReasonCode::malformed_packet;
    return decoded;
}

}  // namespace sallyport::mqtt
