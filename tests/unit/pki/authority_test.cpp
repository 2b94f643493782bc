#include "tests/unit/pki/fixture.hpp"

namespace sallyport::pki {
namespace {

class AuthorityTest : public PkiTest {
protected:
    /// A request that claims in subject and SAN to be the relay.
    RequestPtr forged_request(EVP_PKEY* key) const {
        RequestPtr request{X509_REQ_new()};
        X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(request.get()), "CN", MBSTRING_UTF8,
                                   reinterpret_cast<const unsigned char*>("relay"), -1, -1, 0);
        X509_REQ_set_pubkey(request.get(), key);
        STACK_OF(X509_EXTENSION)* extensions = sk_X509_EXTENSION_new_null();
        for (const auto& [nid, value] :
             {std::pair{NID_subject_alt_name, "URI:sallyport://acme/relay/dmz,DNS:evil.example"},
              std::pair{NID_basic_constraints, "critical,CA:TRUE"}})
            sk_X509_EXTENSION_push(extensions, X509V3_EXT_conf_nid(nullptr, nullptr, nid, value));
        X509_REQ_add_extensions(request.get(), extensions);
        sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
        X509_REQ_sign(request.get(), key, EVP_sha256());
        return request;
    }
};

TEST_F(AuthorityTest, InitMakesARootForItsPlant) {
    const auto authority = new_authority();
    EXPECT_EQ(authority.plant(), "acme");
    EXPECT_EQ(mode_of(at("ca/ca.key")), 0600U);
    const auto root = inspect_certificate(at("ca/ca.crt"));
    EXPECT_TRUE(root.is_ca);
    EXPECT_EQ(root.subject, root.issuer);
    EXPECT_NE(root.subject.find("O=acme"), std::string::npos);
    EXPECT_EQ(root.identity, std::nullopt);
    EXPECT_EQ(root.not_before, kNow + -std::chrono::minutes{5});
    EXPECT_EQ(base::to_rfc3339(root.not_after), "2046-01-02T03:04:05.000000000Z");
    EXPECT_EQ(X509_get_pathlen(read_certificates(at("ca/ca.crt")).front().get()), 0);
    EXPECT_EQ(Authority::open(at("ca"), {}).plant(), "acme");
    EXPECT_TRUE(Authority::list(at("ca")).empty());
}

TEST_F(AuthorityTest, InitRefusesAFolderThatHoldsOneAlready) {
    new_authority();
    const auto before = content(at("ca/ca.key"));
    EXPECT_NE(refusal_of([&] { new_authority(); }).find("there is a CA already"),
              std::string::npos);
    EXPECT_EQ(content(at("ca/ca.key")), before);
}

TEST_F(AuthorityTest, OpensWithItsPassphraseOnly) {
    Authority::init(at("ca"), "acme", "correct horse", kNow);
    EXPECT_EQ(Authority::open(at("ca"), "correct horse").plant(), "acme");
    EXPECT_NE(refusal_of([&] { Authority::open(at("ca"), "wrong"); }), "");
    EXPECT_NE(refusal_of([&] { Authority::open(at("ca"), {}); }), "");
}

TEST_F(AuthorityTest, RefusesToOpenWithTheKeyOfAnother) {
    new_authority("ca");
    new_authority("other");
    std::filesystem::copy_file(at("other/ca.crt"), at("ca/ca.crt"),
                               std::filesystem::copy_options::overwrite_existing);
    EXPECT_NE(refusal_of([&] { Authority::open(at("ca"), {}); }).find("not the key"),
              std::string::npos);
}

TEST_F(AuthorityTest, SignsWhatWasRequested) {
    auto authority = new_authority();
    const auto request = make_request("line3", at("agent.key"), at("agent.csr"));
    EXPECT_EQ(mode_of(at("agent.key")), 0600U);
    EXPECT_EQ(inspect_request(at("agent.csr")).spki_sha256, request.spki_sha256);
    EXPECT_EQ(request.subject, "CN=line3");

    authority.sign(order("line3"), kNow);
    const auto info = inspect_certificate(at("line3.crt"));
    EXPECT_EQ(info.identity, (base::Identity{"acme", base::Role::edge, "line3"}));
    EXPECT_EQ(info.spki_sha256, request.spki_sha256);
    EXPECT_EQ(info.not_before, kNow + -std::chrono::minutes{5});
    EXPECT_EQ(info.not_after, kNow + 397 * kDay);
    EXPECT_FALSE(info.is_ca);
    EXPECT_EQ(info.key_type, "EC P-256");
    EXPECT_LE(info.serial.size(), 32U);

    const auto listed = Authority::list(at("ca"));
    ASSERT_EQ(listed.size(), 1U);
    EXPECT_EQ(listed[0].serial, info.serial);
    EXPECT_EQ(listed[0].role, base::Role::edge);
    EXPECT_EQ(listed[0].name, "line3");
    EXPECT_EQ(listed[0].not_before, info.not_before);
    EXPECT_EQ(listed[0].not_after, info.not_after);
    EXPECT_EQ(listed[0].spki_sha256, request.spki_sha256);
    EXPECT_EQ(listed[0].status, "valid");
}

TEST_F(AuthorityTest, RequestTakesTheKeyThatIsThere) {
    const auto first = make_request("line3", at("agent.key"), at("agent.csr"));
    const auto again = make_request("line3", at("agent.key"), at("again.csr"));
    EXPECT_EQ(first.spki_sha256, again.spki_sha256);
}

TEST_F(AuthorityTest, RequestNeverReplacesAKey) {
    PrivateKey::generate().save(at("agent.key"));
    const auto before = content(at("agent.key"));
    EXPECT_NE(refusal_of([&] { make_request("line3", at("new.key"), at("agent.key")); }), "");
    EXPECT_NE(refusal_of([&] { make_request("line3", at("both"), at("both")); }), "");
    EXPECT_EQ(content(at("agent.key")), before);
    EXPECT_FALSE(std::filesystem::exists(at("new.key")));
    EXPECT_FALSE(std::filesystem::exists(at("both")));
}

TEST_F(AuthorityTest, GivesEachRoleItsUsages) {
    auto authority = new_authority();
    make_request("x", at("agent.key"), at("agent.csr"));
    for (const auto& [role, usage] : {std::pair{base::Role::edge, XKU_SSL_SERVER | XKU_SSL_CLIENT},
                                      std::pair{base::Role::relay, XKU_SSL_SERVER | XKU_SSL_CLIENT},
                                      std::pair{base::Role::it, XKU_SSL_SERVER | XKU_SSL_CLIENT},
                                      std::pair{base::Role::server, XKU_SSL_SERVER},
                                      std::pair{base::Role::client, XKU_SSL_CLIENT}}) {
        auto wanted = order("x", role);
        if (role == base::Role::server) wanted.dns_names = {"x.line3"};
        authority.sign(wanted, kNow);
        const auto chain = read_certificates(at("x.crt"));
        X509* leaf = chain.front().get();
        EXPECT_EQ(why_unacceptable(leaf), "");
        EXPECT_EQ(X509_get_extended_key_usage(leaf), static_cast<unsigned>(usage));
        EXPECT_EQ(X509_get_key_usage(leaf), static_cast<unsigned>(KU_DIGITAL_SIGNATURE));
        EXPECT_NE(X509_get0_subject_key_id(leaf), nullptr);
        EXPECT_NE(X509_get0_authority_key_id(leaf), nullptr);
        for (const int nid : {NID_basic_constraints, NID_key_usage})
            EXPECT_EQ(
                X509_EXTENSION_get_critical(X509_get_ext(leaf, X509_get_ext_by_NID(leaf, nid, -1))),
                1);
    }
}

TEST_F(AuthorityTest, GivesHostNamesToServersOnly) {
    auto authority = new_authority();
    make_request("mqtt3", at("agent.key"), at("agent.csr"));
    auto server = order("mqtt3", base::Role::server);
    EXPECT_NE(refusal_of([&] { authority.sign(server, kNow); }).find("--dns"), std::string::npos);
    server.dns_names = {"mqtt.line3"};
    server.ip_addresses = {"192.168.10.2", "fd00::1"};
    const auto info = authority.sign(server, kNow);
    EXPECT_EQ(info.dns_names, server.dns_names);
    EXPECT_EQ(info.ip_addresses, server.ip_addresses);

    auto edge = order("line3");
    edge.dns_names = {"mqtt.line3"};
    EXPECT_NE(refusal_of([&] { authority.sign(edge, kNow); }).find("only role server"),
              std::string::npos);
}

TEST_F(AuthorityTest, RefusesWhatIsNoHostNameOrAddress) {
    auto authority = new_authority();
    make_request("mqtt3", at("agent.key"), at("agent.csr"));
    for (const char* name :
         {"", "a..b", "-a", "a-", "a b", "*.line3", "a,URI:sallyport://acme/it/hq"}) {
        auto server = order("mqtt3", base::Role::server);
        server.dns_names = {name};
        EXPECT_NE(refusal_of([&] { authority.sign(server, kNow); }).find("no host name"),
                  std::string::npos)
            << name;
    }
    auto server = order("mqtt3", base::Role::server);
    server.ip_addresses = {"192.168.10.256"};
    EXPECT_NE(refusal_of([&] { authority.sign(server, kNow); }).find("no IPv4"), std::string::npos);
    EXPECT_TRUE(Authority::list(at("ca")).empty());
}

TEST_F(AuthorityTest, TakesNothingButTheKeyFromTheRequest) {
    auto authority = new_authority();
    const KeyPtr key{EVP_EC_gen("P-256")};
    write(at("agent.csr"), to_pem(forged_request(key.get()).get()));
    const auto info = authority.sign(order("line3"), kNow);
    EXPECT_EQ(info.identity, (base::Identity{"acme", base::Role::edge, "line3"}));
    EXPECT_EQ(info.subject, "CN=line3,O=acme");
    EXPECT_TRUE(info.dns_names.empty());
    EXPECT_FALSE(info.is_ca);
}

TEST_F(AuthorityTest, RefusesARequestSignedByAnotherKey) {
    auto authority = new_authority();
    const KeyPtr key{EVP_EC_gen("P-256")}, other{EVP_EC_gen("P-256")};
    auto request = forged_request(key.get());
    X509_REQ_sign(request.get(), other.get(), EVP_sha256());
    write(at("agent.csr"), to_pem(request.get()));
    EXPECT_NE(refusal_of([&] { authority.sign(order("line3"), kNow); }).find("signature"),
              std::string::npos);
    EXPECT_FALSE(std::filesystem::exists(at("line3.crt")));
}

TEST_F(AuthorityTest, RefusesARequestForAnRsaKey) {
    auto authority = new_authority();
    const KeyPtr key{EVP_RSA_gen(2048)};
    write(at("agent.csr"), to_pem(forged_request(key.get()).get()));
    EXPECT_NE(refusal_of([&] { authority.sign(order("line3"), kNow); }).find("RSA 2048"),
              std::string::npos);
}

TEST_F(AuthorityTest, SignsARequestForAnEd25519Key) {
    auto authority = new_authority();
    const KeyPtr key{EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")};
    PrivateKey{std::shared_ptr<EVP_PKEY>(key.get(), [](EVP_PKEY*) {})}.save(at("agent.key"));
    make_request("line3", at("agent.key"), at("agent.csr"));
    EXPECT_EQ(authority.sign(order("line3"), kNow).key_type, "Ed25519");
}

TEST_F(AuthorityTest, RefusesANameInUse) {
    auto authority = new_authority();
    make_request("line3", at("agent.key"), at("agent.csr"));
    authority.sign(order("line3"), kNow);
    const auto before = content(at("line3.crt"));
    EXPECT_NE(refusal_of([&] { authority.sign(order("line3"), kNow); }).find("in use"),
              std::string::npos);
    EXPECT_EQ(content(at("line3.crt")), before);
    EXPECT_EQ(Authority::list(at("ca")).size(), 1U);
    // The name alone is not the identity.
    authority.sign(order("line3", base::Role::client), kNow);
    EXPECT_EQ(Authority::list(at("ca")).size(), 2U);
}

TEST_F(AuthorityTest, RefusesANameWhoseCertificateExpired) {
    auto authority = new_authority();
    make_request("line3", at("agent.key"), at("agent.csr"));
    authority.sign(order("line3"), kNow);
    EXPECT_NE(refusal_of([&] { authority.sign(order("line3"), kNow + 400 * kDay); }), "");
}

TEST_F(AuthorityTest, ReplacesANameWhenTold) {
    auto authority = new_authority();
    make_request("line3", at("agent.key"), at("agent.csr"));
    auto wanted = order("line3");
    authority.sign(wanted, kNow);
    wanted.replace = true;
    const auto second = authority.sign(wanted, kNow + kDay);
    const auto listed = Authority::list(at("ca"));
    ASSERT_EQ(listed.size(), 2U);
    EXPECT_EQ(listed[0].status, "replaced");
    EXPECT_EQ(listed[1].status, "valid");
    EXPECT_EQ(listed[1].serial, second.serial);
    EXPECT_EQ(inspect_certificate(at("line3.crt")).serial, second.serial);
}

TEST_F(AuthorityTest, RefusesALifeThatOutlastsItsOwn) {
    auto authority = new_authority();
    make_request("line3", at("agent.key"), at("agent.csr"));
    auto wanted = order("line3");
    for (const int days : {0, -1, 7306, 2'000'000'000}) {
        wanted.days = days;
        EXPECT_NE(refusal_of([&] { authority.sign(wanted, kNow); }), "") << days;
    }
    EXPECT_TRUE(Authority::list(at("ca")).empty());
}

TEST_F(AuthorityTest, RefusesToWriteOverOtherFiles) {
    auto authority = new_authority();
    make_request("line3", at("agent.key"), at("agent.csr"));
    auto wanted = order("line3");
    for (const char* path : {"agent.key", "agent.csr", "ca/ca.key", "ca/ca.crt", "ca/index"}) {
        const auto before = content(at(path));
        wanted.out_path = at(path);
        EXPECT_NE(refusal_of([&] { authority.sign(wanted, kNow); }), "") << path;
        EXPECT_EQ(content(at(path)), before) << path;
    }
    wanted.out_path = at("none/line3.crt");
    EXPECT_THROW(authority.sign(wanted, kNow), StorageError);
    EXPECT_TRUE(Authority::list(at("ca")).empty());
}

TEST_F(AuthorityTest, RefusesToSignOnADamagedIndex) {
    auto authority = new_authority();
    make_request("line3", at("agent.key"), at("agent.csr"));
    authority.sign(order("line3"), kNow);
    const auto good = content(at("ca/index"));
    for (const auto& bad : {good.substr(0, good.size() - 1), good + "x\n",
                            good + good.substr(good.find('\n') + 1, 40) + "\n"}) {
        write(at("ca/index"), bad);
        EXPECT_NE(refusal_of([&] { authority.sign(order("line4"), kNow); }).find("damaged"),
                  std::string::npos);
        EXPECT_EQ(content(at("ca/index")), bad);
    }
    EXPECT_FALSE(std::filesystem::exists(at("line4.crt")));
}

TEST_F(AuthorityTest, LeavesNoTemporaryFiles) {
    auto authority = new_authority();
    make_request("line3", at("agent.key"), at("agent.csr"));
    authority.sign(order("line3"), kNow);
    refusal_of([&] { authority.sign(order("line3"), kNow); });
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(at("")))
        files += entry.is_regular_file() ? 1 : 0;
    EXPECT_EQ(files, 7U);  // ca.crt, ca.key, index, lock; agent.key, agent.csr, line3.crt
}

}  // namespace
}  // namespace sallyport::pki
