// Whom TLS lets in, and what the others are told.
#include <filesystem>
#include <optional>

#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <openssl/ssl.h>

#include "common/pki/certificate.hpp"
#include "tests/unit/net/scripted_core.hpp"
#include "tests/unit/net/throw_away_pki.hpp"

namespace sallyport::net {
namespace {

namespace ssl = boost::asio::ssl;
using base::Role;

class Admission : public NetTest, public testing::WithParamInterface<TransportKind> {
protected:
    Admission() { server.driver.listen(loopback(GetParam(), pki.relay({Role::edge}))); }

    /// Dials with these settings until the attempt is over.
    void dial_and_be_refused(std::shared_ptr<TlsContext> tls) {
        client.core.dial(
            client.driver.add_target(target(server.driver, GetParam(), std::move(tls))));
        client.driver.poke();
        const auto ended = client.core.ended.size();
        ASSERT_TRUE(run_until([&] { return client.core.ended.size() > ended; }));
        settle();
        EXPECT_TRUE(server.core.open.empty());
        EXPECT_EQ(server.core.deliveries, 0);
        EXPECT_TRUE(server.core.ended.empty());
    }
    /// The right one, in the same test, so that a listener that refuses everybody fails too.
    void dial_and_be_let_in() {
        client.core.dial(client.driver.add_target(
            target(server.driver, GetParam(), pki.dialler(Role::edge, "line3"))));
        client.driver.poke();
        ASSERT_TRUE(run_until([&] { return !server.core.open.empty(); }));
        EXPECT_EQ(server.core.open[0].peer.identity->name, "line3");
    }
    bool server_said(const std::string& text) {
        return server.all_refusals().find(text) != std::string::npos;
    }

    ThrowAwayPki pki, other;
    Node server{io,
                [] {
                    DriverLimits limits;
                    limits.rejected_log_interval = {};
                    return limits;
                }()},
        client{io};
};
INSTANTIATE_TEST_SUITE_P(Net, Admission, testing::Values(TransportKind::tls, TransportKind::wss),
                         [](const auto& kind) {
                             return kind.param == TransportKind::tls ? "Tls" : "Wss";
                         });

TEST_P(Admission, RefusesTheWrongRole) {
    dial_and_be_refused(pki.dialler(Role::it, "hq"));
    EXPECT_EQ(client.core.ended[0].cause, CloseCause::refused);
    EXPECT_TRUE(server_said("sallyport://acme/it/hq has the wrong role")) << server.all_refusals();
    dial_and_be_let_in();
}

TEST_P(Admission, RefusesAnotherAuthority) {
    auto options = other.options(Role::edge, "line3", false);
    options.ca_file = pki.ca();
    dial_and_be_refused(std::make_shared<TlsContext>(options));
    EXPECT_EQ(client.core.ended[0].cause, CloseCause::refused);
    EXPECT_TRUE(server_said("certificate")) << server.all_refusals();
    dial_and_be_let_in();
}

TEST_P(Admission, RefusesAPeerWithoutCertificate) {
    TlsOptions options;
    options.ca_file = pki.ca();
    dial_and_be_refused(std::make_shared<TlsContext>(options));
    EXPECT_EQ(client.core.ended[0].cause, CloseCause::refused);
    EXPECT_TRUE(server_said("did not return a certificate")) << server.all_refusals();
    dial_and_be_let_in();
}

TEST_P(Admission, DiallerRefusesAServerOfAnotherAuthority) {
    auto options = pki.options(Role::edge, "line3", false);
    options.ca_file = other.ca();
    dial_and_be_refused(std::make_shared<TlsContext>(options));
    EXPECT_EQ(client.core.ended[0].cause, CloseCause::identity);
    EXPECT_TRUE(client.core.open.empty());
    dial_and_be_let_in();
}

TEST_P(Admission, DiallerRefusesAServerOfTheWrongRole) {
    auto options = pki.options(Role::edge, "line3", false);
    options.peer_roles = {Role::it};
    dial_and_be_refused(std::make_shared<TlsContext>(options));
    EXPECT_EQ(client.core.ended[0].cause, CloseCause::identity);
    EXPECT_TRUE(client.core.open.empty());
    EXPECT_NE(client.all_refusals().find("has the wrong role"), std::string::npos);
    dial_and_be_let_in();
}

TEST_P(Admission, RefusesTls12) {
    const auto options = pki.options(Role::edge, "line3", false);
    ssl::context context(ssl::context::tls_client);
    SSL_CTX_set_max_proto_version(context.native_handle(), TLS1_2_VERSION);
    context.use_certificate_chain_file(options.cert_file);
    context.use_private_key_file(options.key_file, ssl::context::pem);
    ssl::stream<Socket> stream(connect_raw(server.driver), context);
    std::optional<boost::system::error_code> outcome;
    stream.async_handshake(ssl::stream_base::client,
                           [&](const boost::system::error_code& error) { outcome = error; });
    ASSERT_TRUE(run_until([&] { return outcome.has_value() && !server.refusals.empty(); }));
    EXPECT_NE(outcome->message().find("alert protocol version"), std::string::npos)
        << outcome->message();
    EXPECT_TRUE(server.core.open.empty());
    dial_and_be_let_in();
}

TEST_P(Admission, GivesNoTicketToResumeWith) {
    const auto options = pki.options(Role::edge, "line3", false);
    ssl::context context(ssl::context::tlsv13_client);
    context.use_certificate_chain_file(options.cert_file);
    context.use_private_key_file(options.key_file, ssl::context::pem);
    static int tickets;
    tickets = 0;
    SSL_CTX_set_session_cache_mode(context.native_handle(), SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(context.native_handle(),
                            [](SSL*, SSL_SESSION*) { return ++tickets, 0; });
    ssl::stream<Socket> stream(connect_raw(server.driver), context);
    bool done = false;
    stream.async_handshake(ssl::stream_base::client,
                           [&](const boost::system::error_code& error) { done = !error; });
    ASSERT_TRUE(run_until([&] { return done; }));
    char byte = 0;
    stream.async_read_some(boost::asio::buffer(&byte, 1), [](auto, auto) {});
    settle();
    EXPECT_EQ(tickets, 0);
}

class TlsSettings : public NetTest {
protected:
    /// The outcome of a handshake in which the client offers these ALPN names.
    std::string offer(const Driver& driver, const std::string& names, std::string& chosen) {
        const auto options = pki.options(Role::edge, "line3", false);
        ssl::context context(ssl::context::tlsv13_client);
        context.use_certificate_chain_file(options.cert_file);
        context.use_private_key_file(options.key_file, ssl::context::pem);
        ssl::stream<Socket> stream(connect_raw(driver), context);
        SSL_set_alpn_protos(stream.native_handle(),
                            reinterpret_cast<const unsigned char*>(names.data()),
                            static_cast<unsigned>(names.size()));
        std::optional<boost::system::error_code> outcome;
        stream.async_handshake(ssl::stream_base::client,
                               [&](const boost::system::error_code& error) { outcome = error; });
        EXPECT_TRUE(run_until([&] { return outcome.has_value(); }));
        const unsigned char* name = nullptr;
        unsigned length = 0;
        SSL_get0_alpn_selected(stream.native_handle(), &name, &length);
        chosen.assign(reinterpret_cast<const char*>(name), length);
        return outcome->message();
    }

    ThrowAwayPki pki;
};

TEST_F(TlsSettings, RefuseAKeyOthersCanRead) {
    const auto options = pki.options(Role::edge, "line3", false);
    EXPECT_NO_THROW(TlsContext{options});
    std::filesystem::permissions(options.key_file, std::filesystem::perms::group_read,
                                 std::filesystem::perm_options::add);
    EXPECT_THROW(TlsContext{options}, pki::PkiError);
}

TEST_F(TlsSettings, RefuseAKeyOfAnotherCertificate) {
    auto options = pki.options(Role::edge, "line3", false);
    options.key_file = pki.options(Role::edge, "line4", false).key_file;
    EXPECT_THROW(TlsContext{options}, pki::PkiError);
}

TEST_F(TlsSettings, SpeakHttpUnderAWebSocketAndNothingElse) {
    Node server{io};
    server.driver.listen(loopback(TransportKind::wss, pki.relay()));
    std::string chosen;
    EXPECT_NE(offer(server.driver, "\x02h2", chosen).find("no application protocol"),
              std::string::npos);
    EXPECT_EQ(offer(server.driver, "\x02h2\x08http/1.1", chosen), "Success");
    EXPECT_EQ(chosen, "http/1.1");
}

TEST_F(TlsSettings, RefuseTheAuthoritysOwnCertificateEvenWithoutRoles) {
    auto options = pki.options(Role::server, "mqtt3", true);
    options.require_peer_certificate = false;
    Node server{io}, client{io};
    server.driver.listen(loopback(TransportKind::tls, std::make_shared<TlsContext>(options)));
    TlsOptions authority;
    authority.ca_file = authority.cert_file = pki.ca();
    authority.key_file = pki.at("ca") + "/ca.key";
    client.driver.add_target(
        target(server.driver, TransportKind::tls, std::make_shared<TlsContext>(authority)));
    client.core.dial();
    ASSERT_TRUE(run_until([&] { return !client.core.ended.empty() && !server.refusals.empty(); }));
    EXPECT_TRUE(server.core.open.empty());
}

TEST_F(TlsSettings, RefuseToDialWithoutTrustAnchors) {
    auto options = pki.options(Role::edge, "line3", false);
    options.ca_file.clear();
    EXPECT_THROW(TlsContext{options}, pki::PkiError);
}

TEST_F(TlsSettings, NameTheFileThatCannotBeRead) {
    auto options = pki.options(Role::edge, "line3", false);
    options.cert_file = pki.at("absent.crt");
    try {
        const TlsContext context(options);
        FAIL() << "a missing certificate was taken";
    } catch (const pki::PkiError& error) {
        EXPECT_NE(std::string(error.what()).find("absent.crt"), std::string::npos);
    }
}

/// MQTT listeners ask devices for nothing when they have no trust anchors, and take TLS 1.2 if
/// told.
TEST_F(TlsSettings, LetADeviceWithoutCertificateInWhereNoneIsAskedFor) {
    auto options = pki.options(Role::server, "mqtt3", true);
    options.ca_file.clear();
    options.allow_tls12 = true;
    Node server{io};
    server.driver.listen(loopback(TransportKind::tls, std::make_shared<TlsContext>(options)));
    ssl::context context(ssl::context::tls_client);
    SSL_CTX_set_max_proto_version(context.native_handle(), TLS1_2_VERSION);
    ssl::stream<Socket> stream(connect_raw(server.driver), context);
    stream.async_handshake(ssl::stream_base::client, [](const boost::system::error_code&) {});
    ASSERT_TRUE(run_until([&] { return !server.core.open.empty(); }));
    EXPECT_FALSE(server.core.open[0].peer.identity.has_value());
}

TEST_F(TlsSettings, LetADeviceInWithAndWithoutCertificateWhereItIsOptional) {
    auto options = pki.options(Role::server, "mqtt3", true);
    options.require_peer_certificate = false;
    Node server{io}, client{io};
    server.driver.listen(loopback(TransportKind::tls, std::make_shared<TlsContext>(options)));
    TlsOptions bare;
    bare.ca_file = pki.ca();
    const auto device = pki.options(Role::client, "press7", false);
    for (const auto& dialling : {bare, device})
        client.core.dial(client.driver.add_target(
            target(server.driver, TransportKind::tls, std::make_shared<TlsContext>(dialling))));
    client.driver.poke();
    ASSERT_TRUE(run_until([&] { return server.core.open.size() == 2; }));
    int named = 0;
    for (const auto& open : server.core.open)
        if (open.peer.identity) named += open.peer.identity->name == "press7" ? 1 : 100;
    EXPECT_EQ(named, 1);
}

}  // namespace
}  // namespace sallyport::net
