// Keys, requests and certificates (X.509 v3, RFC 5280; PKCS #10, RFC 2986) with OpenSSL behind
// plain types.
#pragma once

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "common/base/identity.hpp"
#include "common/base/time.hpp"

struct x509_st;
struct evp_pkey_st;

namespace sallyport::pki {

/// What went wrong, where (file), and what to do. Thrown at start-up and by command line verbs
/// only.
class PkiError : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// A file could not be written or locked: the disk's fault or the folder's, not the identity's.
/// Programs end with 7 on it and with 4 on every other PkiError.
class StorageError : public PkiError {
    using PkiError::PkiError;
};

/// An ECDSA P-256 or Ed25519 private key. Made where it is used, stored 0600, never sent.
class PrivateKey {
public:
    static PrivateKey generate();  // ECDSA P-256
    /// Refuses files that others can read. `passphrase` for an encrypted key.
    static PrivateKey load(const std::string& path, const std::string& passphrase = {});
    /// New file, mode 0600; refuses to overwrite. Encrypted (PKCS #8, AES-256) with a passphrase.
    void save(const std::string& path, const std::string& passphrase = {}) const;
    evp_pkey_st* native() const { return key_.get(); }
    explicit PrivateKey(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)) {}

private:
    std::shared_ptr<evp_pkey_st> key_;
};

/// What a person needs to see of a certificate.
struct CertificateInfo {
    std::optional<base::Identity> identity;  // of its only URI SAN
    std::string subject, issuer, serial;     // serial in hex
    base::WallTime not_before, not_after;
    std::string spki_sha256;  // hex, of the SubjectPublicKeyInfo
    std::vector<std::string> dns_names, ip_addresses;
    bool is_ca = false;
    std::string key_type;  // "EC P-256", "Ed25519", …
};

/// Why a peer's leaf certificate is not acceptable for the tunnel, beyond its chain; empty:
/// acceptable. One URI SAN that is a sallyport identity, not a CA, key ECDSA P-256 or Ed25519, key
/// usage digitalSignature where present.
std::string why_unacceptable(x509_st* leaf);
/// The identity in the only URI SAN; nothing where there is none, several, or one of another form.
std::optional<base::Identity> identity_of(x509_st* leaf);

CertificateInfo inspect_certificate(const std::string& pem_path);
struct RequestInfo {
    std::string subject, spki_sha256, key_type;
};
RequestInfo inspect_request(const std::string& pem_path);

/// `cert request`: makes the key (or takes the one at `key_path`) and writes a signed PKCS #10.
RequestInfo make_request(const std::string& name, const std::string& key_path,
                         const std::string& request_path);

/// `cert install`: checks that `cert_path` fits the key at `key_path`, chains to `ca_path`, has the
/// role and name, and is in its life; then puts both files in place atomically. Throws PkiError,
/// changing nothing, otherwise.
struct InstallTarget {
    std::string key_path, cert_path, ca_path;  // where the agent's configuration wants them
    base::Role role;
    std::string name;
};
CertificateInfo install_certificate(const InstallTarget& target, const std::string& new_cert,
                                    const std::string& new_ca, base::WallTime now);

}  // namespace sallyport::pki
