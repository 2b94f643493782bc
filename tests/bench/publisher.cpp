#include "tests/bench/publisher.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

#include "common/mqtt/decode.hpp"
#include "common/mqtt/encode.hpp"
#include "tests/bench/stamp.hpp"

namespace sallyport::bench {
namespace {

constexpr std::size_t kUnsentBytesMax = 64U << 10U;  // encoded ahead of the kernel
constexpr std::string_view kTopicPrefix = "bench/";
constexpr std::uint32_t kReceiveMaximumDefault = 65'535;  // MQTT 5.0, 3.2.2.3.3

bool is_failure(mqtt::ReasonCode reason) {
    return static_cast<std::uint8_t>(reason) >= 0x80;
}

}  // namespace

Publisher::Publisher(boost::asio::io_context& io, PublisherWatcher& watcher, const Options& options,
                     std::size_t index, std::uint64_t run, ArrivalCheck& arrivals)
    : watcher_(watcher),
      options_(options),
      arrivals_(arrivals),
      connection_(io, *this),
      timer_(io),
      index_(index),
      run_(run),
      topic_(kTopicPrefix),
      payload_(options.payload_bytes) {}

void Publisher::open(const boost::asio::ip::tcp::endpoint& broker) {
    connection_.open(broker,
                     "bench-" + std::to_string(run_) + "-publisher-" + std::to_string(index_));
}

void Publisher::on_connected(const mqtt::Connack& connack) {
    const auto maximum_qos = mqtt::find_property(connack.properties, mqtt::PropertyId::maximum_qos);
    if (maximum_qos && maximum_qos->number < static_cast<std::uint32_t>(options_.qos))
        return watcher_.on_publisher_failed("the broker does not take this QoS");
    const auto receive_maximum =
        mqtt::find_property(connack.properties, mqtt::PropertyId::receive_maximum);
    const std::uint32_t allowed =
        receive_maximum ? receive_maximum->number : kReceiveMaximumDefault;
    const std::size_t window = std::min<std::size_t>(options_.window, allowed);
    flight_.assign(window, Flight::none);
    for (std::size_t id = window; id > 0; --id) free_ids_.push_back(static_cast<std::uint16_t>(id));
    watcher_.on_publisher_ready();
}

void Publisher::start(const Schedule& schedule) {
    schedule_ = schedule;
    started_ = true;
    pump();
}

void Publisher::finish() {
    done_ = true;
    timer_.cancel();
    connection_.finish();
}

bool Publisher::has_more(std::int64_t now_ns) const {
    const std::uint64_t index = schedule_.index(index_, next_number_);
    if (index >= schedule_.count) return false;
    return (schedule_.rate > 0 ? schedule_.due_ns(index) : now_ns) < schedule_.stop_ns;
}

bool Publisher::has_room() {
    if (connection_.output().size() >= kUnsentBytesMax) return false;
    return options_.qos == mqtt::Qos::at_most_once || !free_ids_.empty();
}

void Publisher::pump() {
    if (!started_ || done_) return;
    const std::int64_t now_ns = monotonic_ns();
    bool more = has_more(now_ns);
    for (; more && has_room(); more = has_more(now_ns)) {
        const std::int64_t due_ns =
            schedule_.rate > 0 ? schedule_.due_ns(schedule_.index(index_, next_number_)) : now_ns;
        if (due_ns > now_ns) {
            wake_at(due_ns);
            break;
        }
        publish(due_ns);
    }
    connection_.flush();
    if (more || in_flight() > 0 || !connection_.output().empty()) return;
    done_ = true;
    watcher_.on_publisher_done();
}

void Publisher::wake_at(std::int64_t due_ns) {
    if (waits_for_time_) return;
    waits_for_time_ = true;
    timer_.expires_at(std::chrono::steady_clock::time_point(std::chrono::nanoseconds(due_ns)));
    timer_.async_wait([this](const boost::system::error_code& cancelled) {
        waits_for_time_ = false;
        if (!cancelled) pump();
    });
}

void Publisher::publish(std::int64_t due_ns) {
    const std::uint64_t number = next_number_++;
    arrivals_.send(index_);
    write_stamp(payload_, {run_, index_, number, due_ns});

    std::array<char, 20> digits{};
    const std::uint64_t topic = schedule_.index(index_, number) % options_.topics;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), topic).ptr;
    topic_.resize(kTopicPrefix.size());
    topic_.append(digits.data(), end);

    mqtt::Publish packet;
    packet.topic = topic_;
    packet.payload = payload_;
    packet.qos = options_.qos;
    if (options_.qos != mqtt::Qos::at_most_once) {
        packet.packet_id = free_ids_.back();
        free_ids_.pop_back();
        flight_[packet.packet_id - 1U] =
            options_.qos == mqtt::Qos::at_least_once ? Flight::puback : Flight::pubrec;
    }
    mqtt::encode(connection_.output(), packet, mqtt::Version::v5);
}

void Publisher::on_packet(const mqtt::Packet& packet, std::int64_t /*read_ns*/) {
    if (const auto* ack = std::get_if<mqtt::Acknowledgement>(&packet)) take(*ack);
}

void Publisher::take(const mqtt::Acknowledgement& ack) {
    const std::size_t slot = ack.packet_id - 1U;
    const Flight awaited = slot < flight_.size() ? flight_[slot] : Flight::none;
    if (ack.type == mqtt::PacketType::puback && awaited == Flight::puback)
        return complete(ack.packet_id, ack.reason);
    if (ack.type == mqtt::PacketType::pubcomp && awaited == Flight::pubcomp)
        return complete(ack.packet_id, ack.reason);
    if (ack.type != mqtt::PacketType::pubrec || awaited != Flight::pubrec)
        return watcher_.on_publisher_failed(
            "an acknowledgement that nothing waits for, identifier " +
            std::to_string(ack.packet_id));
    if (is_failure(ack.reason)) return complete(ack.packet_id, ack.reason);
    flight_[slot] = Flight::pubcomp;
    mqtt::Acknowledgement release;
    release.type = mqtt::PacketType::pubrel;
    release.packet_id = ack.packet_id;
    mqtt::encode(connection_.output(), release, mqtt::Version::v5);
}

void Publisher::complete(std::uint16_t packet_id, mqtt::ReasonCode reason) {
    flight_[packet_id - 1U] = Flight::none;
    free_ids_.push_back(packet_id);
    ++(is_failure(reason) ? refused_ : acknowledged_);
}

}  // namespace sallyport::bench
