// WebSocket over TLS, compiled here only: the heaviest unit of the tree.
#include <boost/beast/websocket/ssl.hpp>

#include "common/net/tls_context.hpp"
#include "common/net/websocket_transport.hpp"

namespace sallyport::net {

std::shared_ptr<Transport> make_secure_websocket(boost::asio::ip::tcp::socket socket,
                                                 std::shared_ptr<const TransportSetup> setup) {
    auto& context = setup->tls->native();
    return std::make_shared<WebSocketTransport<TlsStream>>(std::move(setup), std::move(socket),
                                                           context);
}

}  // namespace sallyport::net
