// The TLS handshake as both TLS transports do it. Internal to the transports' own files.
#pragma once

#include <utility>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>

#include "common/net/tls_session.hpp"

namespace sallyport::net {

using TlsStream = boost::asio::ssl::stream<boost::asio::ip::tcp::socket>;

/// `done(error_code)`.
template <class Done>
void async_tls_handshake(TlsStream& stream, const TransportSetup& setup, Done done) {
    prepare_session(stream.native_handle(), setup);
    stream.async_handshake(setup.dialled ? TlsStream::client : TlsStream::server, std::move(done));
}

}  // namespace sallyport::net
