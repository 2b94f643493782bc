#include "common/mqtt/reason_codes.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

namespace sallyport::mqtt {
namespace {

using enum ReasonCode;

constexpr std::array kConnackReasons{success,
                                     unspecified_error,
                                     malformed_packet,
                                     protocol_error,
                                     implementation_specific_error,
                                     unsupported_protocol_version,
                                     client_identifier_not_valid,
                                     bad_user_name_or_password,
                                     not_authorized,
                                     server_unavailable,
                                     server_busy,
                                     banned,
                                     bad_authentication_method,
                                     topic_name_invalid,
                                     packet_too_large,
                                     quota_exceeded,
                                     payload_format_invalid,
                                     retain_not_supported,
                                     qos_not_supported,
                                     use_another_server,
                                     server_moved,
                                     connection_rate_exceeded};

// PUBACK and PUBREC: one set.
constexpr std::array kReceivedReasons{success,
                                      no_matching_subscribers,
                                      unspecified_error,
                                      implementation_specific_error,
                                      not_authorized,
                                      topic_name_invalid,
                                      packet_identifier_in_use,
                                      quota_exceeded,
                                      payload_format_invalid};

// PUBREL and PUBCOMP: one set.
constexpr std::array kReleaseReasons{success, packet_identifier_not_found};

constexpr std::array kSubackReasons{success,
                                    granted_qos_1,
                                    granted_qos_2,
                                    unspecified_error,
                                    implementation_specific_error,
                                    not_authorized,
                                    topic_filter_invalid,
                                    packet_identifier_in_use,
                                    quota_exceeded,
                                    shared_subscriptions_not_supported,
                                    subscription_identifiers_not_supported,
                                    wildcard_subscriptions_not_supported};

constexpr std::array kUnsubackReasons{
    success,        no_subscription_existed, unspecified_error,       implementation_specific_error,
    not_authorized, topic_filter_invalid,    packet_identifier_in_use};

constexpr std::array kDisconnectReasons{success,
                                        disconnect_with_will,
                                        unspecified_error,
                                        malformed_packet,
                                        protocol_error,
                                        implementation_specific_error,
                                        not_authorized,
                                        server_busy,
                                        server_shutting_down,
                                        bad_authentication_method,
                                        keep_alive_timeout,
                                        session_taken_over,
                                        topic_filter_invalid,
                                        topic_name_invalid,
                                        receive_maximum_exceeded,
                                        topic_alias_invalid,
                                        packet_too_large,
                                        message_rate_too_high,
                                        quota_exceeded,
                                        administrative_action,
                                        payload_format_invalid,
                                        retain_not_supported,
                                        qos_not_supported,
                                        use_another_server,
                                        server_moved,
                                        shared_subscriptions_not_supported,
                                        connection_rate_exceeded,
                                        maximum_connect_time,
                                        subscription_identifiers_not_supported,
                                        wildcard_subscriptions_not_supported};

constexpr std::array kAuthReasons{success, continue_authentication, reauthenticate};

constexpr std::array<std::pair<ReasonCode, std::uint8_t>, 6> kConnackCodes311{
    {{success, std::uint8_t{0}},
     {unsupported_protocol_version, std::uint8_t{1}},
     {client_identifier_not_valid, std::uint8_t{2}},
     {server_unavailable, std::uint8_t{3}},
     {bad_user_name_or_password, std::uint8_t{4}},
     {not_authorized, std::uint8_t{5}}}};
constexpr std::uint8_t kServerUnavailable311 = 3;

std::span<const ReasonCode> reasons_of(PacketType type) {
    switch (type) {
        case PacketType::connack: return kConnackReasons;
        case PacketType::puback:
        case PacketType::pubrec: return kReceivedReasons;
        case PacketType::pubrel:
        case PacketType::pubcomp: return kReleaseReasons;
        case PacketType::suback: return kSubackReasons;
        case PacketType::unsuback: return kUnsubackReasons;
        case PacketType::disconnect: return kDisconnectReasons;
        case PacketType::auth: return kAuthReasons;
        case PacketType::connect:
        case PacketType::publish:
        case PacketType::subscribe:
        case PacketType::unsubscribe:
        case PacketType::pingreq:
        case PacketType::pingresp: break;
    }
    return {};
}

}  // namespace

bool is_allowed(ReasonCode reason, PacketType type) {
    return std::ranges::find(reasons_of(type), reason) != reasons_of(type).end();
}

std::uint8_t connack_code_3_1_1(ReasonCode reason) {
    for (const auto& [known, code] : kConnackCodes311)
        if (known == reason) return code;
    return kServerUnavailable311;
}

std::optional<ReasonCode> connack_reason_3_1_1(std::uint8_t code) {
    for (const auto& [reason, known] : kConnackCodes311)
        if (known == code) return reason;
    return std::nullopt;
}

}  // namespace sallyport::mqtt
