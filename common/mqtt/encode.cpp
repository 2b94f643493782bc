#include "common/mqtt/encode.hpp"

#include <algorithm>

#include "common/mqtt/properties.hpp"
#include "common/mqtt/reason_codes.hpp"
#include "common/mqtt/wire_writer.hpp"

namespace sallyport::mqtt {
namespace {

constexpr std::uint8_t kReservedFlags = 0x02;  // PUBREL, SUBSCRIBE, UNSUBSCRIBE (2.1.3)
constexpr std::uint8_t kSubackFailure311 = 0x80;
constexpr std::size_t kPacketIdSize = 2;

/// Room for `count` more bytes. Growth stays geometric, which vector::reserve alone is not: many
/// packets are appended to one buffer.
void make_room(base::Bytes& out, std::size_t count) {
    const std::size_t wanted = out.size() + count;
    if (wanted > out.capacity()) out.reserve(std::max(wanted, 2 * out.capacity()));
}

/// The fixed header, and room for everything behind it.
void begin(base::Bytes& out, PacketType type, std::uint8_t flags, std::size_t remaining) {
    make_room(out, 1 + varint_size(remaining) + remaining);
    write_u8(out, static_cast<std::uint8_t>(static_cast<unsigned>(type) << 4U | flags));
    write_varint(out, remaining);
}

std::size_t block_size(base::ByteView properties, Version version) {
    if (version == Version::v3_1_1) return 0;
    return varint_size(properties.size()) + properties.size();
}

void write_block(base::Bytes& out, base::ByteView properties, Version version) {
    if (version == Version::v3_1_1) return;
    write_varint(out, properties.size());
    base::append(out, properties);
}

std::size_t remaining_length(const Publish& packet, Version version) {
    return text_size(packet.topic) + (packet.qos == Qos::at_most_once ? 0 : kPacketIdSize) +
           block_size(packet.properties, version) + packet.payload.size();
}

std::size_t remaining_length(const Connect& packet) {
    constexpr std::size_t kFixedFields = 10;  // protocol name, level, flags, keep alive
    std::size_t size =
        kFixedFields + block_size(packet.properties, packet.version) + text_size(packet.client_id);
    if (packet.will)
        size += block_size(packet.will->properties, packet.version) +
                text_size(packet.will->topic) + binary_size(packet.will->payload);
    if (packet.user_name) size += text_size(*packet.user_name);
    if (packet.password) size += binary_size(*packet.password);
    return size;
}

std::uint8_t connect_flags(const Connect& packet) {
    unsigned flags = packet.clean_start ? 0x02U : 0U;
    if (packet.will)
        flags |= 0x04U | static_cast<unsigned>(packet.will->qos) << 3U |
                 (packet.will->retain ? 0x20U : 0U);
    if (packet.password) flags |= 0x40U;
    if (packet.user_name) flags |= 0x80U;
    return static_cast<std::uint8_t>(flags);
}

/// The part of a 5.0 packet that is left out from its end: reason code and properties.
/// `without_length` tells whether the Property Length may go while the reason code stays.
void encode_reasoned(base::Bytes& out, PacketType type, std::uint8_t flags, std::uint16_t packet_id,
                     ReasonCode reason, base::ByteView properties, bool without_length) {
    const std::size_t id_size = packet_id != 0 ? kPacketIdSize : 0;
    const bool has_block =
        !properties.empty() || (!without_length && reason != ReasonCode::success);
    const bool has_reason = has_block || reason != ReasonCode::success;
    const std::size_t block = has_block ? block_size(properties, Version::v5) : 0;
    begin(out, type, flags, id_size + (has_reason ? 1 : 0) + block);
    if (packet_id != 0) write_u16(out, packet_id);
    if (has_reason) write_u8(out, static_cast<std::uint8_t>(reason));
    if (has_block) write_block(out, properties, Version::v5);
}

std::uint8_t subscription_options(const SubscribeFilter& filter, Version version) {
    unsigned options = static_cast<unsigned>(filter.qos);
    if (version == Version::v5)
        options |= (filter.no_local ? 0x04U : 0U) | (filter.retain_as_published ? 0x08U : 0U) |
                   static_cast<unsigned>(filter.retain_handling) << 4U;
    return static_cast<std::uint8_t>(options);
}

std::uint8_t suback_code(ReasonCode reason, Version version) {
    const auto code = static_cast<std::uint8_t>(reason);
    return version == Version::v3_1_1 ? std::min(code, kSubackFailure311) : code;
}

}  // namespace

void encode(base::Bytes& out, const Connect& packet) {
    const bool password_alone = packet.password && !packet.user_name;
    SALLYPORT_ASSERT(packet.version == Version::v5 || !password_alone);
    begin(out, PacketType::connect, 0, remaining_length(packet));
    write_text(out, "MQTT");
    write_u8(out, static_cast<std::uint8_t>(packet.version));
    write_u8(out, connect_flags(packet));
    write_u16(out, packet.keep_alive_s);
    write_block(out, packet.properties, packet.version);
    write_text(out, packet.client_id);
    if (packet.will) {
        write_block(out, packet.will->properties, packet.version);
        write_text(out, packet.will->topic);
        write_binary(out, packet.will->payload);
    }
    if (packet.user_name) write_text(out, *packet.user_name);
    if (packet.password) write_binary(out, *packet.password);
}

void encode(base::Bytes& out, const Connack& packet, Version version) {
    begin(out, PacketType::connack, 0, 2 + block_size(packet.properties, version));
    write_u8(out, packet.session_present ? 1 : 0);
    write_u8(out, version == Version::v5 ? static_cast<std::uint8_t>(packet.reason)
                                         : connack_code_3_1_1(packet.reason));
    write_block(out, packet.properties, version);
}

void encode(base::Bytes& out, const Publish& packet, Version version) {
    const std::size_t topic_size = packet.topic.size();
    const bool has_id = packet.qos != Qos::at_most_once;
    SALLYPORT_ASSERT(topic_size <= kBinaryBytesMax && has_id == (packet.packet_id != 0));
    const unsigned flags = (packet.retain ? 0x01U : 0U) | static_cast<unsigned>(packet.qos) << 1U |
                           (packet.dup ? 0x08U : 0U);
    begin(out, PacketType::publish, static_cast<std::uint8_t>(flags),
          remaining_length(packet, version));
    write_text(out, packet.topic);
    if (has_id) write_u16(out, packet.packet_id);
    write_block(out, packet.properties, version);
    base::append(out, packet.payload);
}

void encode(base::Bytes& out, const Acknowledgement& packet, Version version) {
    SALLYPORT_ASSERT(packet.packet_id != 0);
    const std::uint8_t flags = packet.type == PacketType::pubrel ? kReservedFlags : 0;
    const bool is_v5 = version == Version::v5;
    encode_reasoned(out, packet.type, flags, packet.packet_id,
                    is_v5 ? packet.reason : ReasonCode::success,
                    is_v5 ? packet.properties : base::ByteView{}, true);
}

void encode(base::Bytes& out, const Subscribe& packet, Version version) {
    SALLYPORT_ASSERT(packet.packet_id != 0 && !packet.filters.empty());
    std::size_t size = kPacketIdSize + block_size(packet.properties, version);
    for (const SubscribeFilter& filter : packet.filters) size += text_size(filter.filter) + 1;
    begin(out, PacketType::subscribe, kReservedFlags, size);
    write_u16(out, packet.packet_id);
    write_block(out, packet.properties, version);
    for (const SubscribeFilter& filter : packet.filters) {
        write_text(out, filter.filter);
        write_u8(out, subscription_options(filter, version));
    }
}

void encode(base::Bytes& out, const Suback& packet, Version version) {
    SALLYPORT_ASSERT(packet.packet_id != 0 && !packet.reasons.empty());
    begin(out, PacketType::suback, 0,
          kPacketIdSize + block_size(packet.properties, version) + packet.reasons.size());
    write_u16(out, packet.packet_id);
    write_block(out, packet.properties, version);
    for (const ReasonCode reason : packet.reasons) write_u8(out, suback_code(reason, version));
}

void encode(base::Bytes& out, const Unsubscribe& packet, Version version) {
    SALLYPORT_ASSERT(packet.packet_id != 0 && !packet.filters.empty());
    std::size_t size = kPacketIdSize + block_size(packet.properties, version);
    for (const std::string_view filter : packet.filters) size += text_size(filter);
    begin(out, PacketType::unsubscribe, kReservedFlags, size);
    write_u16(out, packet.packet_id);
    write_block(out, packet.properties, version);
    for (const std::string_view filter : packet.filters) write_text(out, filter);
}

void encode(base::Bytes& out, const Unsuback& packet, Version version) {
    SALLYPORT_ASSERT(packet.packet_id != 0);
    const bool is_v5 = version == Version::v5;
    SALLYPORT_ASSERT(!is_v5 || !packet.reasons.empty());
    begin(out, PacketType::unsuback, 0,
          kPacketIdSize + block_size(packet.properties, version) +
              (is_v5 ? packet.reasons.size() : 0));
    write_u16(out, packet.packet_id);
    write_block(out, packet.properties, version);
    if (!is_v5) return;
    for (const ReasonCode reason : packet.reasons) write_u8(out, static_cast<std::uint8_t>(reason));
}

void encode(base::Bytes& out, const Pingreq&) {
    begin(out, PacketType::pingreq, 0, 0);
}
void encode(base::Bytes& out, const Pingresp&) {
    begin(out, PacketType::pingresp, 0, 0);
}

void encode(base::Bytes& out, const Disconnect& packet, Version version) {
    const bool is_v5 = version == Version::v5;
    encode_reasoned(out, PacketType::disconnect, 0, 0, is_v5 ? packet.reason : ReasonCode::success,
                    is_v5 ? packet.properties : base::ByteView{}, true);
}

void encode(base::Bytes& out, const Auth& packet) {
    encode_reasoned(out, PacketType::auth, 0, 0, packet.reason, packet.properties, false);
}

std::size_t encoded_size(const Publish& packet, Version version) {
    const std::size_t remaining = remaining_length(packet, version);
    return 1 + varint_size(remaining) + remaining;
}

void append_property(base::Bytes& block, const Property& property) {
    const PropertyKind kind = kind_of(property.id);
    SALLYPORT_ASSERT(kind != PropertyKind::none);
    write_u8(block, static_cast<std::uint8_t>(property.id));
    switch (kind) {
        case PropertyKind::byte:
            SALLYPORT_ASSERT(property.number <= 0xFFU);
            write_u8(block, static_cast<std::uint8_t>(property.number));
            break;
        case PropertyKind::u16:
            SALLYPORT_ASSERT(property.number <= 0xFFFFU);
            write_u16(block, property.number);
            break;
        case PropertyKind::u32: write_u32(block, property.number); break;
        case PropertyKind::varint: write_varint(block, property.number); break;
        case PropertyKind::text:
        case PropertyKind::binary: write_text(block, property.text); break;
        case PropertyKind::text_pair:
            write_text(block, property.text);
            write_text(block, property.value);
            break;
        case PropertyKind::none: break;
    }
}

}  // namespace sallyport::mqtt
