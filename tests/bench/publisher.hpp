// One publishing client. Sends its share of the schedule as soon as it is due and there is room: in
// the in-flight window (QoS 1 and 2) and in front of the kernel, which is TCP's back-pressure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include "tests/bench/arrival_check.hpp"
#include "tests/bench/connection.hpp"
#include "tests/bench/options.hpp"
#include "tests/bench/schedule.hpp"

namespace sallyport::bench {

class PublisherWatcher {
public:
    virtual void on_publisher_ready() = 0;
    /// All of its schedule is sent and, with QoS 1 and 2, acknowledged.
    virtual void on_publisher_done() = 0;
    virtual void on_publisher_closed() = 0;
    virtual void on_publisher_failed(const std::string& why) = 0;

protected:
    ~PublisherWatcher() = default;
};

class Publisher final : public ConnectionUser {
public:
    /// `run` goes into every stamp. The references outlive the publisher.
    Publisher(boost::asio::io_context& io, PublisherWatcher& watcher, const Options& options,
              std::size_t index, std::uint64_t run, ArrivalCheck& arrivals);

    void open(const boost::asio::ip::tcp::endpoint& broker);
    void start(const Schedule& schedule);
    /// Sends nothing more; what is unacknowledged stays counted in in_flight().
    void finish();

    std::uint64_t acknowledged() const { return acknowledged_; }  // successfully; QoS 1 and 2
    std::uint64_t refused() const { return refused_; }            // with a failing reason code
    std::size_t in_flight() const { return flight_.size() - free_ids_.size(); }
    std::size_t window() const { return flight_.size(); }

private:
    enum class Flight : std::uint8_t { none, puback, pubrec, pubcomp };  // what is awaited

    void on_connected(const mqtt::Connack& connack) override;
    void on_packet(const mqtt::Packet& packet, std::int64_t read_ns) override;
    void on_batch_end() override { pump(); }
    void on_written() override { pump(); }
    void on_finished() override { watcher_.on_publisher_closed(); }
    void on_failed(const std::string& why) override { watcher_.on_publisher_failed(why); }

    void pump();
    bool has_more(std::int64_t now_ns) const;
    bool has_room();
    void publish(std::int64_t due_ns);
    void wake_at(std::int64_t due_ns);
    void take(const mqtt::Acknowledgement& ack);
    void complete(std::uint16_t packet_id, mqtt::ReasonCode reason);

    PublisherWatcher& watcher_;
    const Options& options_;
    ArrivalCheck& arrivals_;
    Connection connection_;
    boost::asio::steady_timer timer_;
    std::size_t index_;
    std::uint64_t run_;
    Schedule schedule_;
    bool started_ = false, done_ = false, waits_for_time_ = false;
    std::uint64_t next_number_ = 0;
    std::string topic_;
    base::Bytes payload_;
    std::vector<Flight> flight_;  // by packet identifier - 1; as long as the window
    std::vector<std::uint16_t> free_ids_;
    std::uint64_t acknowledged_ = 0, refused_ = 0;
};

}  // namespace sallyport::bench
