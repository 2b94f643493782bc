// The subscribing client on the far side: acknowledges, checks every stamp, measures the latency.
#pragma once

#include <cstdint>
#include <string>

#include "tests/bench/arrival_check.hpp"
#include "tests/bench/connection.hpp"
#include "tests/bench/histogram.hpp"
#include "tests/bench/options.hpp"

namespace sallyport::bench {

class SubscriberWatcher {
public:
    virtual void on_subscribed() = 0;
    virtual void on_subscriber_closed() = 0;
    virtual void on_subscriber_failed(const std::string& why) = 0;

protected:
    ~SubscriberWatcher() = default;
};

/// The messages due after the warm-up.
struct Measured {
    std::uint64_t received = 0;
    std::int64_t first_ns = 0, last_ns = 0;  // when the first and the last of them were read
    Histogram latency;                       // from due to read, ns
};

class Subscriber final : public ConnectionUser {
public:
    Subscriber(boost::asio::io_context& io, SubscriberWatcher& watcher, mqtt::Qos qos,
               std::uint64_t run, ArrivalCheck& arrivals);

    void open(const boost::asio::ip::tcp::endpoint& broker);
    void finish() { connection_.finish(); }
    /// What is due before is checked but not measured.
    void measure_from(std::int64_t due_ns) { measure_from_ns_ = due_ns; }

    const Measured& measured() const { return measured_; }
    /// When anything of this run was last read; 0: never.
    std::int64_t last_arrival_ns() const { return last_arrival_ns_; }
    /// Messages under the filter that are not of this run.
    std::uint64_t foreign() const { return foreign_; }

private:
    void on_connected(const mqtt::Connack& connack) override;
    void on_packet(const mqtt::Packet& packet, std::int64_t read_ns) override;
    void on_batch_end() override { connection_.flush(); }
    void on_written() override {}
    void on_finished() override { watcher_.on_subscriber_closed(); }
    void on_failed(const std::string& why) override { watcher_.on_subscriber_failed(why); }

    void take(const mqtt::Publish& publish, std::int64_t read_ns);
    void check(base::ByteView payload, std::int64_t read_ns);
    void acknowledge(mqtt::PacketType type, std::uint16_t packet_id);

    SubscriberWatcher& watcher_;
    ArrivalCheck& arrivals_;
    Connection connection_;
    mqtt::Qos qos_;
    std::uint64_t run_;
    std::int64_t measure_from_ns_ = 0, last_arrival_ns_ = 0;
    std::uint64_t foreign_ = 0;
    Measured measured_;
};

}  // namespace sallyport::bench
