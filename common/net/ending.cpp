#include "common/net/ending.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/beast/websocket/error.hpp>
#include <openssl/err.h>
#include <openssl/ssl.h>

namespace sallyport::net {
namespace {

namespace asio = boost::asio;
namespace websocket = boost::beast::websocket;
using base::CloseCause;
using boost::system::error_code;

CloseCause cause_of_tls(const error_code& error, Stage stage) {
    const int reason = ERR_GET_REASON(static_cast<unsigned long>(error.value()));
    if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED ||
        reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
        return CloseCause::identity;
    // OpenSSL reports an alert received as its number above this offset. In TLS 1.3 a client learns
    // that its certificate was refused only after its own handshake is done.
    if (reason >= SSL_AD_REASON_OFFSET) return CloseCause::refused;
    return stage == Stage::open ? CloseCause::reset : CloseCause::refused;
}

}  // namespace

CloseCause cause_of(const error_code& error, Stage stage) {
    if (error.category() == asio::error::get_ssl_category()) return cause_of_tls(error, stage);
    if (error == asio::error::eof || error == websocket::error::closed) return CloseCause::closed;
    if (error == asio::error::connection_refused) return CloseCause::refused;
    if (error == asio::error::connection_reset || error == asio::error::broken_pipe ||
        error == asio::error::connection_aborted || error == asio::ssl::error::stream_truncated)
        return CloseCause::reset;
    if (error == asio::error::timed_out || error == asio::error::host_unreachable ||
        error == asio::error::network_unreachable || error == asio::error::network_down)
        return CloseCause::unreachable;
    switch (stage) {
        case Stage::connecting: return CloseCause::unreachable;  // name not found among others
        case Stage::handshaking: return CloseCause::refused;     // not our TLS, not our HTTP
        case Stage::open: return CloseCause::reset;
    }
    return CloseCause::reset;
}

Ending ending_of(const error_code& error, Stage stage) {
    return {cause_of(error, stage), error.message()};
}

}  // namespace sallyport::net
