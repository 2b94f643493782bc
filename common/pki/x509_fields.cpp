#include "common/pki/x509_fields.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <ctime>
#include <limits>

#include <openssl/core_names.h>
#include <openssl/pem.h>
#include <openssl/sha.h>

#include "common/pki/durable_file.hpp"

namespace sallyport::pki {
namespace {

constexpr std::size_t kCertificatesMax = 64;

std::string to_hex(const unsigned char* bytes, std::size_t size) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (std::size_t i = 0; i < size; ++i) {
        text += kDigits[bytes[i] >> 4];
        text += kDigits[bytes[i] & 0x0f];
    }
    return text;
}

std::string take_text(BIO* bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string{};
}

BioPtr new_memory_bio() {
    BioPtr bio{BIO_new(BIO_s_mem())};
    require_openssl(bio != nullptr, "taking memory");
    return bio;
}

BioPtr read_only_bio(const std::string& text) {
    BioPtr bio{BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))};
    require_openssl(bio != nullptr, "taking memory");
    return bio;
}

/// A certificate's strings end on somebody's terminal: what is not printable ASCII is shown as '?'.
std::string printable(const ASN1_STRING* string) {
    std::string text{reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
                     static_cast<std::size_t>(ASN1_STRING_length(string))};
    std::ranges::replace_if(text, [](char c) { return c < 0x20 || c > 0x7e; }, '?');
    return text;
}

std::string ip_text(const ASN1_OCTET_STRING* address) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    const int family = ASN1_STRING_length(address) == 4    ? AF_INET
                       : ASN1_STRING_length(address) == 16 ? AF_INET6
                                                           : AF_UNSPEC;
    if (family == AF_UNSPEC) return "?";
    const char* shown = inet_ntop(family, ASN1_STRING_get0_data(address), text.data(), text.size());
    return shown ? shown : "?";
}

void add_host_names(const X509* certificate, CertificateInfo& info) {
    const GeneralNamesPtr names{static_cast<GENERAL_NAMES*>(
        X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr))};
    if (!names) return;
    for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
        const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
        if (name->type == GEN_DNS) info.dns_names.push_back(printable(name->d.dNSName));
        if (name->type == GEN_IPADD) info.ip_addresses.push_back(ip_text(name->d.iPAddress));
    }
}

std::string ec_key_type(EVP_PKEY* key) {
    int explicit_parameters = 0;
    EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS,
                           &explicit_parameters);
    if (explicit_parameters != 0) return "EC with explicit parameters";
    std::array<char, 64> group{};
    std::size_t size = 0;
    if (EVP_PKEY_get_group_name(key, group.data(), group.size(), &size) != 1) return "EC";
    const std::string_view name{group.data(), size};
    if (name == SN_X9_62_prime256v1 || name == "P-256") return "EC P-256";
    if (name == SN_secp384r1) return "EC P-384";
    return "EC " + std::string(name);
}

}  // namespace

std::string latest_openssl_error() {
    const unsigned long code = ERR_peek_last_error();
    const char* reason = code != 0 ? ERR_reason_error_string(code) : nullptr;
    std::string text = reason ? reason : "no reason given";
    ERR_clear_error();
    return text;
}

void require_openssl(bool ok, const char* doing) {
    if (!ok) throw PkiError(std::string(doing) + ": " + latest_openssl_error());
}

std::string key_type_of(EVP_PKEY* key) {
    const ErrorScope errors;
    if (EVP_PKEY_is_a(key, "EC") == 1) return ec_key_type(key);
    if (EVP_PKEY_is_a(key, "ED25519") == 1) return "Ed25519";
    const char* name = EVP_PKEY_get0_type_name(key);
    return (name ? std::string(name) : std::string("unknown")) + ' ' +
           std::to_string(EVP_PKEY_get_bits(key));
}

bool is_accepted_key(EVP_PKEY* key) {
    const auto type = key_type_of(key);
    return type == "EC P-256" || type == "Ed25519";
}

std::string spki_sha256_of(X509_PUBKEY* spki) {
    unsigned char* der = nullptr;
    const int size = i2d_X509_PUBKEY(spki, &der);
    require_openssl(size > 0, "encoding a public key");
    std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
    const bool ok = EVP_Digest(der, static_cast<std::size_t>(size), digest.data(), nullptr,
                               EVP_sha256(), nullptr) == 1;
    OPENSSL_free(der);
    require_openssl(ok, "hashing a public key");
    return to_hex(digest.data(), digest.size());
}

std::string to_text(const X509_NAME* name) {
    const auto bio = new_memory_bio();
    require_openssl(X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253) >= 0,
                    "printing a name");
    return take_text(bio.get());
}

base::WallTime to_wall_time(const ASN1_TIME* time) {
    constexpr std::int64_t kSecond = 1'000'000'000;
    std::tm calendar{};
    require_openssl(ASN1_TIME_to_tm(time, &calendar) == 1, "reading a time");
    const std::int64_t seconds = timegm(&calendar);
    using Limits = std::numeric_limits<std::int64_t>;
    if (seconds > Limits::max() / kSecond) return {Limits::max()};
    if (seconds < Limits::min() / kSecond) return {Limits::min()};
    return {seconds * kSecond};
}

CertificateInfo describe(X509* certificate) {
    const ErrorScope errors;
    CertificateInfo info;
    info.identity = identity_of(certificate);
    info.subject = to_text(X509_get_subject_name(certificate));
    info.issuer = to_text(X509_get_issuer_name(certificate));
    const ASN1_INTEGER* serial = X509_get0_serialNumber(certificate);
    info.serial =
        to_hex(ASN1_STRING_get0_data(serial), static_cast<std::size_t>(ASN1_STRING_length(serial)));
    info.not_before = to_wall_time(X509_get0_notBefore(certificate));
    info.not_after = to_wall_time(X509_get0_notAfter(certificate));
    info.spki_sha256 = spki_sha256_of(X509_get_X509_PUBKEY(certificate));
    add_host_names(certificate, info);
    info.is_ca = X509_check_ca(certificate) != 0;
    EVP_PKEY* key = X509_get0_pubkey(certificate);
    info.key_type = key ? key_type_of(key) : "unreadable";
    return info;
}

RequestInfo describe(X509_REQ* request) {
    const ErrorScope errors;
    EVP_PKEY* key = X509_REQ_get0_pubkey(request);
    return {to_text(X509_REQ_get_subject_name(request)),
            spki_sha256_of(X509_REQ_get_X509_PUBKEY(request)),
            key ? key_type_of(key) : "unreadable"};
}

std::vector<CertificatePtr> read_certificates(const std::string& path) {
    const auto text = read_file(path);
    const auto bio = read_only_bio(text);
    const ErrorScope errors;
    std::vector<CertificatePtr> certificates;
    while (CertificatePtr next{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
        if (certificates.size() == kCertificatesMax)
            throw PkiError(path + " holds more than " + std::to_string(kCertificatesMax) +
                           " certificates; give only those that are needed");
        certificates.push_back(std::move(next));
    }
    // Running out of PEM blocks is the loop's ordinary end; every other error is a broken block.
    const auto code = ERR_peek_last_error();
    const bool at_end =
        ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
    if (!at_end)
        throw PkiError(path + " holds a broken certificate (" + latest_openssl_error() +
                       "); copy the file again");
    if (certificates.empty())
        throw PkiError(path + " holds no PEM certificate; give the file that `sign` wrote");
    return certificates;
}

RequestPtr read_request(const std::string& path) {
    const auto text = read_file(path);
    const auto bio = read_only_bio(text);
    const ErrorScope errors;
    RequestPtr request{PEM_read_bio_X509_REQ(bio.get(), nullptr, nullptr, nullptr)};
    if (!request)
        throw PkiError(path + " holds no PEM certificate request; make one with `cert request`");
    EVP_PKEY* key = X509_REQ_get0_pubkey(request.get());
    if (!key)
        throw PkiError(path + ": the request's public key cannot be read; make a new request");
    if (X509_REQ_verify(request.get(), key) != 1)
        throw PkiError(path + ": the request's signature is not its key's; make a new request");
    return request;
}

std::string to_pem(X509* certificate) {
    const auto bio = new_memory_bio();
    require_openssl(PEM_write_bio_X509(bio.get(), certificate) == 1, "encoding a certificate");
    return take_text(bio.get());
}

std::string to_pem(X509_REQ* request) {
    const auto bio = new_memory_bio();
    require_openssl(PEM_write_bio_X509_REQ(bio.get(), request) == 1, "encoding a request");
    return take_text(bio.get());
}

}  // namespace sallyport::pki
