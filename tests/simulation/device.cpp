#include "tests/simulation/device.hpp"

#include <algorithm>
#include <utility>

#include "common/base/assert.hpp"
#include "common/mqtt/decode.hpp"
#include "common/mqtt/encode.hpp"

namespace sallyport::simulation {
namespace {

constexpr std::size_t kPacketBytesMax = 1U << 20U;
constexpr std::uint16_t kKeepAliveS = 10;
/// The edge's clock may jump by a day: a session that ended so would lose its QoS 2 receipts.
constexpr std::uint32_t kNever = 0xFFFFFFFF;
constexpr base::Duration kConnackWithin = std::chrono::seconds(10);

}  // namespace

Device::Device(DeviceOptions options, Random random)
    : options_(std::move(options)), random_(random) {}

void Device::opened(base::ConnectionId id, const base::Peer& /*peer*/, base::Now /*now*/) {
    connection_ = id;
    inbox_.clear();
    outbox_.clear();
    mqtt::Connect connect;
    connect.version = options_.version;
    connect.clean_start = false;
    connect.keep_alive_s = kKeepAliveS;
    connect.client_id = options_.client_id;
    base::Bytes properties;
    if (options_.version == mqtt::Version::v5) {
        mqtt::append_property(properties,
                              {mqtt::PropertyId::session_expiry_interval, kNever, {}, {}});
        connect.properties = properties;
    }
    encode(outbox_, connect);
    commands_.emplace_back(base::OutputReady{id});
}

void Device::received(base::ConnectionId id, base::ByteView bytes, base::Now now) {
    if (connection_ != id) return;
    ping_unanswered_ = false;
    base::append(inbox_, bytes);
    while (connection_ == id) {
        const auto length = mqtt::frame_length(inbox_, kPacketBytesMax);
        SALLYPORT_ASSERT(length.has_value());  // the broker never sends what cannot be read
        if (!*length || **length > inbox_.size()) return;
        const base::Bytes packet(inbox_.begin(),
                                 inbox_.begin() + static_cast<std::ptrdiff_t>(**length));
        inbox_.erase(inbox_.begin(), inbox_.begin() + static_cast<std::ptrdiff_t>(**length));
        const auto decoded = mqtt::decode(packet, options_.version);
        SALLYPORT_ASSERT(decoded.has_value());
        handle(*decoded, now);
    }
}

std::vector<std::uint64_t> Device::waiting() const {
    std::vector<std::uint64_t> numbers;
    numbers.reserve(unacked_.size());
    for (const auto& publish : unacked_) numbers.push_back(publish.number);
    return numbers;
}

void Device::handle(const mqtt::Packet& packet, base::Now now) {
    if (const auto* connack = std::get_if<mqtt::Connack>(&packet)) {
        SALLYPORT_ASSERT(connack->reason == mqtt::ReasonCode::success);
        if (!connack->session_present)
            for (const auto number : waiting()) sent_anew_.insert(number);
        connected(now);
    } else if (const auto* ack = std::get_if<mqtt::Acknowledgement>(&packet)) {
        acknowledge(*ack);
    } else if (std::holds_alternative<mqtt::Disconnect>(packet)) {
        commands_.emplace_back(base::Close{*connection_, false});
    }
}

void Device::connected(base::Now now) {
    online_ = true;
    online_since_ = now.instant;
    ping_unanswered_ = false;
    next_ = now.instant;
    next_ping_ = now.instant + std::chrono::seconds(kKeepAliveS / 2);
    for (const auto& publish : unacked_) {
        ++sent_again_;
        send(publish, true);
    }
}

void Device::acknowledge(const mqtt::Acknowledgement& packet) {
    const auto found = std::ranges::find(unacked_, packet.packet_id, &Unacked::packet_id);
    if (found == unacked_.end()) return;
    switch (packet.type) {
        case mqtt::PacketType::puback:
        case mqtt::PacketType::pubcomp:
            note_acknowledged(found->number);
            unacked_.erase(found);
            break;
        case mqtt::PacketType::pubrec:
            note_acknowledged(found->number);
            found->released = true;
            send(*found, false);
            break;
        default: SALLYPORT_ASSERT(false);
    }
}

void Device::note_acknowledged(std::uint64_t number) {
    if (acknowledged_.insert(number).second) newly_acknowledged_.push_back(number);
}

void Device::send(const Unacked& publish, bool dup) {
    if (!connection_) return;
    if (publish.released) {
        mqtt::Acknowledgement release;
        release.type = mqtt::PacketType::pubrel;
        release.packet_id = publish.packet_id;
        encode(outbox_, release, options_.version);
    } else {
        const auto& made = made_[publish.number - 1];
        mqtt::Publish packet;
        packet.topic = made.topic;
        packet.payload = base::as_bytes(made.payload);
        packet.qos = options_.qos;
        packet.retain = made.retain;
        packet.dup = dup;
        packet.packet_id = publish.packet_id;
        encode(outbox_, packet, options_.version);
    }
    commands_.emplace_back(base::OutputReady{*connection_});
}

void Device::make(base::Now now) {
    next_ = now.instant + random_.duration(base::Duration{1000}, options_.interval_max);
    Made made;
    made.number = made_.size() + 1;
    made.at = now.instant;
    made.topic =
        "plant/" + options_.client_id + "/" + std::to_string(random_.between(1, options_.topics));
    made.payload = options_.client_id + ":" + std::to_string(made.number) + ":";
    made.payload.append(random_.between(0, options_.payload_bytes_max), '.');
    made.retain = random_.one_in(8);
    made_.push_back(made);
    next_packet_id_ = static_cast<std::uint16_t>(next_packet_id_ % 60'000 + 1);
    const Unacked publish{
        options_.qos == mqtt::Qos::at_most_once ? std::uint16_t{0} : next_packet_id_, made.number};
    send(publish, false);
    if (options_.qos != mqtt::Qos::at_most_once) unacked_.push_back(publish);
}

void Device::closed(base::ConnectionId id, base::CloseCause /*cause*/, base::Now now) {
    if (connection_ && connection_ != id) return;
    connection_.reset();
    online_ = false;
    online_since_.reset();
    next_ping_.reset();
    next_ = now.instant +
            random_.duration(std::chrono::milliseconds(20), std::chrono::milliseconds(500));
}

void Device::expire(base::Now now) {
    if (!online_) {
        if (now.instant < next_) return;
        if (connection_) {  // no CONNACK in time
            next_ = now.instant + kConnackWithin;
            commands_.emplace_back(base::Close{*connection_, false});
            return;
        }
        connection_ = ids_.next();
        next_ = now.instant + kConnackWithin;
        commands_.emplace_back(base::Connect{*connection_, 0});
        return;
    }
    if (next_ping_ && now.instant >= *next_ping_) {
        next_ping_ = now.instant + std::chrono::seconds(kKeepAliveS / 2);
        if (std::exchange(ping_unanswered_, true)) {  // a client may give up (3.1.2.10)
            commands_.emplace_back(base::Close{*connection_, false});
            return;
        }
        encode(outbox_, mqtt::Pingreq{});
        commands_.emplace_back(base::OutputReady{*connection_});
    }
    const bool may_publish = made_.size() < options_.publishes && unacked_.size() < options_.window;
    if (now.instant >= next_ && may_publish) make(now);
}

std::optional<base::Instant> Device::next_deadline() const {
    if (!online_) return next_;
    const bool may_publish = made_.size() < options_.publishes && unacked_.size() < options_.window;
    return base::earlier(next_ping_, may_publish ? std::optional(next_) : std::nullopt);
}

std::optional<base::Command> Device::next_command() {
    if (commands_.empty()) return std::nullopt;
    auto command = commands_.front();
    commands_.pop_front();
    return command;
}

bool Device::take_output(base::ConnectionId id, base::Bytes& out) {
    if (connection_ != id || outbox_.empty()) return false;
    out = std::exchange(outbox_, {});
    return true;
}

}  // namespace sallyport::simulation
