#include "tests/unit/pki/fixture.hpp"

namespace sallyport::pki {
namespace {

class InstallTest : public PkiTest {
protected:
    void SetUp() override {
        PkiTest::SetUp();
        std::filesystem::create_directory(at("pki"));
        authority_.emplace(new_authority());
        make_request("line3", at("pki/agent.key"), at("agent.csr"));
        authority_->sign(order("line3"), kNow);
    }

    InstallTarget target() const {
        return {at("pki/agent.key"), at("pki/agent.crt"), at("pki/ca.crt"), base::Role::edge,
                "line3"};
    }

    /// Why installing line3.crt is refused; a refusal must leave the folder as it was.
    std::string refusal(const InstallTarget& into, base::WallTime now = kNow,
                        const std::string& ca = "ca/ca.crt") const {
        auto reason = refusal_of([&] { install_certificate(into, at("line3.crt"), at(ca), now); });
        EXPECT_FALSE(std::filesystem::exists(at("pki/agent.crt")));
        EXPECT_FALSE(std::filesystem::exists(at("pki/ca.crt")));
        return reason;
    }

    std::optional<Authority> authority_;
};

TEST_F(InstallTest, PutsCertificateAndAuthorityInPlace) {
    const auto info = install_certificate(target(), at("line3.crt"), at("ca/ca.crt"), kNow);
    EXPECT_EQ(info.identity, (base::Identity{"acme", base::Role::edge, "line3"}));
    EXPECT_EQ(content(at("pki/agent.crt")), content(at("line3.crt")));
    EXPECT_EQ(content(at("pki/ca.crt")), content(at("ca/ca.crt")));
    EXPECT_EQ(mode_of(at("pki/agent.crt")), 0644U);
}

TEST_F(InstallTest, ReplacesAnEarlierCertificate) {
    install_certificate(target(), at("line3.crt"), at("ca/ca.crt"), kNow);
    auto again = order("line3");
    again.replace = true;
    const auto renewed = authority_->sign(again, kNow + kDay);
    install_certificate(target(), at("line3.crt"), at("ca/ca.crt"), kNow + kDay);
    EXPECT_EQ(inspect_certificate(at("pki/agent.crt")).serial, renewed.serial);
}

TEST_F(InstallTest, TakesTheCertificateFromWhereItGoes) {
    std::filesystem::copy_file(at("line3.crt"), at("pki/agent.crt"));
    install_certificate(target(), at("pki/agent.crt"), at("ca/ca.crt"), kNow);
    EXPECT_EQ(content(at("pki/agent.crt")), content(at("line3.crt")));
}

TEST_F(InstallTest, LeavesOutWhateverElseTheFileHolds) {
    write(at("with-key.crt"), content(at("pki/agent.key")) + content(at("line3.crt")));
    install_certificate(target(), at("with-key.crt"), at("ca/ca.crt"), kNow);
    EXPECT_EQ(content(at("pki/agent.crt")), content(at("line3.crt")));
}

TEST_F(InstallTest, RefusesTheCertificateOfAnotherKey) {
    PrivateKey::generate().save(at("pki/other.key"));
    auto into = target();
    into.key_path = at("pki/other.key");
    EXPECT_NE(refusal(into).find("another key"), std::string::npos);
}

TEST_F(InstallTest, RefusesTheCertificateOfAnotherAuthority) {
    new_authority("other");
    EXPECT_NE(refusal(target(), kNow, "other/ca.crt").find("does not verify"), std::string::npos);
}

TEST_F(InstallTest, RefusesAnAgentsCertificateAsTheAuthority) {
    EXPECT_NE(refusal(target(), kNow, "line3.crt").find("not a certificate authority's"),
              std::string::npos);
}

TEST_F(InstallTest, RefusesTheCertificateOfAnotherRole) {
    auto into = target();
    into.role = base::Role::it;
    EXPECT_NE(refusal(into).find("this agent is it/line3"), std::string::npos);
}

TEST_F(InstallTest, RefusesTheCertificateOfAnotherName) {
    auto into = target();
    into.name = "line4";
    EXPECT_NE(refusal(into).find("this agent is edge/line4"), std::string::npos);
}

TEST_F(InstallTest, RefusesAnExpiredCertificate) {
    EXPECT_NE(refusal(target(), kNow + 397 * kDay).find("expired"), std::string::npos);
    install_certificate(target(), at("line3.crt"), at("ca/ca.crt"),
                        kNow + 397 * kDay + -std::chrono::seconds{1});
}

TEST_F(InstallTest, RefusesACertificateThatIsNotYetValid) {
    EXPECT_NE(refusal(target(), kNow + -std::chrono::minutes{6}).find("not valid before"),
              std::string::npos);
}

TEST_F(InstallTest, RefusesAnUnacceptableCertificate) {
    const auto key = PrivateKey::load(at("pki/agent.key"));
    write(at("line3.crt"), to_pem(forge(key.native(), {}).get()));
    EXPECT_NE(refusal(target()).find("no subjectAltName"), std::string::npos);
}

TEST_F(InstallTest, RefusesWhatIsNoCertificate) {
    for (const char* text :
         {"", "hello\n", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}) {
        write(at("line3.crt"), text);
        EXPECT_NE(refusal(target()).find("certificate"), std::string::npos) << text;
    }
}

TEST_F(InstallTest, RefusesToReplaceAKey) {
    auto into = target();
    into.cert_path = into.key_path;
    const auto before = content(into.key_path);
    EXPECT_NE(refusal(into).find("is not replaced"), std::string::npos);
    into = target();
    into.ca_path = into.cert_path;
    EXPECT_NE(refusal(into).find("two paths"), std::string::npos);
    EXPECT_EQ(content(at("pki/agent.key")), before);
}

}  // namespace
}  // namespace sallyport::pki
