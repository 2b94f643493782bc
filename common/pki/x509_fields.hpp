// Single fields of X.509 objects as plain values; what every file of this folder reads them with.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/time.hpp"
#include "common/pki/certificate.hpp"
#include "common/pki/openssl_types.hpp"

namespace sallyport::pki {

/// "EC P-256", "Ed25519"; other keys by name ("EC P-384", "RSA 2048").
std::string key_type_of(EVP_PKEY* key);
/// The two kinds of key that identities may have. An EC key must name its curve (RFC 5480 section
/// 2.1.1): explicit parameters are another key type.
bool is_accepted_key(EVP_PKEY* key);

/// Lower-case hex of SHA-256 over the DER SubjectPublicKeyInfo.
std::string spki_sha256_of(X509_PUBKEY* spki);

/// A distinguished name on one line (RFC 4514), control characters escaped.
std::string to_text(const X509_NAME* name);

/// Nanoseconds are held to what 64 bits can count: years before 1678 and after 2261 become the
/// ends.
base::WallTime to_wall_time(const ASN1_TIME* time);

CertificateInfo describe(X509* certificate);
RequestInfo describe(X509_REQ* request);

/// Every certificate of a PEM file, at least one, at most 64. Throws PkiError.
std::vector<CertificatePtr> read_certificates(const std::string& path);
/// The request of a PEM file, its signature checked. Throws PkiError.
RequestPtr read_request(const std::string& path);

std::string to_pem(X509* certificate);
std::string to_pem(X509_REQ* request);

}  // namespace sallyport::pki
