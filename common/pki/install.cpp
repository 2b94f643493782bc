// `cert install`: everything is checked before anything on the disk changes.
#include <filesystem>
#include <vector>

#include "common/pki/durable_file.hpp"
#include "common/pki/x509_fields.hpp"

namespace sallyport::pki {
namespace {

constexpr unsigned kReadableByAll = 0644;
constexpr std::int64_t kSecond = 1'000'000'000;

void check_identity(const CertificateInfo& info, const InstallTarget& target,
                    const std::string& path) {
    // why_unacceptable came first, so there is one.
    const auto& identity = info.identity.value();
    const auto wanted = std::string(base::to_string(target.role)) + '/' + target.name;
    if (identity.role != target.role || identity.name != target.name)
        throw PkiError(path + " is for " + base::to_uri(identity) + " but this agent is " + wanted +
                       "; install the certificate signed for it");
}

void check_life(const CertificateInfo& info, base::WallTime now, const std::string& path) {
    if (now < info.not_before)
        throw PkiError(path + " is not valid before " + base::to_rfc3339(info.not_before) +
                       " and the clock says " + base::to_rfc3339(now) + "; check the clock");
    if (now >= info.not_after)
        throw PkiError(path + " expired at " + base::to_rfc3339(info.not_after) +
                       " (the clock says " + base::to_rfc3339(now) + "); have a new one signed");
}

/// What the certificate will be used as: the tunnel's roles are both ends of TLS.
std::vector<int> purposes_of(base::Role role) {
    switch (role) {
        case base::Role::edge:
        case base::Role::relay:
        case base::Role::it: return {X509_PURPOSE_SSL_SERVER, X509_PURPOSE_SSL_CLIENT};
        case base::Role::server: return {X509_PURPOSE_SSL_SERVER};
        case base::Role::client: return {X509_PURPOSE_SSL_CLIENT};
    }
    return {};
}

class Chain {
public:
    Chain(const std::vector<CertificatePtr>& chain, const std::vector<CertificatePtr>& anchors,
          const std::string& ca_path)
        : leaf_(chain.front().get()), store_(X509_STORE_new()), others_(sk_X509_new_null()) {
        require_openssl(store_ && others_, "taking memory");
        for (const auto& anchor : anchors) {
            if (X509_check_ca(anchor.get()) == 0)
                throw PkiError(ca_path + " holds a certificate that is not a certificate " +
                               "authority's; give the authority's ca.crt");
            require_openssl(X509_STORE_add_cert(store_.get(), anchor.get()) == 1,
                            "taking a trust anchor");
        }
        for (std::size_t i = 1; i < chain.size(); ++i)
            require_openssl(sk_X509_push(others_.get(), chain[i].get()) > 0, "taking memory");
    }

    /// Empty: the leaf chains to an anchor and may be used for `purpose` at `now`.
    std::string why_broken(int purpose, base::WallTime now) const {
        const StoreContextPtr context{X509_STORE_CTX_new()};
        require_openssl(
            context && X509_STORE_CTX_init(context.get(), store_.get(), leaf_, others_.get()) == 1,
            "preparing to verify a chain");
        X509_STORE_CTX_set_time(context.get(), 0, static_cast<time_t>(now.ns / kSecond));
        require_openssl(X509_STORE_CTX_set_purpose(context.get(), purpose) == 1,
                        "preparing to verify a chain");
        if (X509_verify_cert(context.get()) == 1) return {};
        return X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()));
    }

private:
    struct FreeStack {
        void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }
    };
    X509* leaf_;
    StorePtr store_;
    std::unique_ptr<STACK_OF(X509), FreeStack> others_;  // borrows its certificates
};

/// Written anew from what was parsed, so that nothing else in the given file comes along.
std::string to_pem(const std::vector<CertificatePtr>& certificates) {
    std::string text;
    for (const auto& certificate : certificates) text += pki::to_pem(certificate.get());
    return text;
}

}  // namespace

CertificateInfo install_certificate(const InstallTarget& target, const std::string& new_cert,
                                    const std::string& new_ca, base::WallTime now) {
    const ErrorScope errors;
    const auto key = PrivateKey::load(target.key_path);
    const auto chain = read_certificates(new_cert);
    const auto anchors = read_certificates(new_ca);
    X509* leaf = chain.front().get();

    if (const auto reason = why_unacceptable(leaf); !reason.empty())
        throw PkiError(new_cert + " cannot be an agent's certificate: " + reason);
    if (X509_check_private_key(leaf, key.native()) != 1)
        throw PkiError(new_cert + " is for another key than " + target.key_path +
                       "; have the request of this key signed");
    auto info = describe(leaf);
    check_identity(info, target, new_cert);
    check_life(info, now, new_cert);
    const Chain verifier{chain, anchors, new_ca};
    for (const int purpose : purposes_of(target.role)) {
        const auto reason = verifier.why_broken(purpose, now);
        if (reason.empty()) continue;
        std::string message = new_cert + " does not verify against ";
        message += new_ca + " (";
        message += reason + "); give the ca.crt of the authority that signed it";
        throw PkiError(message);
    }

    refuse_to_replace_other(target.cert_path, "CERTIFICATE");
    refuse_to_replace_other(target.ca_path, "CERTIFICATE");
    if (std::filesystem::weakly_canonical(target.cert_path) ==
        std::filesystem::weakly_canonical(target.ca_path))
        throw PkiError("certificate and CA are both " + target.cert_path +
                       "; give [tls] two paths");
    StagedFile staged_ca{target.ca_path, to_pem(anchors), kReadableByAll};
    StagedFile staged_certificate{target.cert_path, to_pem(chain), kReadableByAll};
    staged_ca.commit();
    staged_certificate.commit();
    return info;
}

}  // namespace sallyport::pki
