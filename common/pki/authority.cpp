#include "common/pki/authority.hpp"

#include <algorithm>
#include <array>
#include <filesystem>

#include "common/pki/certificate_index.hpp"
#include "common/pki/durable_file.hpp"
#include "common/pki/issue.hpp"
#include "common/pki/x509_fields.hpp"

namespace sallyport::pki {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kReadableByAll = 0644;
// A line of the index takes at most 300 bytes.
constexpr std::size_t kIndexEntriesMax = 50'000;
constexpr std::size_t kIndexBytesMax = 300 * (kIndexEntriesMax + 1);

std::string certificate_path(const std::string& dir) {
    return (fs::path(dir) / "ca.crt").string();
}
std::string key_path(const std::string& dir) {
    return (fs::path(dir) / "ca.key").string();
}
std::string index_path(const std::string& dir) {
    return (fs::path(dir) / "index").string();
}
std::string lock_path(const std::string& dir) {
    return (fs::path(dir) / "lock").string();
}

/// The plant is the O of the authority's certificate and nowhere else, so it cannot be edited apart
/// from it.
std::string plant_of(X509* root, const std::string& path) {
    const X509_NAME* subject = X509_get_subject_name(root);
    const int at = X509_NAME_get_index_by_NID(subject, NID_organizationName, -1);
    if (at >= 0) {
        const ASN1_STRING* value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
        std::string plant{reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
                          static_cast<std::size_t>(ASN1_STRING_length(value))};
        if (base::is_valid_name(plant)) return plant;
    }
    throw PkiError(path +
                   " names no plant in its subject's O; make the CA with `sallyport-ca init`");
}

void make_private_folder(const std::string& dir) {
    std::error_code error;
    const bool made = fs::create_directories(dir, error);
    if (!error && made) fs::permissions(dir, fs::perms::owner_all, error);
    if (error) throw StorageError("cannot make the folder " + dir + ": " + error.message());
}

void check_order(const SignRequest& request) {
    if (!base::is_valid_name(request.name))
        throw PkiError("the name '" + request.name +
                       "' is not of the form [a-z0-9][a-z0-9._-]{0,62}; choose another");
    if (request.days < 1) throw PkiError("a certificate lives at least one day; give more --days");
    const bool has_hosts = !request.dns_names.empty() || !request.ip_addresses.empty();
    if (request.role == base::Role::server && !has_hosts)
        throw PkiError(
            "a server's certificate needs the names that clients dial; give --dns or --ip");
    if (request.role != base::Role::server && has_hosts)
        throw PkiError("only role server takes --dns and --ip; leave them out");
}

IssuedCertificate index_entry(const CertificateInfo& info, const base::Identity& identity) {
    return {info.serial,    identity.role,    identity.name, info.not_before,
            info.not_after, info.spki_sha256, "valid"};
}

/// Marks the name's earlier certificates as replaced; throws where there is one and `replace` is
/// false.
void free_name(std::vector<IssuedCertificate>& index, const SignRequest& request) {
    for (auto& earlier : index) {
        const bool same = earlier.role == request.role && earlier.name == request.name;
        if (!same || earlier.status != "valid") continue;
        if (!request.replace)
            throw PkiError("the name " + request.name + " is in use as " +
                           std::string(base::to_string(request.role)) + " by serial " +
                           earlier.serial + " until " + base::to_rfc3339(earlier.not_after) +
                           "; choose another, or give --replace");
        earlier.status = "replaced";
    }
}

std::vector<IssuedCertificate> read_index(const std::string& dir) {
    const auto path = index_path(dir);
    return parse_index(read_file(path, kIndexBytesMax), path);
}

void check_out_path(const std::string& out_path, const std::string& dir) {
    refuse_to_replace_other(out_path, "CERTIFICATE");
    // The one certificate in reach that is none of an agent's.
    if (fs::weakly_canonical(out_path) == fs::weakly_canonical(certificate_path(dir)))
        throw PkiError(out_path + " is the CA's own certificate; choose another --out");
}

/// Under `dir`'s lock. ca.crt comes last: with it the authority exists.
void write_authority(const std::string& dir, const PrivateKey& key, X509* root,
                     const std::string& passphrase) {
    for (const auto& path : {certificate_path(dir), key_path(dir), index_path(dir)})
        if (fs::exists(fs::symlink_status(path)))
            throw PkiError(path + " exists, so there is a CA already; choose another --dir");
    key.save(key_path(dir), passphrase);
    try {
        StagedFile index{index_path(dir), format_index({}), kReadableByAll};
        StagedFile certificate{certificate_path(dir), to_pem(root), kReadableByAll};
        index.commit();
        certificate.commit();
    } catch (const StorageError&) {
        // This key signed nothing, and with it in place init would refuse to try again.
        std::error_code ignored;
        fs::remove(index_path(dir), ignored);
        fs::remove(key_path(dir), ignored);
        throw;
    }
}

}  // namespace

Authority::Authority(std::string dir, std::string plant, PrivateKey key)
    : dir_(std::move(dir)), plant_(std::move(plant)), key_(std::move(key)) {}

Authority Authority::init(const std::string& dir, const std::string& plant,
                          const std::string& passphrase, base::WallTime now) {
    if (!base::is_valid_name(plant))
        throw PkiError("the plant '" + plant +
                       "' is not of the form [a-z0-9][a-z0-9._-]{0,62}; choose another");
    const ErrorScope errors;
    auto key = PrivateKey::generate();
    const auto root = build_root(plant, key.native(), now);
    make_private_folder(dir);
    const FileLock lock{lock_path(dir)};
    write_authority(dir, key, root.get(), passphrase);
    return {dir, plant, std::move(key)};
}

Authority Authority::open(const std::string& dir, const std::string& passphrase) {
    const ErrorScope errors;
    const auto path = certificate_path(dir);
    const auto chain = read_certificates(path);
    X509* root = chain.front().get();
    if (X509_check_ca(root) != 1)
        throw PkiError(path +
                       " is no certificate authority's; make the CA with `sallyport-ca init`");
    auto key = PrivateKey::load(key_path(dir), passphrase);
    if (X509_check_private_key(root, key.native()) != 1)
        throw PkiError(key_path(dir) + " is not the key of " + path +
                       "; restore both from one backup");
    return {dir, plant_of(root, path), std::move(key)};
}

CertificateInfo Authority::sign(const SignRequest& request, base::WallTime now) {
    check_order(request);
    const ErrorScope errors;
    check_out_path(request.out_path, dir_);
    const auto csr = read_request(request.request_path);
    EVP_PKEY* subject_key = X509_REQ_get0_pubkey(csr.get());
    if (!is_accepted_key(subject_key))
        throw PkiError(request.request_path + " is for a key of type " + key_type_of(subject_key) +
                       "; only ECDSA P-256 and Ed25519 are accepted");
    const auto chain = read_certificates(certificate_path(dir_));
    const LeafOrder order{{plant_, request.role, request.name},
                          request.days,
                          request.dns_names,
                          request.ip_addresses};
    const auto leaf = build_leaf(order, subject_key, chain.front().get(), key_.native(), now);
    auto info = describe(leaf.get());

    const FileLock lock{lock_path(dir_)};
    auto index = read_index(dir_);
    if (index.size() >= kIndexEntriesMax)
        throw StorageError(index_path(dir_) + " holds " + std::to_string(kIndexEntriesMax) +
                           " certificates, its limit; make a new CA");
    free_name(index, request);
    index.push_back(index_entry(info, order.identity));
    // Both are on the disk before either counts, and the index counts first: a crash between the
    // two leaves an entry without a certificate, never a certificate without an entry.
    StagedFile staged_certificate{request.out_path, to_pem(leaf.get()), kReadableByAll};
    StagedFile staged_index{index_path(dir_), format_index(index), kReadableByAll};
    staged_index.commit();
    staged_certificate.commit();
    return info;
}

std::vector<IssuedCertificate> Authority::list(const std::string& dir) {
    return read_index(dir);
}

}  // namespace sallyport::pki
