// The certificate authority behind sallyport-ca: a directory with a root key and certificate and an
// index of what it signed. One level for now (root signs agents); the index is what `list` shows
// and what keeps a name from being given twice.
#pragma once

#include <string>
#include <vector>

#include "common/pki/certificate.hpp"

namespace sallyport::pki {

struct IssuedCertificate {
    std::string serial;
    base::Role role;
    std::string name;
    base::WallTime not_before, not_after;
    std::string spki_sha256;
    std::string status;  // "valid", "replaced"
};

struct SignRequest {
    base::Role role = base::Role::edge;
    std::string name;
    int days = 397;
    bool replace = false;
    std::vector<std::string> dns_names, ip_addresses;  // role server only, at least one
    std::string request_path, out_path;
};

class Authority {
public:
    /// Makes DIR with ca.crt, ca.key (0600, or encrypted with `passphrase`), index. Refuses a DIR
    /// that holds a CA already.
    static Authority init(const std::string& dir, const std::string& plant,
                          const std::string& passphrase, base::WallTime now);
    static Authority open(const std::string& dir, const std::string& passphrase);

    /// Role, name and names of hosts come from the operator, never from the request; of the request
    /// only the public key is used, after its signature was checked. Refuses a name in use unless
    /// `replace`.
    CertificateInfo sign(const SignRequest& request, base::WallTime now);
    static std::vector<IssuedCertificate> list(const std::string& dir);
    const std::string& plant() const { return plant_; }

private:
    Authority(std::string dir, std::string plant, PrivateKey key);
    std::string dir_, plant_;
    PrivateKey key_;
};

}  // namespace sallyport::pki
