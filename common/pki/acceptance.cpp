// Which leaf certificates name an agent: asked by the TLS layer of every peer, and by `cert
// install`.
#include <cstdint>

#include "common/base/assert.hpp"
#include "common/pki/certificate.hpp"
#include "common/pki/openssl_types.hpp"
#include "common/pki/x509_fields.hpp"

namespace sallyport::pki {
namespace {

enum class SanVerdict { identity, absent, unreadable, no_uri, several_uris, foreign_uri };

struct SanReading {
    SanVerdict verdict = SanVerdict::absent;
    std::optional<base::Identity> identity;
};

SanReading read_san(const X509* leaf) {
    int found = 0;  // -1: none, -2: the extension stands twice, else its critical flag
    const GeneralNamesPtr names{
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(leaf, NID_subject_alt_name, &found, nullptr))};
    if (!names) return {found == -1 ? SanVerdict::absent : SanVerdict::unreadable, std::nullopt};

    const ASN1_IA5STRING* uri = nullptr;
    for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
        const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
        if (name->type != GEN_URI) continue;
        if (uri) return {SanVerdict::several_uris, std::nullopt};
        uri = name->d.uniformResourceIdentifier;
    }
    if (!uri) return {SanVerdict::no_uri, std::nullopt};
    // With its length, so that an embedded NUL cannot hide the rest of the text from the parser.
    const std::string_view text{reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
                                static_cast<std::size_t>(ASN1_STRING_length(uri))};
    auto identity = base::parse_identity_uri(text);
    const auto verdict = identity ? SanVerdict::identity : SanVerdict::foreign_uri;
    return {verdict, std::move(identity)};
}

std::string explain(SanVerdict verdict) {
    switch (verdict) {
        case SanVerdict::identity: return {};
        case SanVerdict::absent: return "it has no subjectAltName";
        case SanVerdict::unreadable: return "its subjectAltName cannot be read";
        case SanVerdict::no_uri: return "its subjectAltName has no URI";
        case SanVerdict::several_uris: return "its subjectAltName has more than one URI";
        case SanVerdict::foreign_uri:
            return "its URI is not of the form sallyport://<plant>/<role>/<name>";
    }
    return "its subjectAltName cannot be read";
}

}  // namespace

std::string why_unacceptable(x509_st* leaf) {
    SALLYPORT_ASSERT(leaf != nullptr);
    const ErrorScope errors;
    // Flags are computed on the first question about them; EXFLAG_INVALID covers every extension
    // that OpenSSL knows and could not decode.
    const std::uint32_t flags = X509_get_extension_flags(leaf);
    if ((flags & EXFLAG_INVALID) != 0) return "one of its extensions cannot be read";
    if ((X509_get_extension_flags(leaf) & EXFLAG_CA) != 0) return "it is a certificate authority's";

    if (auto reason = explain(read_san(leaf).verdict); !reason.empty()) return reason;

    EVP_PKEY* key = X509_get0_pubkey(leaf);
    if (!key) return "its public key cannot be read";
    if (!is_accepted_key(key))
        return "its key is " + key_type_of(key) + ", neither ECDSA P-256 nor Ed25519";

    // UINT32_MAX, all bits set, where the extension is absent.
    if ((X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE) == 0)
        return "its key usage lacks digitalSignature";
    return {};
}

std::optional<base::Identity> identity_of(x509_st* leaf) {
    SALLYPORT_ASSERT(leaf != nullptr);
    const ErrorScope errors;
    return read_san(leaf).identity;
}

}  // namespace sallyport::pki
