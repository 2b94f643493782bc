#include "common/net/listener.hpp"

#include <system_error>
#include <utility>

#include <boost/asio/error.hpp>
#include <boost/asio/ip/v6_only.hpp>

#include "common/net/socket_options.hpp"

namespace sallyport::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr auto kRestAfterError = std::chrono::milliseconds(100);

void require(const error_code& error, const std::string& address) {
    if (error)
        throw std::system_error(error.value(), std::system_category(),
                                "cannot listen on " + address);
}

}  // namespace

Listener::Listener(asio::io_context& io, const std::string& address, OnAccept on_accept,
                   OnError on_error)
    : acceptor_(io), rest_(io), on_accept_(std::move(on_accept)), on_error_(std::move(on_error)) {
    const auto endpoint = parse_endpoint(address);
    error_code error;
    acceptor_.open(endpoint.protocol(), error);
    require(error, address);
    acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    require(error, address);
    if (endpoint.address().is_v6()) acceptor_.set_option(asio::ip::v6_only(true), error);
    require(error, address);
    acceptor_.bind(endpoint, error);
    require(error, address);
    acceptor_.listen(tcp::acceptor::max_listen_connections, error);
    require(error, address);
    port_ = acceptor_.local_endpoint(error).port();
    require(error, address);
}

void Listener::start() {
    accept();
}

void Listener::close() {
    error_code ignored;
    acceptor_.close(ignored);
    rest_.cancel();
}

void Listener::accept() {
    acceptor_.async_accept([weak = weak_from_this()](const error_code& error, tcp::socket socket) {
        const auto self = weak.lock();
        if (!self || !self->acceptor_.is_open()) return;
        if (!error) {
            self->on_accept_(std::move(socket));
            return self->accept();
        }
        // A peer that left the queue before its turn is no trouble of ours; all else (descriptors,
        // memory) would fail again at once.
        if (error == asio::error::connection_aborted) return self->accept();
        self->on_error_("cannot accept: " + error.message());
        self->rest();
    });
}

void Listener::rest() {
    rest_.expires_after(kRestAfterError);
    rest_.async_wait([weak = weak_from_this()](const error_code& error) {
        const auto self = weak.lock();
        if (!error && self && self->acceptor_.is_open()) self->accept();
    });
}

}  // namespace sallyport::net
