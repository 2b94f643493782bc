// Addresses as the configuration writes them, and what every socket is set to.
#pragma once

#include <string>

#include <boost/asio/ip/tcp.hpp>

namespace sallyport::net {

/// "127.0.0.1:1883", "[::1]:1883": numeric only, because a listener must not depend on a name
/// server. Throws std::system_error (invalid_argument) with `text` in it.
boost::asio::ip::tcp::endpoint parse_endpoint(const std::string& text);

/// "10.0.0.1:5012", "[::1]:5012".
std::string to_text(const boost::asio::ip::tcp::endpoint& endpoint);

/// No Nagle delay; TCP keepalive, so that a peer that vanished is noticed even where MQTT's own
/// keep alive is off. `short_queue` keeps what waits in the kernel small, so that control frames
/// overtake bulk in our own queues instead of standing behind it.
void tune(boost::asio::ip::tcp::socket& socket, bool short_queue);

}  // namespace sallyport::net
