#include "common/pki/issue.hpp"

#include <algorithm>
#include <cctype>

namespace sallyport::pki {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr long kBackdatedSeconds = 300;  // clocks on the floor run behind
constexpr int kRootDays = 20 * 365 + 5;  // twenty years with their leap days
constexpr int kSerialBits = 127;         // positive in 16 octets (RFC 5280 section 4.1.2.2)

void set_random_serial(X509* certificate) {
    const BignumPtr serial{BN_new()};
    require_openssl(serial != nullptr, "taking memory");
    do {
        require_openssl(
            BN_rand(serial.get(), kSerialBits, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1,
            "drawing a serial");
    } while (BN_is_zero(serial.get()));
    require_openssl(BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate)) != nullptr,
                    "setting a serial");
}

void set_life(X509* certificate, base::WallTime now, int days) {
    auto at = static_cast<time_t>(now.ns / kSecond);
    const bool ok =
        X509_time_adj_ex(X509_getm_notBefore(certificate), 0, -kBackdatedSeconds, &at) &&
        X509_time_adj_ex(X509_getm_notAfter(certificate), days, 0, &at);
    require_openssl(ok, "setting a life");
}

void add_name_entry(X509_NAME* name, int nid, const std::string& text) {
    require_openssl(X509_NAME_add_entry_by_NID(name, nid, MBSTRING_UTF8,
                                               reinterpret_cast<const unsigned char*>(text.data()),
                                               static_cast<int>(text.size()), -1, 0) == 1,
                    "setting a name");
}

void add_extension(X509* certificate, X509* issuer, int nid, const char* value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
    require_openssl(extension != nullptr, "making an extension");
    const bool ok = X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    require_openssl(ok, "adding an extension");
}

/// A host name by RFC 1123: labels of letters, digits and inner hyphens. Wildcards are not issued.
bool is_host_name(const std::string& name) {
    if (name.empty() || name.size() > 253) return false;
    std::size_t label = 0;
    char before = '.';
    for (const char c : name + '.') {
        const bool alphanumeric = std::isalnum(static_cast<unsigned char>(c)) != 0;
        if (c == '.' ? (label == 0 || before == '-') : (!alphanumeric && (c != '-' || label == 0)))
            return false;
        label = c == '.' ? 0 : label + 1;
        if (label > 63) return false;
        before = c;
    }
    return true;
}

void push_text_name(GENERAL_NAMES* names, int type, const std::string& text) {
    GENERAL_NAME* name = GENERAL_NAME_new();
    ASN1_IA5STRING* value = ASN1_IA5STRING_new();
    require_openssl(
        name && value && ASN1_STRING_set(value, text.data(), static_cast<int>(text.size())) == 1,
        "making a name");
    GENERAL_NAME_set0_value(name, type, value);
    require_openssl(sk_GENERAL_NAME_push(names, name) > 0, "making a name");
}

void push_address(GENERAL_NAMES* names, const std::string& text) {
    ASN1_OCTET_STRING* value = a2i_IPADDRESS(text.c_str());
    if (!value) throw PkiError("'" + text + "' is no IPv4 or IPv6 address; check --ip");
    GENERAL_NAME* name = GENERAL_NAME_new();
    require_openssl(name != nullptr, "making a name");
    GENERAL_NAME_set0_value(name, GEN_IPADD, value);
    require_openssl(sk_GENERAL_NAME_push(names, name) > 0, "making a name");
}

/// Built as values, not through OpenSSL's configuration text, so that no character of a name has
/// meaning.
void add_san(X509* certificate, const LeafOrder& order) {
    const GeneralNamesPtr names{GENERAL_NAMES_new()};
    require_openssl(names != nullptr, "taking memory");
    push_text_name(names.get(), GEN_URI, base::to_uri(order.identity));
    for (const auto& name : order.dns_names) {
        if (!is_host_name(name)) throw PkiError("'" + name + "' is no host name; check --dns");
        push_text_name(names.get(), GEN_DNS, name);
    }
    for (const auto& address : order.ip_addresses) push_address(names.get(), address);
    require_openssl(X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0,
                                      X509V3_ADD_DEFAULT) == 1,
                    "adding a subjectAltName");
}

const char* extended_usage_of(base::Role role) {
    switch (role) {
        case base::Role::edge:
        case base::Role::relay:
        case base::Role::it: return "serverAuth,clientAuth";
        case base::Role::server: return "serverAuth";
        case base::Role::client: return "clientAuth";
    }
    return "clientAuth";
}

CertificatePtr begin_certificate(EVP_PKEY* subject_key, base::WallTime now, int days) {
    CertificatePtr certificate{X509_new()};
    require_openssl(certificate != nullptr, "taking memory");
    require_openssl(X509_set_version(certificate.get(), X509_VERSION_3) == 1 &&
                        X509_set_pubkey(certificate.get(), subject_key) == 1,
                    "making a certificate");
    set_random_serial(certificate.get());
    set_life(certificate.get(), now, days);
    return certificate;
}

void sign(X509* certificate, EVP_PKEY* key) {
    // Ed25519 hashes inside, so it takes no digest.
    const EVP_MD* digest = EVP_PKEY_is_a(key, "ED25519") == 1 ? nullptr : EVP_sha256();
    require_openssl(X509_sign(certificate, key, digest) > 0, "signing a certificate");
}

}  // namespace

CertificatePtr build_root(const std::string& plant, EVP_PKEY* key, base::WallTime now) {
    auto root = begin_certificate(key, now, kRootDays);
    X509_NAME* subject = X509_get_subject_name(root.get());
    add_name_entry(subject, NID_organizationName, plant);
    add_name_entry(subject, NID_commonName, "Sallyport root CA");
    require_openssl(X509_set_issuer_name(root.get(), subject) == 1, "setting a name");
    add_extension(root.get(), root.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
    add_extension(root.get(), root.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
    add_extension(root.get(), root.get(), NID_subject_key_identifier, "hash");
    sign(root.get(), key);
    return root;
}

CertificatePtr build_leaf(const LeafOrder& order, EVP_PKEY* subject_key, X509* root,
                          EVP_PKEY* root_key, base::WallTime now) {
    auto leaf = begin_certificate(subject_key, now, order.days);
    const auto ends = to_wall_time(X509_get0_notAfter(leaf.get()));
    const auto root_ends = to_wall_time(X509_get0_notAfter(root));
    if (ends > root_ends)
        throw PkiError("a life of " + std::to_string(order.days) + " days outlasts the CA, which " +
                       "ends at " + base::to_rfc3339(root_ends) + "; give fewer --days");
    X509_NAME* subject = X509_get_subject_name(leaf.get());
    add_name_entry(subject, NID_organizationName, order.identity.plant);
    add_name_entry(subject, NID_commonName, order.identity.name);
    require_openssl(X509_set_issuer_name(leaf.get(), X509_get_subject_name(root)) == 1,
                    "setting a name");
    add_extension(leaf.get(), root, NID_basic_constraints, "critical,CA:FALSE");
    add_extension(leaf.get(), root, NID_key_usage, "critical,digitalSignature");
    add_extension(leaf.get(), root, NID_ext_key_usage, extended_usage_of(order.identity.role));
    add_extension(leaf.get(), root, NID_subject_key_identifier, "hash");
    add_extension(leaf.get(), root, NID_authority_key_identifier, "keyid:always");
    add_san(leaf.get(), order);
    sign(leaf.get(), root_key);
    return leaf;
}

}  // namespace sallyport::pki
