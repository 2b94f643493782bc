// One client's whole conversation on the io_context of the server under test: connect, write, read
// to the end. Nothing blocks and nothing sleeps.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

namespace sallyport::ops {

template <class Protocol>
class Exchange : public std::enable_shared_from_this<Exchange<Protocol>> {
public:
    Exchange(boost::asio::io_context& io, std::string request)
        : socket_(io), request_(std::move(request)) {}

    template <class Done>
    void start(const typename Protocol::endpoint& server, Done done) {
        socket_.async_connect(server, [self = this->shared_from_this(), done](auto) {
            boost::asio::async_write(self->socket_, boost::asio::buffer(self->request_),
                                     [self, done](auto, std::size_t) {
                                         boost::asio::async_read(
                                             self->socket_,
                                             boost::asio::dynamic_buffer(self->response_),
                                             [self, done](auto, std::size_t) { done(); });
                                     });
        });
    }
    const std::string& response() const { return response_; }

private:
    typename Protocol::socket socket_;
    std::string request_, response_;
};

/// What the server at `server` answers to `request` until it closes.
template <class Protocol>
std::string exchange(boost::asio::io_context& io, const typename Protocol::endpoint& server,
                     std::string request) {
    auto client = std::make_shared<Exchange<Protocol>>(io, std::move(request));
    bool done = false;
    client->start(server, [&done] { done = true; });
    io.restart();
    while (!done && io.run_one() != 0) continue;
    return client->response();
}

}  // namespace sallyport::ops
