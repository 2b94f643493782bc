#include "common/net/tls_session.hpp"

#include <string_view>

#include <boost/asio/ip/address.hpp>
#include <openssl/ssl.h>

#include "common/pki/certificate.hpp"
#include "common/pki/openssl_types.hpp"

namespace sallyport::net {
namespace {

constexpr std::string_view kHttpAlpn = "\x08http/1.1";  // length, then name

/// OpenSSL calls this when the connection that holds the text goes away.
void free_text(void*, void* text, CRYPTO_EX_DATA*, int, long, void*) {
    delete static_cast<std::string*>(text);
}

int refusal_slot() {
    static const int slot = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, free_text);
    return slot;
}

/// Holds a pointer to kHttpAlpn where the connection carries HTTP.
int alpn_slot() {
    static const int slot = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
    return slot;
}

}  // namespace

void prepare_session(SSL* session, const TransportSetup& setup) {
    const bool http = is_websocket(setup.kind);
    if (!setup.dialled) {
        if (http) SSL_set_ex_data(session, alpn_slot(), const_cast<std::string_view*>(&kHttpAlpn));
        return;
    }
    boost::system::error_code not_an_address;
    boost::asio::ip::make_address(setup.host, not_an_address);
    if (not_an_address) SSL_set_tlsext_host_name(session, setup.host.c_str());
    if (http)
        SSL_set_alpn_protos(session, reinterpret_cast<const unsigned char*>(kHttpAlpn.data()),
                            static_cast<unsigned>(kHttpAlpn.size()));
}

int choose_application_protocol(SSL* session, const unsigned char** chosen,
                                unsigned char* chosen_length, const unsigned char* offered,
                                unsigned offered_length, void* /*context*/) {
    const auto* wanted =
        static_cast<const std::string_view*>(SSL_get_ex_data(session, alpn_slot()));
    if (!wanted) return SSL_TLSEXT_ERR_NOACK;
    unsigned char* selected = nullptr;
    const int outcome = SSL_select_next_proto(
        &selected, chosen_length, reinterpret_cast<const unsigned char*>(wanted->data()),
        static_cast<unsigned>(wanted->size()), offered, offered_length);
    if (outcome != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
    *chosen = selected;
    return SSL_TLSEXT_ERR_OK;
}

void remember_refusal(SSL* session, const std::string& why) {
    if (SSL_get_ex_data(session, refusal_slot())) return;  // the first reason is the reason
    auto text = std::make_unique<std::string>(why);
    // NOLINTNEXTLINE(bugprone-unused-return-value): the session owns the text now.
    if (SSL_set_ex_data(session, refusal_slot(), text.get()) == 1) (void)text.release();
}

Ending tls_ending_of(SSL* session, const boost::system::error_code& error, Stage stage) {
    Ending ending = ending_of(error, stage);
    if (const auto* why = static_cast<std::string*>(SSL_get_ex_data(session, refusal_slot())))
        ending.what = "the peer's certificate is refused: " + *why;
    return ending;
}

std::optional<base::Identity> verified_identity(SSL* session) {
    if ((SSL_get_verify_mode(session) & SSL_VERIFY_PEER) == 0) return std::nullopt;
    if (SSL_get_verify_result(session) != X509_V_OK) return std::nullopt;
    X509* const leaf = SSL_get0_peer_certificate(session);
    if (!leaf) return std::nullopt;
    return pki::identity_of(leaf);
}

void forgo_peers_close_notify(SSL* session) {
    SSL_set_shutdown(session, SSL_get_shutdown(session) | SSL_RECEIVED_SHUTDOWN);
}

}  // namespace sallyport::net
