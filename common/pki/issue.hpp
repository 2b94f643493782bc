// Builds certificates (RFC 5280): the authority's own and those it signs. No files and no index
// here.
#pragma once

#include <string>
#include <vector>

#include "common/pki/x509_fields.hpp"

namespace sallyport::pki {

/// Self-signed, CA, pathlen 0, twenty years; the subject's O is the plant.
CertificatePtr build_root(const std::string& plant, EVP_PKEY* key, base::WallTime now);

struct LeafOrder {
    base::Identity identity;
    int days = 0;
    std::vector<std::string> dns_names, ip_addresses;
};

/// Signed by `root`, whose key is `root_key`. Throws PkiError where the life would outlast the
/// root's or a host name or address is not one.
CertificatePtr build_leaf(const LeafOrder& order, EVP_PKEY* subject_key, X509* root,
                          EVP_PKEY* root_key, base::WallTime now);

}  // namespace sallyport::pki
