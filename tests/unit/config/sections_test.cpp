#include "common/config/sections.hpp"

#include <gtest/gtest.h>

#include "tests/unit/config/reading.hpp"

namespace sallyport::config {
namespace {

using namespace std::chrono_literals;

bool mentions(const std::vector<std::string>& lines, std::string_view text) {
    for (const auto& line : lines)
        if (line.find(text) != std::string::npos) return true;
    return false;
}

TEST(AgentSection, TakesItsDataDirBesideTheFile) {
    auto document = parsed("[agent]\nname = \"line3\"\n");
    const auto agent = read_agent(document);
    EXPECT_EQ(agent.name, "line3");
    EXPECT_EQ(agent.data_dir, "etc/data");
    EXPECT_EQ(read_control(document, agent).socket, "etc/data/control.sock");
    EXPECT_TRUE(findings(document).empty());
}

TEST(AgentSection, RefusesANameThatNoCertificateCanHave) {
    auto document = parsed("[agent]\nname = \"Line 3\"\n");
    read_agent(document);
    EXPECT_TRUE(mentions(findings(document), "not 'Line 3'"));
}

TEST(TlsSection, NeedsItsThreeFilesWhereItStands) {
    auto document = parsed("[tls]\nca = \"ca.crt\"\ncrl = \"x.crl\"\n");
    read_tls(document, false);
    const auto lines = findings(document);
    EXPECT_EQ(lines.size(), 3U);
    EXPECT_TRUE(mentions(lines, "'crl' in [tls] is not in this version"));
    EXPECT_TRUE(mentions(lines, "'cert' in [tls] is missing"));
    auto empty = parsed("");
    EXPECT_FALSE(read_tls(empty, false));
    EXPECT_TRUE(findings(empty).empty());
    read_tls(empty, true);
    EXPECT_TRUE(mentions(findings(empty), "the section [tls] is missing"));
}

TEST(RelaySection, ReadsUrlDestinationsAndIntervals) {
    auto document = parsed(
        "[relay]\nurls = [\"wss://10.20.0.5:8443\"]\ndestinations = [\"hq\", \"beta/hq\"]\n"
        "proxy = \"\"\nping = \"10s\"\nlost_after = \"1m\"\n");
    const auto relay = read_relay(document, Destinations::allowed);
    ASSERT_TRUE(relay);
    EXPECT_TRUE(findings(document).empty());
    EXPECT_EQ(relay->urls.at(0).port, "8443");
    EXPECT_EQ(relay->destinations, (std::vector<std::string>{"hq", "beta/hq"}));
    EXPECT_EQ(relay->ping, 10s);
    EXPECT_EQ(relay->lost_after, 1min);
}

TEST(RelaySection, RefusesWhatThisVersionLacks) {
    auto document =
        parsed("[relay]\nurls = [\"wss://a:1\", \"wss://b:1\"]\nproxy = \"http://p:3128\"\n");
    read_relay(document, Destinations::allowed);
    const auto lines = findings(document);
    EXPECT_TRUE(mentions(lines, "more than one relay url is not in this version"));
    EXPECT_TRUE(mentions(lines, "'proxy' in [relay] is not in this version"));
    EXPECT_EQ(lines.size(), 2U);
}

TEST(RelaySection, RefusesBadUrlsNamesAndIntervals) {
    auto document = parsed(
        "[relay]\nurls = [\"https://a:1\"]\ndestinations = [\"HQ\", \"a\", \"a\"]\nping = "
        "\"4s\"\n");
    read_relay(document, Destinations::allowed);
    const auto lines = findings(document);
    EXPECT_TRUE(mentions(lines, "not of the form wss://host:port"));
    EXPECT_TRUE(mentions(lines, "holds 'HQ'"));
    EXPECT_TRUE(mentions(lines, "names 'a' twice"));
    EXPECT_TRUE(mentions(lines, "at least twice 'ping'"));
}

TEST(RelaySection, NeedsAUrlWhereItStands) {
    auto document = parsed("[relay]\nurls = []\n");
    read_relay(document, Destinations::none);
    EXPECT_TRUE(mentions(findings(document), "'urls' in [relay] is missing or empty"));
}

struct Listeners {
    std::vector<MqttListenerSection> sections;
    Warnings warnings;
    std::vector<std::string> errors;
};
Listeners listeners_of(std::string_view text) {
    auto document = parsed(text);
    Listeners result;
    result.sections = read_mqtt_listeners(document, result.warnings);
    result.errors = findings(document);
    return result;
}

TEST(MqttListener, IsAnonymousByDefaultOnLoopbackOnly) {
    const auto loopback = listeners_of("[[listener]]\naddress = \"127.0.0.1:1883\"\n");
    EXPECT_TRUE(loopback.errors.empty());
    EXPECT_TRUE(loopback.sections.at(0).anonymous);
    const auto beyond = listeners_of("[[listener]]\naddress = \"10.0.0.1:1883\"\n");
    EXPECT_TRUE(mentions(beyond.errors, "users are not in this version"));
    EXPECT_FALSE(beyond.sections.at(0).anonymous);
}

TEST(MqttListener, OpensBeyondLoopbackWhereTheFileSaysSoAndWarns) {
    const auto open = listeners_of("[[listener]]\naddress = \"0.0.0.0:1883\"\nanonymous = true\n");
    EXPECT_TRUE(open.errors.empty());
    EXPECT_TRUE(mentions(open.warnings, "lets in everybody"));
}

TEST(MqttListener, OpensBeyondLoopbackForCertificates) {
    const auto mutual = listeners_of(
        "[[listener]]\naddress = \"10.0.0.1:8883\"\ntransport = \"tls\"\ncert = \"c\"\nkey = "
        "\"k\"\n"
        "ca = \"a\"\nrequire_certificate = true\n");
    EXPECT_TRUE(mutual.errors.empty());
    EXPECT_TRUE(mutual.warnings.empty());
    EXPECT_EQ(mutual.sections.at(0).ca, "etc/a");
    EXPECT_TRUE(mutual.sections.at(0).require_certificate);
}

TEST(MqttListener, RefusesToLetNobodyIn) {
    const auto closed =
        listeners_of("[[listener]]\naddress = \"127.0.0.1:1883\"\nanonymous = false\n");
    EXPECT_TRUE(mentions(closed.errors, "leaves nobody who could connect"));
}

TEST(MqttListener, NeedsCertificateAndKeyWithTls) {
    for (const auto* transport : {"tls", "wss"}) {
        const auto bare = listeners_of("[[listener]]\naddress = \"127.0.0.1:1\"\ntransport = \"" +
                                       std::string(transport) + "\"\n");
        EXPECT_TRUE(mentions(bare.errors, "'cert' in [[listener]] is missing")) << transport;
        EXPECT_TRUE(mentions(bare.errors, "'key' in [[listener]] is missing")) << transport;
    }
}

TEST(MqttListener, RefusesTlsKeysWithoutTls) {
    const auto mixed =
        listeners_of("[[listener]]\naddress = \"127.0.0.1:1\"\ntransport = \"ws\"\nca = \"x\"\n");
    EXPECT_TRUE(mentions(mixed.errors, "'ca' in [[listener]] has a meaning only with"));
}

TEST(MqttListener, RefusesToRequireCertificatesOfNobody) {
    const auto no_ca = listeners_of(
        "[[listener]]\naddress = \"127.0.0.1:1\"\ntransport = \"tls\"\ncert = \"c\"\nkey = \"k\"\n"
        "require_certificate = true\n");
    EXPECT_TRUE(mentions(no_ca.errors, "needs 'ca'"));
}

TEST(MqttListener, RefusesAnAddressTwice) {
    const auto twice = listeners_of(
        "[[listener]]\naddress = \"127.0.0.1:1\"\n[[listener]]\naddress = \"127.0.0.1:1\"\n");
    EXPECT_TRUE(mentions(twice.errors, "test.toml:4: 'address' in [[listener]] is taken by"));
}

TEST(BrokerSection, ReadsLimits) {
    auto document = parsed(
        "[broker]\nmax_clients = 5\nmax_packet_bytes = \"2MiB\"\nsession_queue_bytes = \"4MiB\"\n"
        "session_queue_messages = 6\nmax_inflight = 7\nretained_bytes = \"8GiB\"\n");
    const auto broker = read_broker(document);
    EXPECT_TRUE(findings(document).empty());
    EXPECT_EQ(broker.max_clients, 5U);
    EXPECT_EQ(broker.max_packet_bytes, 2U << 20U);
    EXPECT_EQ(broker.session_queue_bytes, 4U << 20U);
    EXPECT_EQ(broker.session_queue_messages, 6U);
    EXPECT_EQ(broker.max_inflight, 7U);
    EXPECT_EQ(broker.retained_bytes, 8ULL << 30U);
    EXPECT_EQ(broker.max_keep_alive, 10min);
}

TEST(BrokerSection, ReadsTheLongestKeepAlive) {
    const auto keep_alive = [](const std::string& value) {
        auto document = parsed("[broker]\nmax_keep_alive = \"" + value + "\"\n");
        const auto broker = read_broker(document);
        return findings(document).empty() ? broker.max_keep_alive : base::Duration{-1};
    };
    EXPECT_EQ(keep_alive("60s"), 60s);
    EXPECT_EQ(keep_alive("off"), std::nullopt);
    EXPECT_EQ(keep_alive("19h"), base::Duration{-1}) << "more than MQTT can say";
}

TEST(BrokerSection, RefusesLargerPacketsUsersAndAcl) {
    auto document =
        parsed("[broker]\nmax_packet_bytes = \"3MiB\"\nusers = \"users\"\nacl = \"acl\"\n");
    EXPECT_EQ(read_broker(document).max_packet_bytes, 1U << 20U);
    const auto lines = findings(document);
    EXPECT_TRUE(mentions(lines, "'users' in [broker] is not in this version"));
    EXPECT_TRUE(mentions(lines, "'acl' in [broker] is not in this version"));
    EXPECT_TRUE(mentions(lines, "to 2MiB, not '3MiB'"));
}

TEST(BrokerSection, RefusesAQueueSmallerThanAPacket) {
    auto document = parsed("[broker]\nsession_queue_bytes = \"512KiB\"\n");
    read_broker(document);
    EXPECT_TRUE(mentions(findings(document), "must hold at least one packet"));
}

TEST(HttpSection, IsLoopbackOnly) {
    auto document = parsed("[http]\naddress = \"10.0.0.1:9101\"\ntoken_file = \"t\"\n");
    read_http(document);
    const auto lines = findings(document);
    EXPECT_TRUE(mentions(lines, "must be a loopback address"));
    EXPECT_TRUE(mentions(lines, "'token_file' in [http] is not in this version"));
    auto absent = parsed("");
    EXPECT_FALSE(read_http(absent));
    EXPECT_TRUE(findings(absent).empty());
}

TEST(ControlSection, RefusesAPathThatNoSocketCanHave) {
    auto document =
        parsed("[agent]\nname = \"a\"\ndata_dir = \"/" + std::string(100, 'x') + "\"\n");
    read_control(document, read_agent(document));
    EXPECT_TRUE(mentions(findings(document), "longer than 107 bytes"));
}

TEST(LogSection, ReadsLevelAndFormat) {
    auto document = parsed("[log]\nlevel = \"warn\"\nformat = \"json\"\n");
    const auto log = read_log(document);
    EXPECT_TRUE(findings(document).empty());
    EXPECT_EQ(log.level, LogLevel::warn);
    EXPECT_EQ(log.format, LogFormat::json);
}

TEST(AgentPattern, IsANameWithStars) {
    for (const auto* good : {"*", "line*", "acme/line*", "*/*", "*3", "a.b-c_d"})
        EXPECT_TRUE(is_agent_pattern(good)) << good;
    for (const auto* bad : {"", "/", "a/", "/a", "a/b/c", "Line*", "-a", "a+", "line?"})
        EXPECT_FALSE(is_agent_pattern(bad)) << bad;
    EXPECT_FALSE(is_agent_name("line*"));
    EXPECT_TRUE(is_agent_name("acme/hq"));
}

}  // namespace
}  // namespace sallyport::config
