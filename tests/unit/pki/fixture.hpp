// A folder of its own and an authority in it for every test, and certificates that no honest
// authority would sign.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "common/pki/authority.hpp"
#include "common/pki/x509_fields.hpp"

namespace sallyport::pki {

// 2026-01-02T03:04:05Z
inline constexpr base::WallTime kNow{1'767'323'045'000'000'000};
inline constexpr base::Duration kDay = std::chrono::hours{24};

class PkiTest : public testing::Test {
protected:
    void SetUp() override {
        std::string form = testing::TempDir() + "sallyport-pki-XXXXXX";
        ASSERT_NE(mkdtemp(form.data()), nullptr);
        folder_ = form;
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    std::string at(const std::string& name) const { return (folder_ / name).string(); }

    static std::string content(const std::string& path) {
        std::ifstream file(path);
        return {std::istreambuf_iterator<char>(file), {}};
    }

    static void write(const std::string& path, const std::string& text) {
        std::ofstream file(path);
        file << text;
        ASSERT_TRUE(file.flush().good());
    }

    static unsigned mode_of(const std::string& path) {
        return static_cast<unsigned>(std::filesystem::status(path).permissions());
    }

    Authority new_authority(const std::string& dir = "ca") const {
        return Authority::init(at(dir), "acme", {}, kNow);
    }

    SignRequest order(const std::string& name, base::Role role = base::Role::edge) const {
        SignRequest request;
        request.role = role;
        request.name = name;
        request.request_path = at("agent.csr");
        request.out_path = at(name + ".crt");
        return request;
    }

private:
    std::filesystem::path folder_;
};

/// The message of the PkiError that `action` throws; empty where it throws none.
template <class Action>
std::string refusal_of(Action&& action) {
    try {
        std::forward<Action>(action)();
    } catch (const PkiError& error) {
        return error.what();
    }
    return {};
}

/// A self-signed leaf with any extensions, each as OpenSSL's configuration text.
inline CertificatePtr forge(EVP_PKEY* key,
                            std::initializer_list<std::pair<int, const char*>> extensions) {
    CertificatePtr leaf{X509_new()};
    X509_set_version(leaf.get(), X509_VERSION_3);
    X509_set_pubkey(leaf.get(), key);
    ASN1_INTEGER_set(X509_get_serialNumber(leaf.get()), 7);
    X509_gmtime_adj(X509_getm_notBefore(leaf.get()), -60);
    X509_gmtime_adj(X509_getm_notAfter(leaf.get()), 3600);
    X509V3_CTX context;
    X509V3_set_ctx(&context, leaf.get(), leaf.get(), nullptr, nullptr, 0);
    for (const auto& [nid, value] : extensions) {
        X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
        X509_add_ext(leaf.get(), extension, -1);
        X509_EXTENSION_free(extension);
    }
    X509_sign(leaf.get(), key, EVP_PKEY_is_a(key, "ED25519") == 1 ? nullptr : EVP_sha256());
    return leaf;
}

}  // namespace sallyport::pki
