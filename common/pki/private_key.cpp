#include <openssl/pem.h>
#include <openssl/pkcs12.h>

#include "common/base/assert.hpp"
#include "common/pki/durable_file.hpp"
#include "common/pki/x509_fields.hpp"

namespace sallyport::pki {
namespace {

// PBKDF2 with HMAC-SHA-256: OWASP's 2023 figure. Paid once per command.
constexpr int kPassphraseIterations = 600'000;
constexpr int kSaltBytes = 16;
constexpr std::size_t kPassphraseBytesMax = PEM_BUFSIZE;  // what loading can ask for

using Pkcs8Ptr = std::unique_ptr<PKCS8_PRIV_KEY_INFO, FreeWith<PKCS8_PRIV_KEY_INFO_free>>;
using EncryptedPtr = std::unique_ptr<X509_SIG, FreeWith<X509_SIG_free>>;

struct PassphraseQuestion {
    const std::string& passphrase;
    bool asked = false;
};

/// Answers OpenSSL's question for a passphrase; without this it would ask on the terminal, which a
/// service does not have.
int answer_passphrase(char* buffer, int size, int /*for_writing*/, void* context) {
    auto& question = *static_cast<PassphraseQuestion*>(context);
    question.asked = true;
    const auto& text = question.passphrase;
    if (text.empty() || text.size() > static_cast<std::size_t>(size)) return -1;
    text.copy(buffer, text.size());
    return static_cast<int>(text.size());
}

BioPtr new_secret_bio() {
    BioPtr bio{BIO_new(BIO_s_secmem())};
    require_openssl(bio != nullptr, "taking memory");
    return bio;
}

void write_encrypted(BIO* bio, EVP_PKEY* key, const std::string& passphrase) {
    const Pkcs8Ptr plain{EVP_PKEY2PKCS8(key)};
    require_openssl(plain != nullptr, "encoding a key");
    // -1 asks for PBES2 with the library's pseudo-random function, HMAC-SHA-256.
    const EncryptedPtr encrypted{PKCS8_encrypt(-1, EVP_aes_256_cbc(), passphrase.data(),
                                               static_cast<int>(passphrase.size()), nullptr,
                                               kSaltBytes, kPassphraseIterations, plain.get())};
    require_openssl(encrypted != nullptr, "encrypting a key");
    require_openssl(PEM_write_bio_PKCS8(bio, encrypted.get()) == 1, "encoding a key");
}

}  // namespace

PrivateKey PrivateKey::generate() {
    KeyPtr key{EVP_EC_gen("P-256")};
    require_openssl(key != nullptr, "making a key");
    return PrivateKey{std::shared_ptr<EVP_PKEY>{std::move(key)}};
}

PrivateKey PrivateKey::load(const std::string& path, const std::string& passphrase) {
    auto text = read_private_file(path);
    const ErrorScope errors;
    PassphraseQuestion question{passphrase};
    KeyPtr key;
    {
        const BioPtr bio{BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))};
        require_openssl(bio != nullptr, "taking memory");
        key.reset(PEM_read_bio_PrivateKey(bio.get(), nullptr, answer_passphrase, &question));
    }
    OPENSSL_cleanse(text.data(), text.size());
    if (!key && question.asked && passphrase.empty())
        throw PkiError(path + " is encrypted; give its passphrase");
    if (!key && question.asked) throw PkiError(path + " does not open with this passphrase");
    if (!key) throw PkiError(path + " holds no PEM private key; check the path");
    if (!is_accepted_key(key.get()))
        throw PkiError(path + " holds a key of type " + key_type_of(key.get()) +
                       "; only ECDSA P-256 and Ed25519 are accepted");
    return PrivateKey{std::shared_ptr<EVP_PKEY>{std::move(key)}};
}

void PrivateKey::save(const std::string& path, const std::string& passphrase) const {
    SALLYPORT_ASSERT(key_ != nullptr);
    if (passphrase.size() > kPassphraseBytesMax)
        throw PkiError("the passphrase for " + path + " is longer than " +
                       std::to_string(kPassphraseBytesMax) + " bytes; choose a shorter one");
    const ErrorScope errors;
    const auto bio = new_secret_bio();
    if (passphrase.empty()) {
        require_openssl(PEM_write_bio_PKCS8PrivateKey(bio.get(), key_.get(), nullptr, nullptr, 0,
                                                      nullptr, nullptr) == 1,
                        "encoding a key");
    } else {
        write_encrypted(bio.get(), key_.get(), passphrase);
    }
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    require_openssl(size > 0, "encoding a key");
    // A view: the only copy of the text is the one that the BIO clears.
    write_new_private_file(path, {data, static_cast<std::size_t>(size)});
}

}  // namespace sallyport::pki
