#include "tests/simulation/subscriber.hpp"

#include <utility>

#include "common/base/assert.hpp"
#include "common/mqtt/decode.hpp"
#include "common/mqtt/encode.hpp"

namespace sallyport::simulation {
namespace {

constexpr std::size_t kPacketBytesMax = 2U << 20U;
constexpr base::Duration kPingInterval = std::chrono::seconds(5);

}  // namespace

void Subscriber::opened(base::ConnectionId id, const base::Peer& /*peer*/, base::Now now) {
    connection_ = id;
    if (std::exchange(forgets_, false)) shown_.clear();
    online_ = true;
    ping_unanswered_ = false;
    inbox_.clear();
    outbox_.clear();
    next_ping_ = now.instant + kPingInterval;
    mqtt::Connect connect;
    connect.client_id = "application";
    connect.keep_alive_s = 10;
    encode(outbox_, connect);
    mqtt::Subscribe subscribe;
    subscribe.packet_id = 1;
    subscribe.filters.push_back({"#", mqtt::Qos::at_least_once});
    encode(outbox_, subscribe, mqtt::Version::v5);
    commands_.emplace_back(base::OutputReady{id});
}

void Subscriber::received(base::ConnectionId id, base::ByteView bytes, base::Now now) {
    if (connection_ != id) return;
    ping_unanswered_ = false;
    base::append(inbox_, bytes);
    std::size_t at = 0;
    while (true) {
        const auto rest = base::ByteView(inbox_).subspan(at);
        const auto length = mqtt::frame_length(rest, kPacketBytesMax);
        SALLYPORT_ASSERT(length.has_value());
        if (!*length || **length > rest.size()) break;
        const auto decoded = mqtt::decode(rest.first(**length), mqtt::Version::v5);
        SALLYPORT_ASSERT(decoded.has_value());
        handle(*decoded, now);
        at += **length;
    }
    inbox_.erase(inbox_.begin(), inbox_.begin() + static_cast<std::ptrdiff_t>(at));
}

void Subscriber::handle(const mqtt::Packet& packet, base::Now now) {
    const auto* publish = std::get_if<mqtt::Publish>(&packet);
    if (publish == nullptr) return;
    note(*publish, now);
    if (publish->qos == mqtt::Qos::at_most_once) return;
    mqtt::Acknowledgement ack;
    ack.packet_id = publish->packet_id;
    encode(outbox_, ack, mqtt::Version::v5);
    commands_.emplace_back(base::OutputReady{*connection_});
}

void Subscriber::note(const mqtt::Publish& publish, base::Now now) {
    const std::string value(base::as_text(publish.payload));
    if (publish.topic.starts_with("sallyport/")) {
        states_[std::string(publish.topic)] = value;
        return;
    }
    if (publish.retain) {  // a retained copy at subscribing, not a record
        retained_[std::string(publish.topic)] = value;
        return;
    }
    Shown shown;
    shown.topic = publish.topic;
    shown.value = value;
    shown.at = now.instant;
    shown.qos = publish.qos;
    mqtt::PropertyReader reader(publish.properties);
    while (const auto property = reader.next()) {
        if (property->text == "edge") shown.edge = property->value;
        if (property->text == "epoch")
            shown.epoch = std::stoull(std::string(property->value), nullptr, 16);
        if (property->text == "seq") shown.seq = std::stoull(std::string(property->value));
        if (property->text == "quality") shown.quality = property->value;
        if (property->text == "historical") shown.historical = true;
    }
    shown_.push_back(std::move(shown));
}

std::string Subscriber::state_of(const std::string& topic) const {
    const auto found = states_.find(topic);
    return found == states_.end() ? "" : found->second;
}

void Subscriber::closed(base::ConnectionId id, base::CloseCause /*cause*/, base::Now now) {
    if (connection_ != id) return;
    connection_.reset();
    online_ = false;
    next_ping_.reset();
    next_ = now.instant + std::chrono::milliseconds(100);
}

void Subscriber::expire(base::Now now) {
    if (next_ping_ && now.instant >= *next_ping_) {
        next_ping_ = now.instant + kPingInterval;
        if (std::exchange(ping_unanswered_, true)) {
            commands_.emplace_back(base::Close{*connection_, false});
            return;
        }
        encode(outbox_, mqtt::Pingreq{});
        commands_.emplace_back(base::OutputReady{*connection_});
    }
    if (connection_ || now.instant < next_) return;
    connection_ = ids_.next();
    commands_.emplace_back(base::Connect{*connection_, 0});
}

std::optional<base::Instant> Subscriber::next_deadline() const {
    if (online_) return next_ping_;
    return connection_ ? std::nullopt : std::optional(next_);
}

std::optional<base::Command> Subscriber::next_command() {
    if (commands_.empty()) return std::nullopt;
    auto command = commands_.front();
    commands_.pop_front();
    return command;
}

bool Subscriber::take_output(base::ConnectionId id, base::Bytes& out) {
    if (connection_ != id || outbox_.empty()) return false;
    out = std::exchange(outbox_, {});
    return true;
}

}  // namespace sallyport::simulation
