// WebSocket over TCP, compiled here only.
#include "common/net/websocket_transport.hpp"

namespace sallyport::net {

std::shared_ptr<Transport> make_websocket(boost::asio::ip::tcp::socket socket,
                                          std::shared_ptr<const TransportSetup> setup) {
    return std::make_shared<WebSocketTransport<boost::asio::ip::tcp::socket>>(std::move(setup),
                                                                              std::move(socket));
}

}  // namespace sallyport::net
