#include "common/ops/http_server.hpp"

#include <array>
#include <set>
#include <system_error>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include "common/net/listener.hpp"
#include "common/net/socket_options.hpp"
#include "common/ops/exit_codes.hpp"

namespace sallyport::ops {
namespace {

namespace http = boost::beast::http;
using boost::asio::ip::tcp;
using boost::system::error_code;

[[noreturn]] void fail(const std::string& address, const std::string& why) {
    throw Failure(ExitCode::failure, "cannot listen on " + address + " ([http] address): " + why);
}

HttpResponse plain(http::status status, std::string text) {
    return {static_cast<unsigned>(status), HttpResponse{}.content_type, std::move(text) + "\n"};
}

}  // namespace

bool is_loopback_host(std::string_view host) {
    if (host.starts_with('[')) {
        const auto close = host.find(']');
        if (close == std::string_view::npos) return false;
        const auto rest = host.substr(close + 1);
        return host.substr(0, close + 1) == "[::1]" && (rest.empty() || rest.starts_with(':'));
    }
    const auto name = host.substr(0, host.find(':'));
    if (boost::beast::iequals(name, "localhost")) return true;
    error_code error;
    const auto address = boost::asio::ip::make_address_v4(name, error);
    return !error && address.is_loopback();
}

class HttpServer::Server : public std::enable_shared_from_this<Server> {
public:
    Server(HttpHandlers handlers, std::chrono::milliseconds timeout)
        : handlers_(std::move(handlers)), timeout_(timeout) {}

    void listen(boost::asio::io_context& io, const std::string& address);
    void stop();
    std::uint16_t port() const { return listener_->port(); }

private:
    class Connection;
    void accepted(tcp::socket socket);
    HttpResponse respond(const http::request<http::empty_body>& request) const;

    std::shared_ptr<net::Listener> listener_;
    HttpHandlers handlers_;
    std::chrono::milliseconds timeout_;
    std::set<std::shared_ptr<Connection>> connections_;
};

/// One exchange. The timer closes the socket, which ends whatever is under way.
class HttpServer::Server::Connection : public std::enable_shared_from_this<Connection> {
public:
    Connection(tcp::socket socket, std::weak_ptr<Server> server)
        : socket_(std::move(socket)), timer_(socket_.get_executor()), server_(std::move(server)) {
        parser_.header_limit(kHeaderBytesMax);
    }

    void start(std::chrono::milliseconds timeout) {
        timer_.expires_after(timeout);
        timer_.async_wait([self = shared_from_this()](error_code error) {
            if (!error) self->close();
        });
        http::async_read(
            socket_, buffer_, parser_,
            [self = shared_from_this()](error_code error, std::size_t) { self->received(error); });
    }

    void close() {
        error_code ignored;
        timer_.cancel();
        socket_.close(ignored);
        if (const auto server = server_.lock()) server->connections_.erase(shared_from_this());
    }

private:
    void received(error_code error) {
        const auto server = server_.lock();
        if (!server) return close();
        if (!error) return send(server->respond(parser_.get()));
        if (error == http::error::header_limit)
            return send(plain(http::status::request_header_fields_too_large, "header too large"));
        if (error == http::error::unexpected_body)
            return send(plain(http::status::bad_request, "a request here has no body"));
        // The peer went away, or the timer closed the socket; or it does not speak HTTP.
        if (error.category() != make_error_code(http::error::bad_method).category() ||
            error == http::error::end_of_stream || error == http::error::partial_message)
            return close();
        send(plain(http::status::bad_request, "not an HTTP request"));
    }

    void send(HttpResponse response) {
        response_.result(response.status);
        response_.version(11);
        response_.keep_alive(false);
        response_.set(http::field::content_type, response.content_type);
        response_.set(http::field::cache_control, "no-store");
        response_.set("X-Content-Type-Options", "nosniff");
        if (response.status == static_cast<unsigned>(http::status::method_not_allowed))
            response_.set(http::field::allow, "GET");
        response_.body() = std::move(response.body);
        response_.prepare_payload();
        http::async_write(socket_, response_,
                          [self = shared_from_this()](error_code error, std::size_t) {
                              if (error) return self->close();
                              error_code ignored;
                              self->socket_.shutdown(tcp::socket::shutdown_send, ignored);
                              self->drain();
                          });
    }

    /// Closing with bytes unread would reset the connection and take the response with it.
    void drain() {
        socket_.async_read_some(boost::asio::buffer(rest_),
                                [self = shared_from_this()](error_code error, std::size_t) {
                                    if (error) return self->close();
                                    self->drain();
                                });
    }

    tcp::socket socket_;
    boost::asio::steady_timer timer_;
    std::weak_ptr<Server> server_;
    boost::beast::flat_buffer buffer_{std::size_t{2} * kHeaderBytesMax};
    http::request_parser<http::empty_body> parser_;
    http::response<http::string_body> response_;
    std::array<char, 1024> rest_{};
};

void HttpServer::Server::listen(boost::asio::io_context& io, const std::string& address) {
    try {
        if (!net::parse_endpoint(address).address().is_loopback())
            fail(address, "not a loopback address; beyond loopback is not in this version");
        listener_ = std::make_shared<net::Listener>(
            io, address,
            [weak = weak_from_this()](tcp::socket socket) {
                if (const auto self = weak.lock()) self->accepted(std::move(socket));
            },
            // Out of descriptors: the listener tries again by itself.
            [](const std::string&) {});
    } catch (const std::system_error& error) {
        const bool malformed = error.code() == std::errc::invalid_argument;
        fail(address,
             malformed ? "not a numeric address and a port, such as 127.0.0.1:9101"
                       : error.code().message() + "; stop what listens there, or choose another");
    }
    listener_->start();
}

void HttpServer::Server::accepted(tcp::socket socket) {
    if (connections_.size() >= kConnectionsMax) return;
    const auto connection = std::make_shared<Connection>(std::move(socket), weak_from_this());
    connections_.insert(connection);
    connection->start(timeout_);
}

void HttpServer::Server::stop() {
    if (listener_) listener_->close();
    for (const auto& connection : std::set(connections_)) connection->close();
}

HttpResponse HttpServer::Server::respond(const http::request<http::empty_body>& request) const {
    if (request.count(http::field::host) != 1)
        return plain(http::status::bad_request, "exactly one Host header is needed");
    const auto host = request[http::field::host];
    if (!is_loopback_host({host.data(), host.size()}))
        return plain(http::status::misdirected_request, "this answers to loopback names only");
    if (request.method() != http::verb::get)
        return plain(http::status::method_not_allowed, "GET only");
    const std::string_view target(request.target().data(), request.target().size());
    const auto handler = handlers_.find(target.substr(0, target.find('?')));
    if (handler == handlers_.end()) return plain(http::status::not_found, "nothing here");
    return handler->second();
}

HttpServer::HttpServer(boost::asio::io_context& io, const std::string& address,
                       HttpHandlers handlers, std::chrono::milliseconds timeout)
    : server_(std::make_shared<Server>(std::move(handlers), timeout)) {
    server_->listen(io, address);
}

HttpServer::~HttpServer() {
    stop();
}
std::uint16_t HttpServer::port() const {
    return server_->port();
}
void HttpServer::stop() {
    server_->stop();
}

}  // namespace sallyport::ops
