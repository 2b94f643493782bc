// A listening TCP socket that hands out what it accepts.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

namespace sallyport::net {

class Listener : public std::enable_shared_from_this<Listener> {
public:
    using OnAccept = std::function<void(boost::asio::ip::tcp::socket)>;
    using OnError = std::function<void(const std::string& what)>;

    /// Throws std::system_error with the address in its text. An IPv6 listener takes IPv6 only, so
    /// that "[::]:1883" and "0.0.0.0:1883" can stand side by side.
    Listener(boost::asio::io_context& io, const std::string& address, OnAccept on_accept,
             OnError on_error);

    /// Accepts until close(). Out of file descriptors or memory it rests for 100 ms.
    void start();
    void close();
    std::uint16_t port() const { return port_; }

private:
    void accept();
    void rest();

    boost::asio::ip::tcp::acceptor acceptor_;
    boost::asio::steady_timer rest_;
    OnAccept on_accept_;
    OnError on_error_;
    std::uint16_t port_ = 0;
};

}  // namespace sallyport::net
