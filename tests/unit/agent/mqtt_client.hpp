// The wire of a scripted MQTT client: packets to bytes, bytes to packets. Whose broker it talks to
// is for the fixture.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include <gtest/gtest.h>

#include "common/base/network_core.hpp"
#include "common/mqtt/decode.hpp"
#include "common/mqtt/encode.hpp"

namespace sallyport::mqtt {

struct MqttClient {
    base::ConnectionId id{};
    Version version = Version::v5;
    bool linked = true;               // false: the broker closed, or the test hung up
    bool reads = true;                // false: what the broker has for it stays there
    bool is_read = true;              // what SetReading said last
    base::Bytes inbox{};              // came, not yet taken
    std::deque<base::Bytes> taken{};  // what the views of taken packets point into

    template <class P>
    base::Bytes bytes_of(const P& packet) const {
        base::Bytes bytes;
        if constexpr (requires { encode(bytes, packet, version); })
            encode(bytes, packet, version);
        else
            encode(bytes, packet);
        return bytes;
    }

    /// The next packet, which must be a P; nothing where none has come.
    template <class P>
    std::optional<P> take() {
        const auto length = frame_length(inbox, inbox.size());
        if (!length || !*length) return std::nullopt;
        const auto end = inbox.begin() + static_cast<std::ptrdiff_t>(**length);
        auto& bytes = taken.emplace_back(inbox.begin(), end);
        inbox.erase(inbox.begin(), end);
        const auto packet = decode(bytes, version);
        if (packet && std::holds_alternative<P>(*packet)) return std::get<P>(*packet);
        ADD_FAILURE() << "another packet has come: type " << (bytes[0] >> 4U);
        return std::nullopt;
    }
    /// Whether this acknowledgement comes next.
    testing::AssertionResult acked(PacketType type, std::uint16_t packet_id,
                                   ReasonCode reason = ReasonCode::success) {
        const auto ack = take<Acknowledgement>();
        if (!ack) return testing::AssertionFailure() << "no acknowledgement";
        if (ack->type == type && ack->packet_id == packet_id && ack->reason == reason)
            return testing::AssertionSuccess();
        return testing::AssertionFailure() << "type " << static_cast<int>(ack->type) << " of "
                                           << ack->packet_id << ": " << to_string(ack->reason);
    }
};

inline Publish message(std::string_view topic, std::string_view payload,
                       Qos qos = Qos::at_most_once, std::uint16_t packet_id = 0) {
    Publish publish;
    publish.topic = topic;
    publish.payload = base::as_bytes(payload);
    publish.qos = qos;
    publish.packet_id = packet_id;
    return publish;
}

}  // namespace sallyport::mqtt
