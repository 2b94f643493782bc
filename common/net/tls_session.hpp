// What is said to and asked of one TLS connection (SSL*), apart from the context it was made from.
#pragma once

#include <optional>
#include <string>

#include "common/base/identity.hpp"
#include "common/net/ending.hpp"
#include "common/net/transport.hpp"

struct ssl_st;

namespace sallyport::net {

/// Before the handshake: server name (for names, not addresses) and ALPN ("http/1.1" under a
/// WebSocket, else none).
void prepare_session(ssl_st* session, const TransportSetup& setup);

/// The ALPN choice of an accepting context (RFC 7301): what prepare_session asked for, or a fatal
/// alert where the client offers only something else.
int choose_application_protocol(ssl_st* session, const unsigned char** chosen,
                                unsigned char* chosen_length, const unsigned char* offered,
                                unsigned offered_length, void* context);

/// Why our side refused the peer's certificate, kept with the connection for its log line.
void remember_refusal(ssl_st* session, const std::string& why);

/// As ending_of(), with the remembered refusal in the text.
Ending tls_ending_of(ssl_st* session, const boost::system::error_code& error, Stage stage);

/// The identity in the peer's certificate, if one was asked for, given and verified.
std::optional<base::Identity> verified_identity(ssl_st* session);

/// Lets the next async_shutdown() send close_notify and return without waiting for the peer's.
void forgo_peers_close_notify(ssl_st* session);

}  // namespace sallyport::net
