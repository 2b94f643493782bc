#include "tests/unit/pki/fixture.hpp"

namespace sallyport::pki {
namespace {

constexpr const char* kUri = "URI:sallyport://acme/edge/line3";

KeyPtr p256() {
    return KeyPtr{EVP_EC_gen("P-256")};
}

TEST(Acceptance, TakesALeafWithOneIdentityUri) {
    const auto key = p256();
    const auto leaf = forge(key.get(), {{NID_subject_alt_name, kUri}});
    EXPECT_EQ(why_unacceptable(leaf.get()), "");
    EXPECT_EQ(identity_of(leaf.get()), (base::Identity{"acme", base::Role::edge, "line3"}));
}

TEST(Acceptance, TakesDnsAndIpNamesBesideTheUri) {
    const auto key = p256();
    const auto leaf =
        forge(key.get(), {{NID_subject_alt_name,
                           "DNS:mqtt.line3,URI:sallyport://acme/server/mqtt3,IP:192.168.10.2"}});
    EXPECT_EQ(why_unacceptable(leaf.get()), "");
    EXPECT_EQ(identity_of(leaf.get()), (base::Identity{"acme", base::Role::server, "mqtt3"}));
}

TEST(Acceptance, TakesEd25519) {
    const KeyPtr key{EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")};
    const auto leaf = forge(key.get(), {{NID_subject_alt_name, kUri}});
    EXPECT_EQ(why_unacceptable(leaf.get()), "");
}

TEST(Acceptance, RefusesTwoUris) {
    const auto key = p256();
    const auto leaf =
        forge(key.get(), {{NID_subject_alt_name,
                           "URI:sallyport://acme/edge/line3,URI:sallyport://acme/edge/line4"}});
    EXPECT_NE(why_unacceptable(leaf.get()).find("more than one URI"), std::string::npos);
    EXPECT_EQ(identity_of(leaf.get()), std::nullopt);
}

TEST(Acceptance, RefusesTwoSubjectAltNames) {
    const auto key = p256();
    const auto leaf =
        forge(key.get(), {{NID_subject_alt_name, kUri}, {NID_subject_alt_name, kUri}});
    EXPECT_NE(why_unacceptable(leaf.get()), "");
    EXPECT_EQ(identity_of(leaf.get()), std::nullopt);
}

TEST(Acceptance, RefusesAnAuthority) {
    const auto key = p256();
    const auto leaf = forge(
        key.get(), {{NID_subject_alt_name, kUri}, {NID_basic_constraints, "critical,CA:TRUE"}});
    EXPECT_NE(why_unacceptable(leaf.get()).find("authority"), std::string::npos);
}

TEST(Acceptance, RefusesRsa) {
    const KeyPtr key{EVP_RSA_gen(2048)};
    const auto leaf = forge(key.get(), {{NID_subject_alt_name, kUri}});
    EXPECT_NE(why_unacceptable(leaf.get()).find("RSA 2048"), std::string::npos);
}

TEST(Acceptance, RefusesAnotherCurve) {
    const KeyPtr key{EVP_EC_gen("P-384")};
    const auto leaf = forge(key.get(), {{NID_subject_alt_name, kUri}});
    EXPECT_NE(why_unacceptable(leaf.get()).find("P-384"), std::string::npos);
}

TEST(Acceptance, RefusesAForeignUri) {
    const auto key = p256();
    for (const char* uri : {"URI:https://acme/edge/line3", "URI:sallyport://acme/edge/line3/x",
                            "URI:sallyport://acme/boss/line3", "URI:sallyport://acme/edge/Line3"}) {
        const auto leaf = forge(key.get(), {{NID_subject_alt_name, uri}});
        EXPECT_NE(why_unacceptable(leaf.get()).find("not of the form"), std::string::npos) << uri;
        EXPECT_EQ(identity_of(leaf.get()), std::nullopt) << uri;
    }
}

TEST(Acceptance, RefusesAUriThatGoesOnBehindANul) {
    const auto key = p256();
    const GeneralNamesPtr names{GENERAL_NAMES_new()};
    const std::string text{"sallyport://acme/edge/line3\0.evil", 33};
    ASN1_IA5STRING* value = ASN1_IA5STRING_new();
    ASN1_STRING_set(value, text.data(), static_cast<int>(text.size()));
    GENERAL_NAME* name = GENERAL_NAME_new();
    GENERAL_NAME_set0_value(name, GEN_URI, value);
    sk_GENERAL_NAME_push(names.get(), name);
    const auto leaf = forge(key.get(), {});
    X509_add1_ext_i2d(leaf.get(), NID_subject_alt_name, names.get(), 0, X509V3_ADD_DEFAULT);
    EXPECT_EQ(identity_of(leaf.get()), std::nullopt);
    EXPECT_NE(why_unacceptable(leaf.get()), "");
}

TEST(Acceptance, RefusesALeafWithoutSubjectAltName) {
    const auto key = p256();
    const auto leaf = forge(key.get(), {});
    EXPECT_NE(why_unacceptable(leaf.get()).find("no subjectAltName"), std::string::npos);
    EXPECT_EQ(identity_of(leaf.get()), std::nullopt);
}

TEST(Acceptance, RefusesASubjectAltNameWithoutUri) {
    const auto key = p256();
    const auto leaf = forge(key.get(), {{NID_subject_alt_name, "DNS:line3"}});
    EXPECT_NE(why_unacceptable(leaf.get()).find("no URI"), std::string::npos);
}

TEST(Acceptance, RefusesAKeyUsageWithoutDigitalSignature) {
    const auto key = p256();
    const auto leaf = forge(
        key.get(), {{NID_subject_alt_name, kUri}, {NID_key_usage, "critical,keyEncipherment"}});
    EXPECT_NE(why_unacceptable(leaf.get()).find("digitalSignature"), std::string::npos);
}

TEST(Acceptance, LeavesOpenSslsErrorQueueAsItWas) {
    ERR_clear_error();
    const auto key = p256();
    const auto leaf =
        forge(key.get(), {{NID_subject_alt_name, kUri}, {NID_subject_alt_name, kUri}});
    ERR_clear_error();
    ERR_raise(ERR_LIB_USER, 42);
    EXPECT_NE(why_unacceptable(leaf.get()), "");
    EXPECT_EQ(ERR_GET_REASON(ERR_get_error()), 42);
    EXPECT_EQ(ERR_get_error(), 0U);
}

}  // namespace
}  // namespace sallyport::pki
