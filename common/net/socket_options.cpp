#include "common/net/socket_options.hpp"

#include <charconv>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <system_error>

namespace sallyport::net {
namespace {

namespace asio = boost::asio;

constexpr int kKeepaliveIdleSeconds = 60;
constexpr int kKeepaliveIntervalSeconds = 10;
constexpr int kKeepaliveProbes = 3;
constexpr int kUnsentBytesMax = 128 << 10;

/// Failure is left unreported: these only tune, and the connection works without.
void set(int socket, int level, int name, int value) {
    (void)::setsockopt(socket, level, name, &value, sizeof value);
}

}  // namespace

asio::ip::tcp::endpoint parse_endpoint(const std::string& text) {
    const auto refuse = [&](const char* why) {
        return std::system_error(std::make_error_code(std::errc::invalid_argument),
                                 "address \"" + text + "\": " + why);
    };
    const auto colon = text.rfind(':');
    if (colon == std::string::npos) throw refuse("has no port");
    std::string host = text.substr(0, colon);
    const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) host = host.substr(1, host.size() - 2);

    std::uint16_t port = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, status] = std::from_chars(text.data() + colon + 1, end, port);
    if (status != std::errc{} || rest != end) throw refuse("the port is not a number up to 65535");

    boost::system::error_code error;
    const auto address = asio::ip::make_address(host, error);
    if (error || address.is_v6() != bracketed) throw refuse("is neither IPv4:port nor [IPv6]:port");
    return {address, port};
}

std::string to_text(const asio::ip::tcp::endpoint& endpoint) {
    const auto address = endpoint.address().to_string();
    const auto port = std::to_string(endpoint.port());
    return endpoint.address().is_v6() ? "[" + address + "]:" + port : address + ":" + port;
}

void tune(asio::ip::tcp::socket& socket, bool short_queue) {
    const int handle = socket.native_handle();
    set(handle, IPPROTO_TCP, TCP_NODELAY, 1);
    set(handle, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(handle, IPPROTO_TCP, TCP_KEEPIDLE, kKeepaliveIdleSeconds);
    set(handle, IPPROTO_TCP, TCP_KEEPINTVL, kKeepaliveIntervalSeconds);
    set(handle, IPPROTO_TCP, TCP_KEEPCNT, kKeepaliveProbes);
    if (short_queue) set(handle, IPPROTO_TCP, TCP_NOTSENT_LOWAT, kUnsentBytesMax);
}

}  // namespace sallyport::net
