// A broker core with an application that sees everything, and others that come late.
#pragma once

#include <memory>
#include <vector>

#include "common/mqtt/broker.hpp"
#include "tests/unit/it/shown.hpp"

namespace sallyport::emit {

class ObservedBroker {
public:
    explicit ObservedBroker(base::Now now) : application_(join("#", now)) { see(); }

    mqtt::Broker& broker() { return broker_; }

    /// What was published since the last call.
    std::vector<Shown> see() {
        take(application_);
        return take_shown(application_);
    }
    std::vector<Shown> see(const std::string& below) {
        auto all = see();
        std::erase_if(all, [&](const Shown& each) { return !each.topic.starts_with(below); });
        return all;
    }
    /// What a subscriber that comes now is given: the retained message of a topic.
    std::optional<Shown> retained(const std::string& topic, base::Now now) {
        auto all = take_shown(join(topic, now));
        if (all.empty()) return std::nullopt;
        return all.front();
    }

private:
    mqtt::MqttClient& join(std::string_view filter, base::Now now) {
        auto& client = *clients_.emplace_back(std::make_unique<mqtt::MqttClient>());
        client.id = base::ConnectionId{next_id_ += 2};
        mqtt::Connect connect;
        const auto name = "application-" + std::to_string(next_id_);
        connect.client_id = name;
        broker_.opened(client.id, {}, now);
        receive(client, connect, now);
        EXPECT_TRUE(client.take<mqtt::Connack>());
        receive(client, subscribe_to(filter), now);
        EXPECT_TRUE(client.take<mqtt::Suback>());
        return client;
    }
    template <class P>
    void receive(mqtt::MqttClient& client, const P& packet, base::Now now) {
        broker_.receive(client.id, client.bytes_of(packet), now);
        while (broker_.next_event()) {
        }
        take(client);
    }
    void take(mqtt::MqttClient& client) {
        while (broker_.next_command()) {
        }
        base::Bytes bytes;
        while (broker_.take_output(client.id, bytes)) base::append(client.inbox, bytes);
    }

    mqtt::Broker broker_{mqtt::BrokerLimits{}, 1};
    std::vector<std::unique_ptr<mqtt::MqttClient>> clients_;
    std::uint64_t next_id_ = 0;
    mqtt::MqttClient& application_;
};

}  // namespace sallyport::emit
