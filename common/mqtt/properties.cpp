#include "common/mqtt/properties.hpp"

#include <array>
#include <limits>

#include "common/mqtt/decode.hpp"
#include "common/mqtt/topic.hpp"

namespace sallyport::mqtt {
namespace {

using Places = std::uint16_t;
constexpr std::uint32_t kAny = std::numeric_limits<std::uint32_t>::max();

struct PropertyRule {
    PropertyKind kind = PropertyKind::none;
    Places places = 0;
    std::uint32_t min = 0;
    std::uint32_t max = kAny;
};

constexpr std::size_t kRuleCount = 0x2B;
using PropertyRules = std::array<PropertyRule, kRuleCount>;

constexpr Places places(auto... place) {
    return static_cast<Places>((0U | ... | static_cast<unsigned>(place)));
}

constexpr PropertyRules make_rules() {
    using enum PropertyPlace;
    using enum PropertyId;
    using Kind = PropertyKind;
    constexpr Places kMessage = places(publish, will);
    constexpr Places kAuthenticated = places(connect, connack, auth);
    constexpr Places kBothConnects = places(connect, connack);
    constexpr Places kReasoned = places(connack, acknowledgement, disconnect, auth);
    constexpr Places kEverywhere = places(connect, will, connack, publish, acknowledgement,
                                          subscribe, unsubscribe, disconnect, auth);
    constexpr Places kSubscriber = places(publish, subscribe);

    PropertyRules rules{};
    const auto set = [&](PropertyId id, Kind kind, Places where, std::uint32_t min = 0,
                         std::uint32_t max = kAny) {
        rules[static_cast<std::size_t>(id)] = {kind, where, min, max};
    };
    set(payload_format_indicator, Kind::byte, kMessage, 0, 1);
    set(message_expiry_interval, Kind::u32, kMessage);
    set(content_type, Kind::text, kMessage);
    set(response_topic, Kind::text, kMessage);
    set(correlation_data, Kind::binary, kMessage);
    set(subscription_identifier, Kind::varint, kSubscriber, 1);
    set(session_expiry_interval, Kind::u32, places(connect, connack, disconnect));
    set(assigned_client_identifier, Kind::text, places(connack));
    set(server_keep_alive, Kind::u16, places(connack));
    set(authentication_method, Kind::text, kAuthenticated);
    set(authentication_data, Kind::binary, kAuthenticated);
    set(request_problem_information, Kind::byte, places(connect), 0, 1);
    set(will_delay_interval, Kind::u32, places(will));
    set(request_response_information, Kind::byte, places(connect), 0, 1);
    set(response_information, Kind::text, places(connack));
    set(server_reference, Kind::text, places(connack, disconnect));
    set(reason_string, Kind::text, kReasoned);
    set(receive_maximum, Kind::u16, kBothConnects, 1);
    set(topic_alias_maximum, Kind::u16, kBothConnects);
    set(topic_alias, Kind::u16, places(publish), 1);
    set(maximum_qos, Kind::byte, places(connack), 0, 1);
    set(retain_available, Kind::byte, places(connack), 0, 1);
    set(user_property, Kind::text_pair, kEverywhere);
    set(maximum_packet_size, Kind::u32, kBothConnects, 1);
    set(wildcard_subscription_available, Kind::byte, places(connack), 0, 1);
    set(subscription_identifier_available, Kind::byte, places(connack), 0, 1);
    set(shared_subscription_available, Kind::byte, places(connack), 0, 1);
    return rules;
}

constexpr PropertyRules kRules = make_rules();

constexpr PropertyRule rule_of(PropertyId id) {
    const auto index = static_cast<std::size_t>(id);
    return index < kRuleCount ? kRules[index] : PropertyRule{};
}

/// Reads one property of any place. Strings are not checked here, so that walking an accepted block
/// does not pay for UTF-8 again.
Property read_property(WireReader& in) {
    Property property;
    // Identifiers are Variable Byte Integers; every defined one takes one byte.
    property.id = static_cast<PropertyId>(in.read_u8());
    switch (rule_of(property.id).kind) {
        case PropertyKind::byte: property.number = in.read_u8(); break;
        case PropertyKind::u16: property.number = in.read_u16(); break;
        case PropertyKind::u32: property.number = in.read_u32(); break;
        case PropertyKind::varint: property.number = in.read_varint(); break;
        case PropertyKind::text:
        case PropertyKind::binary: property.text = base::as_text(in.read_binary()); break;
        case PropertyKind::text_pair:
            property.text = base::as_text(in.read_binary());
            property.value = base::as_text(in.read_binary());
            break;
        case PropertyKind::none: in.fail(ReasonCode::malformed_packet); break;
    }
    return property;
}

bool holds_text(PropertyKind kind) {
    return kind == PropertyKind::text || kind == PropertyKind::text_pair;
}

/// A User Property may repeat anywhere; a PUBLISH bears one Subscription Identifier for each
/// subscription that matched (3.3.2.3.8).
bool may_repeat(PropertyId id, PropertyPlace place) {
    return id == PropertyId::user_property ||
           (id == PropertyId::subscription_identifier && place == PropertyPlace::publish);
}

std::optional<ReasonCode> check_value(const Property& property, const PropertyRule& rule) {
    if (holds_text(rule.kind) && !(is_valid_utf8(property.text) && is_valid_utf8(property.value)))
        return ReasonCode::malformed_packet;
    if (property.number < rule.min || property.number > rule.max) return ReasonCode::protocol_error;
    // 3.3.2.3.5: a Response Topic is published to, so it is a topic name.
    if (property.id == PropertyId::response_topic && !is_valid_topic_name(property.text))
        return ReasonCode::protocol_error;
    return std::nullopt;
}

}  // namespace

PropertyKind kind_of(PropertyId id) {
    return rule_of(id).kind;
}

std::optional<ReasonCode> check_properties(base::ByteView block, PropertyPlace place) {
    WireReader in(block);
    std::uint64_t seen = 0;
    const auto bit = [](PropertyId id) { return std::uint64_t{1} << static_cast<unsigned>(id); };
    while (!in.empty()) {
        const Property property = read_property(in);
        if (in.failed()) return in.error();
        const PropertyRule rule = rule_of(property.id);
        if ((rule.places & static_cast<Places>(place)) == 0) return ReasonCode::malformed_packet;
        if ((seen & bit(property.id)) != 0 && !may_repeat(property.id, place))
            return ReasonCode::protocol_error;
        seen |= bit(property.id);
        if (const auto refused = check_value(property, rule)) return refused;
    }
    const bool has_method = (seen & bit(PropertyId::authentication_method)) != 0;
    const bool has_data = (seen & bit(PropertyId::authentication_data)) != 0;
    if (has_data && !has_method) return ReasonCode::protocol_error;
    return std::nullopt;
}

base::ByteView read_properties(WireReader& in, PropertyPlace place) {
    const base::ByteView block = in.take(in.read_varint());
    if (block.empty()) return {};
    if (const auto refused = check_properties(block, place)) {
        in.fail(*refused);
        return {};
    }
    return block;
}

std::optional<Property> PropertyReader::next() {
    if (rest_.empty()) return std::nullopt;
    WireReader in(rest_);
    const Property property = read_property(in);
    // Blocks also come from storage and from other agents: a broken one ends the walk.
    rest_ = in.failed() ? base::ByteView{} : rest_.last(in.size());
    if (in.failed()) return std::nullopt;
    return property;
}

std::optional<Property> find_property(base::ByteView block, PropertyId id) {
    PropertyReader reader(block);
    while (const auto property = reader.next())
        if (property->id == id) return property;
    return std::nullopt;
}

}  // namespace sallyport::mqtt
