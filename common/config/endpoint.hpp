// Addresses as configuration files write them. Listeners take numeric addresses only: a name that
// resolves to something else tomorrow would open another door.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport::config {

/// "127.0.0.1:1883" or "[::1]:1883", port 1 to 65535.
struct Endpoint {
    std::string host;  // in its shortest form, without brackets
    std::uint16_t port = 0;
    bool is_ipv6 = false;
    bool is_loopback = false;  // 127.0.0.0/8 or ::1
    bool is_any = false;       // 0.0.0.0 or ::

    std::string text() const;
};
std::optional<Endpoint> parse_endpoint(std::string_view text);
/// True where the two cannot both be listened on.
bool overlap(const Endpoint& a, const Endpoint& b);

/// "wss://host:port": the host a name or a numeric address (IPv6 in brackets), the port always
/// given, and no path, for the tunnel's path is fixed.
struct RelayUrl {
    std::string url;
    std::string host;  // without brackets
    std::string port;
};
std::optional<RelayUrl> parse_relay_url(std::string_view url);

}  // namespace sallyport::config
