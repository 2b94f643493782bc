#include "tests/unit/pki/fixture.hpp"

namespace sallyport::pki {
namespace {

class PrivateKeyTest : public PkiTest {};

TEST_F(PrivateKeyTest, IsSavedForItsOwnerOnlyAndReadBack) {
    const auto key = PrivateKey::generate();
    key.save(at("a.key"));
    EXPECT_EQ(mode_of(at("a.key")), 0600U);
    EXPECT_EQ(EVP_PKEY_eq(PrivateKey::load(at("a.key")).native(), key.native()), 1);
    EXPECT_EQ(key_type_of(key.native()), "EC P-256");
}

TEST_F(PrivateKeyTest, IsNeverOverwritten) {
    PrivateKey::generate().save(at("a.key"));
    const auto before = content(at("a.key"));
    EXPECT_NE(
        refusal_of([&] { PrivateKey::generate().save(at("a.key")); }).find("never overwritten"),
        std::string::npos);
    EXPECT_EQ(content(at("a.key")), before);
}

TEST_F(PrivateKeyTest, IsNotWrittenThroughALink) {
    std::filesystem::create_symlink(at("elsewhere"), at("a.key"));
    EXPECT_NE(refusal_of([&] { PrivateKey::generate().save(at("a.key")); }), "");
    EXPECT_FALSE(std::filesystem::exists(at("elsewhere")));
}

TEST_F(PrivateKeyTest, IsRefusedWhereOthersCanReadIt) {
    PrivateKey::generate().save(at("a.key"));
    for (const auto mode : {std::filesystem::perms::group_read, std::filesystem::perms::others_read,
                            std::filesystem::perms::group_write}) {
        std::filesystem::permissions(at("a.key"), std::filesystem::perms::owner_read | mode);
        EXPECT_NE(refusal_of([&] { PrivateKey::load(at("a.key")); }).find("chmod 600"),
                  std::string::npos);
    }
}

TEST_F(PrivateKeyTest, OpensWithItsPassphraseOnly) {
    const auto key = PrivateKey::generate();
    key.save(at("a.key"), "correct horse");
    EXPECT_EQ(content(at("a.key")).rfind("-----BEGIN ENCRYPTED PRIVATE KEY-----", 0), 0U);
    EXPECT_EQ(mode_of(at("a.key")), 0600U);
    EXPECT_EQ(EVP_PKEY_eq(PrivateKey::load(at("a.key"), "correct horse").native(), key.native()),
              1);
    EXPECT_NE(refusal_of([&] { PrivateKey::load(at("a.key")); }).find("is encrypted"),
              std::string::npos);
    EXPECT_NE(refusal_of([&] { PrivateKey::load(at("a.key"), "wrong"); }).find("does not open"),
              std::string::npos);
    EXPECT_NE(refusal_of([&] { PrivateKey::load(at("a.key"), std::string(5000, 'x')); }), "");
}

TEST_F(PrivateKeyTest, OfAnotherKindIsRefused) {
    const KeyPtr rsa{EVP_RSA_gen(2048)};
    PrivateKey{std::shared_ptr<EVP_PKEY>(rsa.get(), [](EVP_PKEY*) {})}.save(at("rsa.key"));
    EXPECT_NE(refusal_of([&] { PrivateKey::load(at("rsa.key")); }).find("RSA 2048"),
              std::string::npos);
}

TEST_F(PrivateKeyTest, ErrorsNameTheFile) {
    EXPECT_NE(refusal_of([&] { PrivateKey::load(at("none.key")); }).find(at("none.key")),
              std::string::npos);
    EXPECT_NE(
        refusal_of([&] { PrivateKey::generate().save(at("none/a.key")); }).find(at("none/a.key")),
        std::string::npos);
    EXPECT_THROW(PrivateKey::generate().save(at("none/a.key")), StorageError);
}

}  // namespace
}  // namespace sallyport::pki
