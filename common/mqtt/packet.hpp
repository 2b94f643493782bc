// MQTT control packets as types (MQTT 3.1.1 and 5.0, chapter 3). Everything is borrowed: views
// point into the bytes the packet was decoded from, or into the caller's memory when encoding.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "common/base/bytes.hpp"

namespace sallyport::mqtt {

enum class Version : std::uint8_t { v3_1_1 = 4, v5 = 5 };
enum class Qos : std::uint8_t { at_most_once = 0, at_least_once = 1, exactly_once = 2 };

/// Section 2.1.2 (both standards).
enum class PacketType : std::uint8_t {
    connect = 1,
    connack,
    publish,
    puback,
    pubrec,
    pubrel,
    pubcomp,
    subscribe,
    suback,
    unsubscribe,
    unsuback,
    pingreq,
    pingresp,
    disconnect,
    auth,
};

/// MQTT 5.0, section 2.4. The encoder maps CONNACK and SUBACK codes to 3.1.1's where that is
/// spoken.
enum class ReasonCode : std::uint8_t {
    success = 0x00,
    granted_qos_1 = 0x01,
    granted_qos_2 = 0x02,
    disconnect_with_will = 0x04,
    no_matching_subscribers = 0x10,
    no_subscription_existed = 0x11,
    continue_authentication = 0x18,
    reauthenticate = 0x19,
    unspecified_error = 0x80,
    malformed_packet = 0x81,
    protocol_error = 0x82,
    implementation_specific_error = 0x83,
    unsupported_protocol_version = 0x84,
    client_identifier_not_valid = 0x85,
    bad_user_name_or_password = 0x86,
    not_authorized = 0x87,
    server_unavailable = 0x88,
    server_busy = 0x89,
    banned = 0x8A,
    server_shutting_down = 0x8B,
    bad_authentication_method = 0x8C,
    keep_alive_timeout = 0x8D,
    session_taken_over = 0x8E,
    topic_filter_invalid = 0x8F,
    topic_name_invalid = 0x90,
    packet_identifier_in_use = 0x91,
    packet_identifier_not_found = 0x92,
    receive_maximum_exceeded = 0x93,
    topic_alias_invalid = 0x94,
    packet_too_large = 0x95,
    message_rate_too_high = 0x96,
    quota_exceeded = 0x97,
    administrative_action = 0x98,
    payload_format_invalid = 0x99,
    retain_not_supported = 0x9A,
    qos_not_supported = 0x9B,
    use_another_server = 0x9C,
    server_moved = 0x9D,
    shared_subscriptions_not_supported = 0x9E,
    connection_rate_exceeded = 0x9F,
    maximum_connect_time = 0xA0,
    subscription_identifiers_not_supported = 0xA1,
    wildcard_subscriptions_not_supported = 0xA2,
};
std::string_view to_string(ReasonCode reason);

/// MQTT 5.0, section 2.2.2.2.
enum class PropertyId : std::uint8_t {
    payload_format_indicator = 0x01,
    message_expiry_interval = 0x02,
    content_type = 0x03,
    response_topic = 0x08,
    correlation_data = 0x09,
    subscription_identifier = 0x0B,
    session_expiry_interval = 0x11,
    assigned_client_identifier = 0x12,
    server_keep_alive = 0x13,
    authentication_method = 0x15,
    authentication_data = 0x16,
    request_problem_information = 0x17,
    will_delay_interval = 0x18,
    request_response_information = 0x19,
    response_information = 0x1A,
    server_reference = 0x1C,
    reason_string = 0x1F,
    receive_maximum = 0x21,
    topic_alias_maximum = 0x22,
    topic_alias = 0x23,
    maximum_qos = 0x24,
    retain_available = 0x25,
    user_property = 0x26,
    maximum_packet_size = 0x27,
    wildcard_subscription_available = 0x28,
    subscription_identifier_available = 0x29,
    shared_subscription_available = 0x2A,
};

/// One property of a block. `number` for integer kinds, `text` for strings and binary data,
/// `text`/`value` for a user property's name and value.
struct Property {
    PropertyId id{};
    std::uint32_t number = 0;
    std::string_view text;
    std::string_view value;
};

struct Will {
    std::string_view topic;
    base::ByteView payload;
    base::ByteView properties;  // raw block, as in Publish; the Will Delay Interval is still in it
    Qos qos = Qos::at_most_once;
    bool retain = false;
};

struct Connect {
    Version version = Version::v5;
    bool clean_start = true;
    std::uint16_t keep_alive_s = 0;
    std::string_view client_id;
    base::ByteView properties;  // raw block
    std::optional<Will> will;
    std::optional<std::string_view> user_name;
    std::optional<base::ByteView> password;
};
struct Connack {
    bool session_present = false;
    ReasonCode reason = ReasonCode::success;
    base::ByteView properties;
};
struct Publish {
    std::string_view topic;  // may be empty in v5 with a topic alias
    base::ByteView payload;
    base::ByteView properties;  // raw property block without its length; validated; empty in 3.1.1
    std::uint16_t packet_id = 0;  // QoS > 0
    Qos qos = Qos::at_most_once;
    bool retain = false;
    bool dup = false;
};
/// PUBACK, PUBREC, PUBREL, PUBCOMP.
struct Acknowledgement {
    PacketType type = PacketType::puback;
    std::uint16_t packet_id = 0;
    ReasonCode reason = ReasonCode::success;
    base::ByteView properties;
};
struct SubscribeFilter {
    std::string_view filter;
    Qos qos = Qos::at_most_once;
    bool no_local = false;
    bool retain_as_published = false;
    std::uint8_t retain_handling = 0;  // MQTT 5.0, 3.8.3.1
};
struct Subscribe {
    std::uint16_t packet_id = 0;
    base::ByteView properties;
    std::vector<SubscribeFilter> filters;
};
struct Suback {
    std::uint16_t packet_id = 0;
    base::ByteView properties;
    std::vector<ReasonCode> reasons;
};
struct Unsubscribe {
    std::uint16_t packet_id = 0;
    base::ByteView properties;
    std::vector<std::string_view> filters;
};
struct Unsuback {
    std::uint16_t packet_id = 0;
    base::ByteView properties;
    std::vector<ReasonCode> reasons;  // not sent in 3.1.1
};
struct Pingreq {};
struct Pingresp {};
struct Disconnect {
    ReasonCode reason = ReasonCode::success;
    base::ByteView properties;
};
struct Auth {
    ReasonCode reason = ReasonCode::success;
    base::ByteView properties;
};

using Packet = std::variant<Connect, Connack, Publish, Acknowledgement, Subscribe, Suback,
                            Unsubscribe, Unsuback, Pingreq, Pingresp, Disconnect, Auth>;

/// Field limits of the wire format (section 1.5 and 2.1.4).
constexpr std::uint32_t kRemainingLengthMax = 268'435'455;

}  // namespace sallyport::mqtt
