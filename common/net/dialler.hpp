// One attempt to reach a host: name resolution, then one address after the other, within one limit.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "common/net/ending.hpp"

namespace sallyport::net {

class Dialler : public std::enable_shared_from_this<Dialler> {
public:
    using Outcome = std::variant<boost::asio::ip::tcp::socket, Ending>;
    using OnDone = std::function<void(Outcome)>;

    Dialler(boost::asio::io_context& io, base::Duration timeout, OnDone on_done);

    /// `on_done` comes once, from the io_context. Asio resolves names on a thread of its own, which
    /// the system's resolver may hold longer than our limit; numeric addresses never go there.
    void start(const std::string& host, const std::string& port);
    /// No on_done any more.
    void cancel();

private:
    using Endpoint = boost::asio::ip::tcp::endpoint;

    void resolve(const std::string& host, const std::string& port);
    void try_next();
    void limit(std::chrono::steady_clock::time_point at);
    void attempt_failed(Ending ending);
    void done(Outcome outcome);

    boost::asio::ip::tcp::resolver resolver_;
    boost::asio::ip::tcp::socket socket_;
    boost::asio::steady_timer timer_;
    std::chrono::steady_clock::time_point give_up_at_;
    std::vector<Endpoint> untried_;  // the next one last
    std::uint64_t attempt_ = 0;
    Ending last_failure_{base::CloseCause::unreachable, "the name has no address"};
    OnDone on_done_;
};

}  // namespace sallyport::net
