#include "tests/bench/subscriber.hpp"

#include <algorithm>

#include "common/mqtt/encode.hpp"
#include "tests/bench/stamp.hpp"

namespace sallyport::bench {
namespace {

constexpr std::uint16_t kSubscribeId = 1;
constexpr std::uint8_t kNoRetainedOnes = 2;  // MQTT 5.0, 3.8.3.1: Retain Handling

}  // namespace

Subscriber::Subscriber(boost::asio::io_context& io, SubscriberWatcher& watcher, mqtt::Qos qos,
                       std::uint64_t run, ArrivalCheck& arrivals)
    : watcher_(watcher), arrivals_(arrivals), connection_(io, *this), qos_(qos), run_(run) {}

void Subscriber::open(const boost::asio::ip::tcp::endpoint& broker) {
    connection_.open(broker, "bench-" + std::to_string(run_) + "-subscriber");
}

void Subscriber::on_connected(const mqtt::Connack& /*connack*/) {
    mqtt::Subscribe subscribe;
    subscribe.packet_id = kSubscribeId;
    mqtt::SubscribeFilter filter;
    filter.filter = "bench/#";
    filter.qos = qos_;
    filter.retain_handling = kNoRetainedOnes;
    subscribe.filters.push_back(filter);
    mqtt::encode(connection_.output(), subscribe, mqtt::Version::v5);
    connection_.flush();
}

void Subscriber::on_packet(const mqtt::Packet& packet, std::int64_t read_ns) {
    if (const auto* publish = std::get_if<mqtt::Publish>(&packet)) return take(*publish, read_ns);
    if (const auto* ack = std::get_if<mqtt::Acknowledgement>(&packet)) {
        if (ack->type == mqtt::PacketType::pubrel)
            acknowledge(mqtt::PacketType::pubcomp, ack->packet_id);
        return;
    }
    const auto* suback = std::get_if<mqtt::Suback>(&packet);
    if (!suback) return;
    const auto granted = static_cast<mqtt::ReasonCode>(qos_);
    if (suback->reasons.size() != 1 || suback->reasons[0] != granted)
        return watcher_.on_subscriber_failed("the broker does not grant the subscription its QoS");
    watcher_.on_subscribed();
}

void Subscriber::take(const mqtt::Publish& publish, std::int64_t read_ns) {
    check(publish.payload, read_ns);
    if (publish.qos == mqtt::Qos::at_least_once)
        acknowledge(mqtt::PacketType::puback, publish.packet_id);
    if (publish.qos == mqtt::Qos::exactly_once)
        acknowledge(mqtt::PacketType::pubrec, publish.packet_id);
}

void Subscriber::check(base::ByteView payload, std::int64_t read_ns) {
    const auto stamp = read_stamp(payload);
    if (!stamp || stamp->run != run_) {
        ++foreign_;
        return;
    }
    last_arrival_ns_ = read_ns;
    const Arrival arrival = arrivals_.arrive(stamp->publisher, stamp->number);
    if (arrival != Arrival::in_order && arrival != Arrival::out_of_order) return;
    if (stamp->due_ns < measure_from_ns_) return;
    if (measured_.received++ == 0) measured_.first_ns = read_ns;
    measured_.last_ns = read_ns;
    const std::int64_t latency_ns = std::max<std::int64_t>(read_ns - stamp->due_ns, 0);
    measured_.latency.record(static_cast<std::uint64_t>(latency_ns));
}

void Subscriber::acknowledge(mqtt::PacketType type, std::uint16_t packet_id) {
    mqtt::Acknowledgement ack;
    ack.type = type;
    ack.packet_id = packet_id;
    mqtt::encode(connection_.output(), ack, mqtt::Version::v5);
}

}  // namespace sallyport::bench
