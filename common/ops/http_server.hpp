// HTTP/1.1 for machines that watch the agent: GET of a few fixed paths, on loopback, one request a
// connection. It changes nothing, and answers only to names of loopback, so that a web page in a
// local browser cannot read it by DNS rebinding. Runs on the network thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace boost::asio {
class io_context;
}

namespace sallyport::ops {

struct HttpResponse {
    unsigned status = 200;
    std::string content_type = "text/plain; charset=utf-8";
    std::string body;
};
/// By path, "/metrics". A handler must not block: it runs on the network thread.
using HttpHandlers = std::map<std::string, std::function<HttpResponse()>, std::less<>>;

class HttpServer {
public:
    static constexpr std::size_t kConnectionsMax = 64;  // more are closed at once
    static constexpr std::uint32_t kHeaderBytesMax = 8U << 10U;
    static constexpr std::chrono::milliseconds kTimeout{5000};  // for the whole exchange

    /// `address` is numeric, "127.0.0.1:9101" or "[::1]:9101"; port 0 takes a free one. Throws
    /// Failure where it cannot listen or the address is not loopback.
    HttpServer(boost::asio::io_context& io, const std::string& address, HttpHandlers handlers,
               std::chrono::milliseconds timeout = kTimeout);
    ~HttpServer();
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;

    std::uint16_t port() const;
    /// Closes everything; no work is left in the io_context.
    void stop();

private:
    class Server;
    std::shared_ptr<Server> server_;
};

/// True for the Host header values "localhost", 127.0.0.0/8 and [::1], with or without a port.
bool is_loopback_host(std::string_view host);

}  // namespace sallyport::ops
