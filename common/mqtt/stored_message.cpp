#include "common/mqtt/stored_message.hpp"

#include <algorithm>
#include <chrono>

#include "common/mqtt/decode.hpp"
#include "common/mqtt/encode.hpp"

namespace sallyport::mqtt {

StoredMessagePtr store(const Publish& message, std::string_view publisher, base::Instant now) {
    auto stored = std::make_shared<StoredMessage>();
    stored->topic = message.topic;
    stored->payload.assign(message.payload.begin(), message.payload.end());
    stored->publisher = publisher;
    stored->qos = message.qos;
    if (const auto expiry =
            find_property(message.properties, PropertyId::message_expiry_interval)) {
        stored->expires_at = now + std::chrono::seconds(expiry->number);
        stored->properties =
            without_properties(message.properties, {PropertyId::message_expiry_interval});
    } else {
        stored->properties.assign(message.properties.begin(), message.properties.end());
    }
    return stored;
}

OwnedWill own(const Will& will) {
    OwnedWill owned;
    owned.topic = will.topic;
    owned.payload.assign(will.payload.begin(), will.payload.end());
    owned.properties = without_properties(will.properties, {PropertyId::will_delay_interval});
    owned.qos = will.qos;
    owned.retain = will.retain;
    if (const auto delay = find_property(will.properties, PropertyId::will_delay_interval))
        owned.delay = std::chrono::seconds(delay->number);
    return owned;
}

std::uint32_t remaining_seconds(base::Instant expires_at, base::Instant now) {
    const auto left = std::chrono::ceil<std::chrono::seconds>(expires_at - now).count();
    return static_cast<std::uint32_t>(std::clamp<std::int64_t>(left, 1, 0xFFFF'FFFF));
}

void append_remaining(base::Bytes& block, base::Instant expires_at, base::Instant now) {
    append_property(
        block, {PropertyId::message_expiry_interval, remaining_seconds(expires_at, now), {}, {}});
}

base::Bytes without_properties(base::ByteView block, std::initializer_list<PropertyId> ids) {
    base::Bytes kept;
    kept.reserve(block.size());
    PropertyReader reader(block);
    while (const auto property = reader.next())
        if (std::ranges::find(ids, property->id) == ids.end()) append_property(kept, *property);
    return kept;
}

}  // namespace sallyport::mqtt
