#include "common/config/endpoint.hpp"

#include <gtest/gtest.h>

namespace sallyport::config {
namespace {

TEST(Endpoint, ReadsNumericAddresses) {
    const auto v4 = parse_endpoint("127.0.0.1:1883");
    ASSERT_TRUE(v4);
    EXPECT_EQ(v4->host, "127.0.0.1");
    EXPECT_EQ(v4->port, 1883);
    EXPECT_TRUE(v4->is_loopback);
    EXPECT_EQ(v4->text(), "127.0.0.1:1883");
    const auto v6 = parse_endpoint("[0:0::1]:65535");
    ASSERT_TRUE(v6);
    EXPECT_TRUE(v6->is_loopback);
    EXPECT_EQ(v6->text(), "[::1]:65535");
}

TEST(Endpoint, KnowsLoopbackFromTheRest) {
    EXPECT_TRUE(parse_endpoint("127.8.9.1:1")->is_loopback);
    EXPECT_FALSE(parse_endpoint("10.20.0.5:1")->is_loopback);
    EXPECT_FALSE(parse_endpoint("0.0.0.0:1")->is_loopback);
    EXPECT_FALSE(parse_endpoint("[::ffff:127.0.0.1]:1")->is_loopback);
    EXPECT_TRUE(parse_endpoint("0.0.0.0:1")->is_any);
    EXPECT_TRUE(parse_endpoint("[::]:1")->is_any);
}

TEST(Endpoint, RefusesAnythingElse) {
    for (const auto* text :
         {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:01", ":1883",
          "localhost:1883", "::1:1883", "[::1]1883", "[::1:1883", "127.1:1883", "127.0.0.1:18 83",
          "127.0.0.1:+1", "[127.0.0.1]:1", "127.0.0.1:1:2"})
        EXPECT_FALSE(parse_endpoint(text)) << text;
}

TEST(Endpoint, OverlapsWithTheSameAndWithAllAddresses) {
    const auto at = [](const char* text) { return *parse_endpoint(text); };
    EXPECT_TRUE(overlap(at("127.0.0.1:1"), at("127.0.0.1:1")));
    EXPECT_TRUE(overlap(at("0.0.0.0:1"), at("127.0.0.1:1")));
    EXPECT_TRUE(overlap(at("[::1]:1"), at("[0::1]:1")));
    EXPECT_FALSE(overlap(at("127.0.0.1:1"), at("127.0.0.1:2")));
    EXPECT_FALSE(overlap(at("127.0.0.1:1"), at("127.0.0.2:1")));
    EXPECT_FALSE(overlap(at("0.0.0.0:1"), at("[::1]:1")));
}

TEST(RelayUrl, ReadsHostAndPort) {
    const auto ip = parse_relay_url("wss://10.20.0.5:8443");
    ASSERT_TRUE(ip);
    EXPECT_EQ(ip->host, "10.20.0.5");
    EXPECT_EQ(ip->port, "8443");
    EXPECT_EQ(parse_relay_url("wss://relay.dmz.acme.example:443/")->host, "relay.dmz.acme.example");
    EXPECT_EQ(parse_relay_url("wss://[fd00::5]:8443")->host, "fd00::5");
}

TEST(RelayUrl, RefusesAnythingElse) {
    for (const auto* url :
         {"", "wss://", "ws://10.20.0.5:8443", "https://10.20.0.5:8443", "wss://10.20.0.5",
          "wss://10.20.0.5:0", "wss://10.20.0.5:8443/other", "wss://user@host:1", "wss://10.20.0:1",
          "wss://host:1?x", "wss://host:1#x", "wss://-host:1", "wss://ho st:1",
          "wss://fd00::5:8443", "wss://:8443", "WSS://host:1", "wss://1.2.3.400:1"})
        EXPECT_FALSE(parse_relay_url(url)) << url;
}

}  // namespace
}  // namespace sallyport::config
