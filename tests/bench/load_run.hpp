// One run from connect to verdict: subscribes, connects the publishers one after the other, lets
// them send, waits until everything has arrived or nothing does any more, disconnects.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "tests/bench/publisher.hpp"
#include "tests/bench/report.hpp"
#include "tests/bench/subscriber.hpp"

namespace sallyport::bench {

class LoadRun final : public PublisherWatcher, public SubscriberWatcher {
public:
    /// `run` is a number that no other run on the same brokers has.
    LoadRun(const Options& options, std::uint64_t run);

    /// Once. Ends within the timeout.
    Report execute();

private:
    void on_subscribed() override;
    void on_subscriber_closed() override;
    void on_subscriber_failed(const std::string& why) override;
    void on_publisher_ready() override;
    void on_publisher_done() override;
    void on_publisher_closed() override;
    void on_publisher_failed(const std::string& why) override;

    bool resolve();
    void start_load();
    void await_arrivals();
    bool is_settled() const;
    void disconnect();
    void one_closed();
    void give_up(const std::string& why);
    void give_up_after(double seconds);
    Report report() const;

    const Options& options_;
    boost::asio::io_context io_{1};
    ArrivalCheck arrivals_;
    Subscriber subscriber_;
    std::vector<std::unique_ptr<Publisher>> publishers_;
    boost::asio::steady_timer deadline_, poll_;
    boost::asio::ip::tcp::endpoint publish_to_, subscribe_at_;
    std::size_t publishers_ready_ = 0, publishers_done_ = 0, open_connections_ = 0;
    std::int64_t sent_all_ns_ = 0;
    bool started_ = false, disconnecting_ = false;
    std::string error_;
};

}  // namespace sallyport::bench
