#include "common/config/endpoint.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <charconv>
#include <utility>

namespace sallyport::config {
namespace {

constexpr std::size_t kHostBytesMax = 253;  // RFC 1035, section 2.3.4
constexpr std::string_view kRelayScheme = "wss://";

std::optional<std::uint16_t> parse_port(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc{} || end != text.data() + text.size() || port == 0 ||
        text.front() == '0')
        return std::nullopt;
    return port;
}

/// Splits "host:port" or "[v6]:port"; the flag says that brackets stood around the host.
struct HostAndPort {
    std::string_view host, port;
    bool bracketed = false;
};
std::optional<HostAndPort> split(std::string_view text) {
    if (text.starts_with('[')) {
        const auto close = text.find("]:");
        if (close == std::string_view::npos) return std::nullopt;
        return HostAndPort{text.substr(1, close - 1), text.substr(close + 2), true};
    }
    const auto colon = text.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    return HostAndPort{text.substr(0, colon), text.substr(colon + 1), false};
}

std::optional<in_addr> parse_ipv4(const std::string& host) {
    in_addr address{};
    if (::inet_pton(AF_INET, host.c_str(), &address) != 1) return std::nullopt;
    return address;
}

std::optional<in6_addr> parse_ipv6(const std::string& host) {
    in6_addr address{};
    if (::inet_pton(AF_INET6, host.c_str(), &address) != 1) return std::nullopt;
    return address;
}

bool is_host_name(std::string_view host) {
    if (host.empty() || host.size() > kHostBytesMax || host.front() == '-' || host.front() == '.')
        return false;
    return std::ranges::all_of(host, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '-';
    });
}

/// "10.20.0" or "1.2.3.400" is a mistyped address, never a name worth asking a resolver for.
bool looks_numeric(std::string_view host) {
    return std::ranges::all_of(host, [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
}

}  // namespace

std::string Endpoint::text() const {
    return (is_ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::optional<Endpoint> parse_endpoint(std::string_view text) {
    const auto parts = split(text);
    if (!parts) return std::nullopt;
    const auto port = parse_port(parts->port);
    if (!port) return std::nullopt;
    Endpoint endpoint;
    endpoint.port = *port;
    const std::string host(parts->host);
    std::array<char, INET6_ADDRSTRLEN> shortest{};
    if (parts->bracketed) {
        const auto address = parse_ipv6(host);
        if (!address) return std::nullopt;
        endpoint.is_ipv6 = true;
        endpoint.is_loopback = IN6_IS_ADDR_LOOPBACK(&*address);
        endpoint.is_any = IN6_IS_ADDR_UNSPECIFIED(&*address);
        ::inet_ntop(AF_INET6, &*address, shortest.data(), shortest.size());
    } else {
        const auto address = parse_ipv4(host);
        if (!address) return std::nullopt;
        endpoint.is_loopback = (ntohl(address->s_addr) >> 24U) == 127U;
        endpoint.is_any = address->s_addr == INADDR_ANY;
        ::inet_ntop(AF_INET, &*address, shortest.data(), shortest.size());
    }
    endpoint.host = shortest.data();
    return endpoint;
}

bool overlap(const Endpoint& a, const Endpoint& b) {
    if (a.port != b.port || a.is_ipv6 != b.is_ipv6) return false;
    return a.is_any || b.is_any || a.host == b.host;
}

std::optional<RelayUrl> parse_relay_url(std::string_view url) {
    if (!url.starts_with(kRelayScheme)) return std::nullopt;
    auto authority = url.substr(kRelayScheme.size());
    if (authority.ends_with('/')) authority.remove_suffix(1);
    const auto parts = split(authority);
    if (!parts || !parse_port(parts->port)) return std::nullopt;
    const std::string host(parts->host);
    const bool good = parts->bracketed ? parse_ipv6(host).has_value()
                                       : is_host_name(host) &&
                                             (!looks_numeric(host) || parse_ipv4(host).has_value());
    if (!good) return std::nullopt;
    return RelayUrl{std::string(url), host, std::string(parts->port)};
}

}  // namespace sallyport::config
