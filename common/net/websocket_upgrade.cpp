#include "common/net/websocket_upgrade.hpp"

#include <algorithm>

#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/websocket/rfc6455.hpp>

namespace sallyport::net {
namespace {

namespace http = boost::beast::http;

/// Names of subprotocols are compared byte for byte, and a client may spread them over several
/// fields (RFC 6455 section 11.3.4).
bool offers(const UpgradeRequest& request, const std::string& subprotocol) {
    const auto [first, last] = request.equal_range("Sec-WebSocket-Protocol");
    return std::any_of(first, last, [&](const auto& field) {
        const http::token_list names{field.value()};
        return std::any_of(names.begin(), names.end(),
                           [&](const auto& name) { return name == subprotocol; });
    });
}

}  // namespace

std::optional<http::status> why_not_upgraded(const UpgradeRequest& request,
                                             const TransportSetup& setup) {
    if (!boost::beast::websocket::is_upgrade(request)) return http::status::bad_request;
    const auto target = request.target();
    const auto path = target.substr(0, target.find('?'));
    if (!setup.path.empty() && path != setup.path) return http::status::not_found;
    if (!offers(request, setup.subprotocol)) return http::status::bad_request;
    return std::nullopt;
}

std::string refusal_answer(http::status status) {
    return "HTTP/1.1 " + std::to_string(static_cast<unsigned>(status)) + " " +
           std::string(http::obsolete_reason(status)) +
           "\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
}

}  // namespace sallyport::net
