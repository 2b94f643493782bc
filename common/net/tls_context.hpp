// TLS settings made from PEM files, and the decision whom to let in. The tunnel speaks TLS 1.3
// only, with its own trust anchors, no tickets, no resumption, no 0-RTT.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "common/base/identity.hpp"

namespace boost::asio::ssl {
class context;
}

namespace sallyport::net {

struct TlsOptions {
    std::string
        ca_file;  // PEM bundle of trust anchors; empty: peers are not asked for a certificate
    std::string cert_file, key_file;
    bool server = false;
    bool allow_tls12 = false;              // MQTT listeners only
    bool require_peer_certificate = true;  // with ca_file
    /// Roles the peer's certificate may have. Empty: its identity is optional (MQTT device
    /// listeners). Otherwise the certificate must hold exactly one URI SAN and it must be a
    /// sallyport identity of one of these roles; anything else fails the handshake, before any
    /// application byte.
    std::set<base::Role> peer_roles;
};

class TlsContext {
public:
    /// Throws pki::PkiError with file and reason where a file cannot be read or does not fit, and
    /// where the options would leave a door open: dialling without trust anchors, roles without
    /// them. With peer_roles a certificate is required whatever require_peer_certificate says.
    explicit TlsContext(const TlsOptions& options);
    ~TlsContext();
    TlsContext(const TlsContext&) = delete;
    TlsContext& operator=(const TlsContext&) = delete;

    boost::asio::ssl::context& native();
    const TlsOptions& options() const;

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace sallyport::net
