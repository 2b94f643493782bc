#include "common/net/tls_context.hpp"

#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/verify_context.hpp>
#include <openssl/ssl.h>

#include "common/net/tls_session.hpp"
#include "common/pki/certificate.hpp"
#include "common/pki/x509_fields.hpp"

namespace sallyport::net {
namespace {

namespace ssl = boost::asio::ssl;

constexpr int kChainDepthMax = 3;  // issuing authorities between leaf and root, and the root

/// Every setting but the files and the verification.
void harden(SSL_CTX* context, bool allow_tls12) {
    SSL_CTX_set_min_proto_version(context, allow_tls12 ? TLS1_2_VERSION : TLS1_3_VERSION);
    SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_max_early_data(context, 0);
    SSL_CTX_set_recv_max_early_data(context, 0);
    pki::require_openssl(SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1,
                         "setting the TLS 1.2 cipher list");
    pki::require_openssl(SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384") == 1,
                         "setting the TLS groups");
}

void load_own_certificate(SSL_CTX* context, const TlsOptions& options) {
    const pki::ErrorScope errors;
    if (SSL_CTX_use_certificate_chain_file(context, options.cert_file.c_str()) != 1)
        throw pki::PkiError(options.cert_file +
                            ": cannot be used as a certificate: " + pki::latest_openssl_error());
    const auto key = pki::PrivateKey::load(options.key_file);
    if (SSL_CTX_use_PrivateKey(context, key.native()) != 1 ||
        SSL_CTX_check_private_key(context) != 1)
        throw pki::PkiError(options.key_file + ": is not the key of " + options.cert_file);
}

void load_trust_anchors(SSL_CTX* context, const std::string& ca_file) {
    X509_STORE* const store = SSL_CTX_get_cert_store(context);
    for (const auto& anchor : pki::read_certificates(ca_file)) {
        const pki::ErrorScope errors;
        pki::require_openssl(X509_STORE_add_cert(store, anchor.get()) == 1,
                             "adding a trust anchor");
    }
}

/// Empty: the certificate may be let in. The chain has been verified.
std::string why_refused(X509* leaf, const std::set<base::Role>& roles) {
    const pki::ErrorScope errors;
    if (roles.empty())
        return (X509_get_extension_flags(leaf) & EXFLAG_CA) == 0
                   ? std::string{}
                   : "it is a certificate authority's";
    if (auto why = pki::why_unacceptable(leaf); !why.empty()) return why;
    const auto identity = pki::identity_of(leaf);
    if (!identity) return "it names no identity";
    if (!roles.contains(identity->role)) return base::to_uri(*identity) + " has the wrong role";
    return {};
}

/// Called by OpenSSL for each certificate of the chain, the leaf (depth 0) last. False ends the
/// handshake with an alert, before any application byte was read.
bool verify(bool chain_is_good, ssl::verify_context& verification,
            const std::set<base::Role>& roles) {
    X509_STORE_CTX* const store = verification.native_handle();
    auto* const session =
        static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    if (!chain_is_good) {
        remember_refusal(session, X509_verify_cert_error_string(X509_STORE_CTX_get_error(store)));
        return false;
    }
    if (X509_STORE_CTX_get_error_depth(store) != 0) return true;
    const auto why = why_refused(X509_STORE_CTX_get_current_cert(store), roles);
    if (why.empty()) return true;
    remember_refusal(session, why);
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    return false;
}

}  // namespace

class TlsContext::Impl {
public:
    explicit Impl(const TlsOptions& chosen)
        : options(chosen),
          context(chosen.server ? ssl::context::tls_server : ssl::context::tls_client) {}

    TlsOptions options;
    ssl::context context;
};

TlsContext::TlsContext(const TlsOptions& options) : impl_(std::make_unique<Impl>(options)) {
    SSL_CTX* const context = impl_->context.native_handle();
    harden(context, options.allow_tls12);
    if (options.server && options.cert_file.empty())
        throw pki::PkiError("a TLS listener needs a certificate and its key");
    if (!options.server && options.ca_file.empty())
        throw pki::PkiError(
            "dialling with TLS needs trust anchors (ca), else anybody could answer");
    if (options.ca_file.empty() && !options.peer_roles.empty())
        throw pki::PkiError("roles of peers can be demanded only with trust anchors (ca)");

    if (!options.cert_file.empty()) load_own_certificate(context, options);
    if (options.server) SSL_CTX_set_alpn_select_cb(context, choose_application_protocol, nullptr);
    if (options.ca_file.empty()) {
        impl_->context.set_verify_mode(ssl::verify_none);
        return;
    }
    load_trust_anchors(context, options.ca_file);
    SSL_CTX_set_verify_depth(context, kChainDepthMax);
    // A demanded role is never had without a certificate, whatever the other switch says.
    const bool required = options.require_peer_certificate || !options.peer_roles.empty();
    impl_->context.set_verify_mode(required ? ssl::verify_peer | ssl::verify_fail_if_no_peer_cert
                                            : ssl::verify_peer);
    impl_->context.set_verify_callback(
        [roles = options.peer_roles](bool chain_is_good, ssl::verify_context& verification) {
            return verify(chain_is_good, verification, roles);
        });
}

TlsContext::~TlsContext() = default;

ssl::context& TlsContext::native() {
    return impl_->context;
}
const TlsOptions& TlsContext::options() const {
    return impl_->options;
}

}  // namespace sallyport::net
