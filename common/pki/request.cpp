#include <filesystem>

#include "common/pki/durable_file.hpp"
#include "common/pki/x509_fields.hpp"

namespace sallyport::pki {
namespace {

constexpr unsigned kReadableByAll = 0644;

PrivateKey make_or_take_key(const std::string& path) {
    // lexists, not exists: a dangling link is something to report, not a place to write through.
    std::error_code error;
    const auto type = std::filesystem::symlink_status(path, error).type();
    if (type != std::filesystem::file_type::not_found) return PrivateKey::load(path);
    auto key = PrivateKey::generate();
    key.save(path);
    return key;
}

RequestPtr sign_request(const std::string& name, EVP_PKEY* key) {
    RequestPtr request{X509_REQ_new()};
    require_openssl(request != nullptr, "making a request");
    X509_NAME* subject = X509_REQ_get_subject_name(request.get());
    // A note for the person who compares; the authority takes nothing from it.
    require_openssl(X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
                                               reinterpret_cast<const unsigned char*>(name.data()),
                                               static_cast<int>(name.size()), -1, 0) == 1 &&
                        X509_REQ_set_version(request.get(), X509_REQ_VERSION_1) == 1 &&
                        X509_REQ_set_pubkey(request.get(), key) == 1,
                    "filling a request");
    // Ed25519 hashes inside, so it takes no digest.
    const EVP_MD* digest = EVP_PKEY_is_a(key, "ED25519") == 1 ? nullptr : EVP_sha256();
    require_openssl(X509_REQ_sign(request.get(), key, digest) > 0, "signing a request");
    return request;
}

}  // namespace

RequestInfo make_request(const std::string& name, const std::string& key_path,
                         const std::string& request_path) {
    if (!base::is_valid_name(name))
        throw PkiError("the name '" + name +
                       "' is not of the form [a-z0-9][a-z0-9._-]{0,62}; choose another");
    const ErrorScope errors;
    refuse_to_replace_other(request_path, "CERTIFICATE REQUEST");
    if (std::filesystem::weakly_canonical(request_path) ==
        std::filesystem::weakly_canonical(key_path))
        throw PkiError("key and request are both " + key_path + "; give two paths");
    const auto key = make_or_take_key(key_path);
    const auto request = sign_request(name, key.native());
    StagedFile(request_path, to_pem(request.get()), kReadableByAll).commit();
    return describe(request.get());
}

}  // namespace sallyport::pki
