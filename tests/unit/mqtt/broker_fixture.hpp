// Scripted clients against a broker core, without a network: they send encoded packets and decode
// what comes back. Time is a number that the test moves.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "common/mqtt/broker.hpp"
#include "common/mqtt/decode.hpp"
#include "common/mqtt/encode.hpp"

namespace sallyport::mqtt {

struct ScriptedClient {
    base::ConnectionId id{};
    Version version = Version::v5;
    bool reads = true;             // false: output stays with the broker
    std::optional<bool> close;     // the broker closed; the value is `flush`
    bool reading = true;           // what SetReading said last
    base::Bytes inbox;             // taken from the broker, not yet expected
    base::Bytes transcript;        // everything ever taken
    std::deque<base::Bytes> seen;  // expected packets: what their views point into
};

/// An event with its own memory.
struct SeenEvent {
    enum class Kind { published, released, connected, gone } kind{};
    std::string client_id, topic, payload;
    base::Bytes properties;
    Qos qos{};
    bool retain = false, is_will = false;
    bool already_distributed = false, already_yours = false;
    bool session_present = false, by_disconnect = false, taken_over = false;
    AckToken token;
};

class BrokerTest : public testing::Test {
protected:
    void restart(const BrokerLimits& limits, const BrokerOptions& options = {}) {
        clients_.clear();
        events_.clear();
        to_acknowledge_.clear();
        to_release_.clear();
        broker_ = std::make_unique<Broker>(limits, 42, options);
    }

    Broker& broker() { return *broker_; }

    ScriptedClient& open(Version version = Version::v5) {
        auto& client = *clients_.emplace_back(std::make_unique<ScriptedClient>());
        client.id = base::ConnectionId{next_id_ += 2};
        client.version = version;
        broker().opened(client.id, base::Peer{}, now_);
        drain();
        return client;
    }

    static Connect hello(Version version, std::string_view client_id, bool clean_start = true) {
        Connect connect;
        connect.version = version;
        connect.client_id = client_id;
        connect.clean_start = clean_start;
        return connect;
    }

    /// Opens, connects and takes the CONNACK, which must be a good one.
    ScriptedClient& join(const Connect& connect) {
        auto& client = open(connect.version);
        send(client, connect);
        last_connack_ = expect<Connack>(client);
        EXPECT_EQ(last_connack_.reason, ReasonCode::success);
        return client;
    }
    ScriptedClient& join(std::string_view client_id, Version version = Version::v5) {
        return join(hello(version, client_id));
    }
    /// A v5 client whose session outlives its connection.
    ScriptedClient& join_lasting(std::string_view client_id, bool clean_start = false,
                                 std::uint32_t expiry_s = 3600) {
        Connect connect = hello(Version::v5, client_id, clean_start);
        const auto block = number(PropertyId::session_expiry_interval, expiry_s);
        connect.properties = block;
        return join(connect);
    }

    static base::Bytes number(PropertyId id, std::uint32_t value) {
        base::Bytes block;
        append_property(block, {id, value, {}, {}});
        return block;
    }

    template <class P>
    void send(ScriptedClient& client, const P& packet) {
        base::Bytes bytes;
        if constexpr (requires { encode(bytes, packet, client.version); })
            encode(bytes, packet, client.version);
        else
            encode(bytes, packet);
        send_bytes(client, bytes);
    }

    /// In pieces of `chunk_bytes_` (0: whole).
    void send_bytes(ScriptedClient& client, base::ByteView bytes) {
        while (!bytes.empty()) {
            const auto size =
                chunk_bytes_ == 0 ? bytes.size() : std::min(chunk_bytes_, bytes.size());
            // A copy of exactly this size, gone after the call, so that a sanitizer sees stale
            // views.
            const base::Bytes chunk(bytes.begin(),
                                    bytes.begin() + static_cast<std::ptrdiff_t>(size));
            broker().receive(client.id, chunk, now_);
            drain();
            bytes = bytes.subspan(size);
        }
    }

    static Publish message(std::string_view topic, std::string_view payload,
                           Qos qos = Qos::at_most_once, std::uint16_t packet_id = 0) {
        Publish publish;
        publish.topic = topic;
        publish.payload = base::as_bytes(payload);
        publish.qos = qos;
        publish.packet_id = packet_id;
        return publish;
    }
    static Publish retained(std::string_view topic, std::string_view payload,
                            Qos qos = Qos::at_most_once, std::uint16_t packet_id = 0) {
        Publish publish = message(topic, payload, qos, packet_id);
        publish.retain = true;
        return publish;
    }
    void acknowledge(ScriptedClient& client, PacketType type, std::uint16_t packet_id,
                     ReasonCode reason = ReasonCode::success) {
        send(client, Acknowledgement{type, packet_id, reason, {}});
    }

    /// Subscribes and returns what the SUBACK says. Retained messages may follow.
    ReasonCode subscribe(ScriptedClient& client, const SubscribeFilter& filter,
                         std::uint32_t identifier = 0) {
        const auto block = identifier == 0
                               ? base::Bytes{}
                               : number(PropertyId::subscription_identifier, identifier);
        send(client, Subscribe{7, block, {filter}});
        return expect<Suback>(client).reasons.at(0);
    }
    ReasonCode subscribe(ScriptedClient& client, std::string_view filter,
                         Qos qos = Qos::at_most_once) {
        return subscribe(client, SubscribeFilter{filter, qos, false, false, 0});
    }

    /// The next packet the client has got, which must be a P.
    template <class P>
    P expect(ScriptedClient& client) {
        const auto length = frame_length(client.inbox, client.inbox.size());
        if (!length || !*length) {
            ADD_FAILURE() << "no packet has come";
            return P{};
        }
        const auto end = client.inbox.begin() + static_cast<std::ptrdiff_t>(**length);
        auto& bytes = client.seen.emplace_back(client.inbox.begin(), end);
        client.inbox.erase(client.inbox.begin(), end);
        const auto packet = decode(bytes, client.version);
        if (!packet || !std::holds_alternative<P>(*packet)) {
            ADD_FAILURE() << "another packet has come: type " << (bytes[0] >> 4U);
            return P{};
        }
        return std::get<P>(*packet);
    }
    Acknowledgement expect_ack(ScriptedClient& client, PacketType type) {
        const auto ack = expect<Acknowledgement>(client);
        EXPECT_EQ(ack.type, type);
        return ack;
    }
    void expect_message(ScriptedClient& client, std::string_view topic, std::string_view payload,
                        Qos qos = Qos::at_most_once) {
        const auto publish = expect<Publish>(client);
        EXPECT_EQ(publish.topic, topic);
        EXPECT_EQ(base::as_text(publish.payload), payload);
        EXPECT_EQ(publish.qos, qos);
    }
    static void expect_nothing(const ScriptedClient& client) {
        EXPECT_TRUE(client.inbox.empty()) << "type " << (client.inbox.at(0) >> 4U);
    }
    /// v5: DISCONNECT with this reason, then the end.
    void expect_disconnected(ScriptedClient& client, ReasonCode reason) {
        EXPECT_EQ(expect<Disconnect>(client).reason, reason);
        EXPECT_EQ(client.close, std::optional<bool>{true});
    }

    void hang_up(ScriptedClient& client) {
        broker().closed(client.id, base::CloseCause::reset, now_);
        drain();
    }
    void pass(base::Duration time) {
        now_.instant = now_.instant + time;
        now_.wall = now_.wall + time;
        broker().expire(now_);
        drain();
    }

    /// Takes everything the broker has to say; answers Close with closed(local) as a driver does.
    void drain() {
        for (bool idle = false; !idle;) {
            while (const auto event = broker().next_event()) note(*event);
            if (acknowledges_) acknowledge_all();
            std::vector<base::ConnectionId> ended;
            while (const auto command = broker().next_command()) obey(*command, ended);
            for (const auto& client : clients_)
                if (client->reads) take(*client);
            for (const auto id : ended) broker().closed(id, base::CloseCause::local, now_);
            idle = ended.empty();
        }
        while (const auto event = broker().next_event()) note(*event);
    }
    void read(ScriptedClient& client) {
        client.reads = true;
        drain();
    }

    /// The owner acknowledges what it has not yet.
    void acknowledge_all() {
        for (const auto& token : std::exchange(to_acknowledge_, {}))
            broker().acknowledge(token, ReasonCode::success, now_);
        for (const auto& token : std::exchange(to_release_, {}))
            broker().acknowledge_release(token, now_);
    }

    /// The events since the last call.
    std::vector<SeenEvent> events() { return std::exchange(events_, {}); }
    std::vector<SeenEvent> published() {
        std::vector<SeenEvent> all = events();
        std::erase_if(
            all, [](const SeenEvent& event) { return event.kind != SeenEvent::Kind::published; });
        return all;
    }

    bool acknowledges_ = true;     // the owner acknowledges every publish at once
    std::size_t chunk_bytes_ = 0;  // 0: every send is one chunk
    base::Now now_{base::Instant{std::chrono::hours(1)}, base::WallTime{1'000'000'000}};
    Connack last_connack_;

private:
    void note(const BrokerEvent& event) {
        SeenEvent seen;
        if (const auto* published = std::get_if<Published>(&event)) {
            seen.kind = SeenEvent::Kind::published;
            seen.client_id = published->client_id;
            seen.topic = published->topic;
            seen.payload = base::as_text(published->payload);
            seen.properties.assign(published->properties.begin(), published->properties.end());
            seen.qos = published->qos;
            seen.retain = published->retain;
            seen.is_will = published->is_will;
            seen.token = published->token;
            seen.already_distributed = published->already_distributed;
            seen.already_yours = published->already_yours;
            to_acknowledge_.push_back(published->token);
        } else if (const auto* released = std::get_if<Released>(&event)) {
            seen.kind = SeenEvent::Kind::released;
            seen.client_id = released->client_id;
            seen.token = released->token;
            to_release_.push_back(released->token);
        } else if (const auto* connected = std::get_if<ClientConnected>(&event)) {
            seen.kind = SeenEvent::Kind::connected;
            seen.client_id = connected->client_id;
            seen.session_present = connected->session_present;
        } else if (const auto* gone = std::get_if<ClientGone>(&event)) {
            seen.kind = SeenEvent::Kind::gone;
            seen.client_id = gone->client_id;
            seen.by_disconnect = gone->by_disconnect;
            seen.taken_over = gone->taken_over;
        }
        events_.push_back(std::move(seen));
    }
    void obey(const base::Command& command, std::vector<base::ConnectionId>& ended) {
        if (const auto* close = std::get_if<base::Close>(&command)) {
            for (const auto& client : clients_)
                if (client->id == close->id) client->close = close->flush;
            ended.push_back(close->id);
        } else if (const auto* reading = std::get_if<base::SetReading>(&command)) {
            for (const auto& client : clients_)
                if (client->id == reading->id) client->reading = reading->on;
        }
    }
    void take(ScriptedClient& client) {
        base::Bytes out;
        while (broker().take_output(client.id, out)) {
            base::append(client.inbox, out);
            base::append(client.transcript, out);
        }
    }

    std::unique_ptr<Broker> broker_ = std::make_unique<Broker>(BrokerLimits{}, 42);
    std::vector<std::unique_ptr<ScriptedClient>> clients_;
    std::vector<SeenEvent> events_;
    std::vector<AckToken> to_acknowledge_;
    std::vector<AckToken> to_release_;
    std::uint64_t next_id_ = 0;
};

}  // namespace sallyport::mqtt
