// What an application is shown: PUBLISHes with the properties that Sallyport adds.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/unit/agent/mqtt_client.hpp"

namespace sallyport::emit {

struct Shown {
    std::string topic, payload;
    bool retain = false;
    std::map<std::string, std::string> user;  // user properties by name
    std::optional<std::uint32_t> expiry{};    // Message Expiry Interval, s

    std::string quality() const {
        const auto found = user.find("quality");
        return found == user.end() ? "none" : found->second;
    }
    /// The member of a flat JSON payload, as it is written there.
    std::string member(const std::string& name) const {
        const auto key = "\"" + name + "\":";
        const auto at = payload.find(key);
        if (at == std::string::npos) return "none";
        const auto from = at + key.size();
        return payload.substr(from, payload.find_first_of(",}", from) - from);
    }
};

inline Shown shown(const mqtt::Publish& publish) {
    Shown seen{std::string(publish.topic),
               std::string(base::as_text(publish.payload)),
               publish.retain,
               {}};
    if (const auto expiry =
            mqtt::find_property(publish.properties, mqtt::PropertyId::message_expiry_interval))
        seen.expiry = expiry->number;
    mqtt::PropertyReader reader(publish.properties);
    while (const auto property = reader.next())
        if (property->id == mqtt::PropertyId::user_property)
            seen.user.emplace(property->text, property->value);
    return seen;
}

inline std::vector<Shown> take_shown(mqtt::MqttClient& client) {
    std::vector<Shown> all;
    while (const auto publish = client.take<mqtt::Publish>()) all.push_back(shown(*publish));
    return all;
}

inline mqtt::Subscribe subscribe_to(std::string_view filter) {
    return {7, {}, {{filter, mqtt::Qos::at_most_once, false, true, 0}}};
}

}  // namespace sallyport::emit
