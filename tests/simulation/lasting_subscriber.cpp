#include "tests/simulation/lasting_subscriber.hpp"

#include "common/base/assert.hpp"
#include "common/mqtt/decode.hpp"
#include "common/mqtt/encode.hpp"

namespace sallyport::simulation {
namespace {

constexpr std::size_t kPacketBytesMax = 2U << 20U;
constexpr std::uint16_t kKeepAliveS = 10;
constexpr base::Duration kPingInterval = std::chrono::seconds(3);
constexpr base::Duration kConnackWithin = std::chrono::seconds(5);
constexpr base::Duration kStaysMost = std::chrono::seconds(6);
constexpr base::Duration kAwayMost = std::chrono::seconds(4);
constexpr std::uint32_t kNever = 0xFFFFFFFF;
constexpr std::uint8_t kNoRetained = 2;  // Retain Handling

}  // namespace

void LastingSubscriber::opened(base::ConnectionId id, const base::Peer& /*peer*/,
                               base::Now /*now*/) {
    connection_ = id;
    if (std::exchange(begins_anew_, false)) {
        client_id_ += '+';
        subscribed_ = false;
        unreleased_.clear();
        taken_.clear();
    }
    inbox_.clear();
    outbox_.clear();
    connect();
}

void LastingSubscriber::connect() {
    mqtt::Connect connect;
    connect.version = mqtt::Version::v5;
    connect.clean_start = false;
    connect.keep_alive_s = kKeepAliveS;
    connect.client_id = client_id_;
    base::Bytes properties;
    mqtt::append_property(properties, {mqtt::PropertyId::session_expiry_interval, kNever, {}, {}});
    connect.properties = properties;
    encode(outbox_, connect);
    commands_.emplace_back(base::OutputReady{*connection_});
}

void LastingSubscriber::received(base::ConnectionId id, base::ByteView bytes, base::Now now) {
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

void LastingSubscriber::handle(const mqtt::Packet& packet, base::Now now) {
    if (const auto* connack = std::get_if<mqtt::Connack>(&packet)) {
        handle(*connack, now);
    } else if (std::holds_alternative<mqtt::Suback>(packet)) {
        newly_subscribed_ = !std::exchange(subscribed_, true);
    } else if (const auto* publish = std::get_if<mqtt::Publish>(&packet)) {
        handle(*publish);
    } else if (const auto* ack = std::get_if<mqtt::Acknowledgement>(&packet)) {
        SALLYPORT_ASSERT(ack->type == mqtt::PacketType::pubrel);
        release(ack->packet_id);
    }
}

void LastingSubscriber::handle(const mqtt::Connack& connack, base::Now now) {
    SALLYPORT_ASSERT(connack.reason == mqtt::ReasonCode::success);
    online_ = true;
    next_ping_ = now.instant + kPingInterval;
    next_ = now.instant + random_.duration(std::chrono::milliseconds(100), kStaysMost);
    if (connack.session_present)
        ++resumed_;
    else
        unreleased_.clear();
    if (subscribed_) {
        lost_session_ = lost_session_ || !connack.session_present;
        return;
    }
    mqtt::Subscribe subscribe;
    subscribe.packet_id = 1;
    subscribe.filters.push_back({filter_, qos_, false, false, kNoRetained});
    encode(outbox_, subscribe, mqtt::Version::v5);
    commands_.emplace_back(base::OutputReady{*connection_});
}

void LastingSubscriber::handle(const mqtt::Publish& publish) {
    if (publish.qos == mqtt::Qos::at_most_once) return;  // promised to nobody
    if (publish.qos == mqtt::Qos::at_least_once) {
        note(publish);
        answer(mqtt::PacketType::puback, publish.packet_id);
        return;
    }
    if (unreleased_.insert(publish.packet_id).second)
        note(publish);
    else
        ++known_again_;
    answer(mqtt::PacketType::pubrec, publish.packet_id);
}

void LastingSubscriber::release(std::uint16_t packet_id) {
    if (unreleased_.erase(packet_id) == 0) ++released_again_;
    answer(mqtt::PacketType::pubcomp, packet_id);
}

void LastingSubscriber::answer(mqtt::PacketType type, std::uint16_t packet_id) {
    mqtt::Acknowledgement ack;
    ack.type = type;
    ack.packet_id = packet_id;
    encode(outbox_, ack, mqtt::Version::v5);
    commands_.emplace_back(base::OutputReady{*connection_});
}

void LastingSubscriber::note(const mqtt::Publish& publish) {
    Taken taken;
    taken.value = base::as_text(publish.payload);
    taken.qos = publish.qos;
    taken.is_retained = publish.retain;
    mqtt::PropertyReader reader(publish.properties);
    while (const auto property = reader.next()) {
        if (property->text == "edge") taken.edge = property->value;
        if (property->text == "epoch")
            taken.epoch = std::stoull(std::string(property->value), nullptr, 16);
        if (property->text == "seq") taken.seq = std::stoull(std::string(property->value));
    }
    taken_.push_back(std::move(taken));
}

void LastingSubscriber::closed(base::ConnectionId id, base::CloseCause /*cause*/, base::Now now) {
    if (connection_ && connection_ != id) return;
    connection_.reset();
    online_ = false;
    next_ping_.reset();
    next_ = now.instant + random_.duration(std::chrono::milliseconds(20),
                                           leaves_ ? kAwayMost : std::chrono::milliseconds(200));
}

void LastingSubscriber::expire(base::Now now) {
    if (!online_) {
        if (now.instant < next_) return;
        next_ = now.instant + kConnackWithin;
        if (connection_) {  // no CONNACK in time
            commands_.emplace_back(base::Close{*connection_, false});
            return;
        }
        connection_ = ids_.next();
        commands_.emplace_back(base::Connect{*connection_, 0});
        return;
    }
    if (next_ping_ && now.instant >= *next_ping_) {
        next_ping_ = now.instant + kPingInterval;
        if (std::exchange(ping_unanswered_, true)) {
            commands_.emplace_back(base::Close{*connection_, false});
            return;
        }
        encode(outbox_, mqtt::Pingreq{});
        commands_.emplace_back(base::OutputReady{*connection_});
    }
    if (!leaves_ || now.instant < next_) return;
    next_ = now.instant + kAwayMost;
    const bool in_order = random_.one_in(2);
    if (in_order) {
        encode(outbox_, mqtt::Disconnect{}, mqtt::Version::v5);
        commands_.emplace_back(base::OutputReady{*connection_});
    }
    commands_.emplace_back(base::Close{*connection_, in_order});
}

std::optional<base::Instant> LastingSubscriber::next_deadline() const {
    return online_ && !leaves_ ? next_ping_ : base::earlier(next_ping_, next_);
}

std::optional<base::Command> LastingSubscriber::next_command() {
    if (commands_.empty()) return std::nullopt;
    auto command = commands_.front();
    commands_.pop_front();
    return command;
}

bool LastingSubscriber::take_output(base::ConnectionId id, base::Bytes& out) {
    if (connection_ != id || outbox_.empty()) return false;
    out = std::exchange(outbox_, {});
    return true;
}

}  // namespace sallyport::simulation
