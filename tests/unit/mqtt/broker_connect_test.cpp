#include "tests/unit/mqtt/broker_fixture.hpp"

namespace sallyport::mqtt {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Kind = SeenEvent::Kind;

class BrokerConnect : public BrokerTest {
protected:
    void expect_refused(const Connect& connect, ReasonCode reason) {
        auto& client = open(connect.version);
        send(client, connect);
        const auto connack = expect<Connack>(client);
        EXPECT_EQ(connack.reason, reason);
        EXPECT_FALSE(connack.session_present);
        EXPECT_EQ(client.close, std::optional<bool>{true});
    }
    std::optional<Property> told(PropertyId id) const {
        return find_property(last_connack_.properties, id);
    }
};

TEST_F(BrokerConnect, IsAnsweredAndTold) {
    auto& client = join("one");
    EXPECT_FALSE(last_connack_.session_present);
    EXPECT_EQ(told(PropertyId::topic_alias_maximum)->number, 64U);
    EXPECT_EQ(told(PropertyId::maximum_packet_size)->number, 1U << 20U);
    EXPECT_FALSE(told(PropertyId::assigned_client_identifier));
    EXPECT_FALSE(told(PropertyId::receive_maximum));
    expect_nothing(client);
    const auto seen = events();
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen[0].kind, Kind::connected);
    EXPECT_EQ(seen[0].client_id, "one");
    EXPECT_EQ(broker().counters().clients_connected, 1U);
    EXPECT_EQ(broker().counters().connections_accepted, 1U);
}

TEST_F(BrokerConnect, AssignsDistinctClientIdentifiersAndTellsThem) {
    join("", Version::v5);
    const std::string first(told(PropertyId::assigned_client_identifier)->text);
    join("", Version::v5);
    const std::string second(told(PropertyId::assigned_client_identifier)->text);
    EXPECT_NE(first, second);
    const auto seen = events();
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_EQ(seen[0].client_id, first);
    join("", Version::v3_1_1);
    EXPECT_EQ(broker().counters().sessions, 3U);
}

TEST_F(BrokerConnect, RefusesANamelessLastingSessionIn311) {
    expect_refused(hello(Version::v3_1_1, "", false), ReasonCode::client_identifier_not_valid);
    EXPECT_EQ(broker().counters().connections_refused, 1U);
}

TEST_F(BrokerConnect, RefusesEnhancedAuthentication) {
    Connect connect = hello(Version::v5, "c");
    base::Bytes block;
    append_property(block, {PropertyId::authentication_method, 0, "SCRAM-SHA-1", {}});
    connect.properties = block;
    expect_refused(connect, ReasonCode::bad_authentication_method);
}

TEST_F(BrokerConnect, RefusesOtherProtocolsInTheOldForm) {
    auto& client = open(Version::v3_1_1);
    const base::Bytes mqtt_3_1{0x10, 0x0F, 0x00, 0x06, 'M',  'Q',  'I',  's', 'd',
                               'p',  0x03, 0x02, 0x00, 0x3C, 0x00, 0x01, 'a'};
    send_bytes(client, mqtt_3_1);
    EXPECT_EQ(expect<Connack>(client).reason, ReasonCode::unsupported_protocol_version);
    EXPECT_EQ(client.close, std::optional<bool>{true});
}

TEST_F(BrokerConnect, AnswersAMalformedV5ConnectAndClosesAnOldOneInSilence) {
    base::Bytes bytes;
    encode(bytes, hello(Version::v5, "c"));
    bytes[9] |= 0x01U;  // the reserved connect flag
    auto& modern = open();
    send_bytes(modern, bytes);
    EXPECT_EQ(expect<Connack>(modern).reason, ReasonCode::malformed_packet);

    bytes.clear();
    encode(bytes, hello(Version::v3_1_1, "c"));
    bytes[9] |= 0x01U;
    auto& old = open(Version::v3_1_1);
    send_bytes(old, bytes);
    expect_nothing(old);
    EXPECT_TRUE(old.close.has_value());
}

TEST_F(BrokerConnect, MustBeTheFirstPacket) {
    auto& client = open();
    send(client, Pingreq{});
    expect_nothing(client);
    EXPECT_TRUE(client.close.has_value());
    EXPECT_TRUE(events().empty());
}

TEST_F(BrokerConnect, ASecondOneIsAProtocolError) {
    auto& client = join("c");
    send(client, hello(Version::v5, "c"));
    expect_disconnected(client, ReasonCode::protocol_error);
    auto& old = join("d", Version::v3_1_1);
    send(old, hello(Version::v3_1_1, "d"));
    expect_nothing(old);
    EXPECT_TRUE(old.close.has_value());
}

TEST_F(BrokerConnect, MustComeInTime) {
    auto& client = open();
    EXPECT_EQ(broker().next_deadline(), now_.instant + seconds(5));
    pass(milliseconds(4'999));
    EXPECT_FALSE(client.close.has_value());
    pass(milliseconds(1));
    EXPECT_EQ(client.close, std::optional<bool>{false});
    EXPECT_FALSE(broker().next_deadline().has_value());
}

TEST_F(BrokerConnect, IsRefusedBeyondTheLimits) {
    BrokerLimits limits;
    limits.max_clients = 1;
    limits.max_sessions = 2;
    restart(limits);
    auto& first = join_lasting("a");
    expect_refused(hello(Version::v5, "b"), ReasonCode::server_busy);
    join_lasting("a");  // takes its own place
    EXPECT_TRUE(first.close.has_value());
    hang_up(join_lasting("a"));
    hang_up(join_lasting("b"));
    expect_refused(hello(Version::v5, "c"), ReasonCode::quota_exceeded);
    Connect old = hello(Version::v3_1_1, "c");
    expect_refused(old, ReasonCode::server_unavailable);
}

TEST_F(BrokerConnect, KeepAliveEndsAfterOneAndAHalf) {
    Connect connect = hello(Version::v5, "c");
    connect.keep_alive_s = 10;
    auto& client = join(connect);
    pass(seconds(14));
    send(client, Pingreq{});
    expect<Pingresp>(client);
    pass(seconds(14));
    EXPECT_FALSE(client.close.has_value());
    pass(seconds(1));
    expect_disconnected(client, ReasonCode::keep_alive_timeout);
    const auto seen = events();
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_EQ(seen[1].kind, Kind::gone);
    EXPECT_FALSE(seen[1].by_disconnect);
    EXPECT_EQ(broker().counters().sessions, 0U);
}

TEST_F(BrokerConnect, TellsV5ClientsTheLongestKeepAlive) {
    BrokerLimits limits;
    limits.max_keep_alive = seconds(60);
    restart(limits);
    for (const auto asked : {std::uint16_t{0}, std::uint16_t{61}}) {
        Connect connect = hello(Version::v5, "c");
        connect.keep_alive_s = asked;
        auto& client = join(connect);
        const auto told = find_property(last_connack_.properties, PropertyId::server_keep_alive);
        ASSERT_TRUE(told) << asked;
        EXPECT_EQ(told->number, 60U);
        pass(seconds(91));
        EXPECT_TRUE(client.close.has_value()) << "the server's holds";
    }
    Connect content = hello(Version::v5, "d");
    content.keep_alive_s = 60;
    join(content);
    EXPECT_FALSE(find_property(last_connack_.properties, PropertyId::server_keep_alive));
}

TEST_F(BrokerConnect, KeepAliveZeroIsOff) {
    auto& client = join("c", Version::v3_1_1);
    EXPECT_FALSE(broker().next_deadline().has_value());
    pass(std::chrono::hours(100));
    EXPECT_FALSE(client.close.has_value());
}

TEST_F(BrokerConnect, TakesOverTheSameClientsConnection) {
    auto& first = join_lasting("c");
    subscribe(first, "t", Qos::at_least_once);
    events();
    auto& second = join_lasting("c");
    expect_disconnected(first, ReasonCode::session_taken_over);
    EXPECT_TRUE(last_connack_.session_present);
    const auto seen = events();
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_EQ(seen[0].kind, Kind::gone);
    EXPECT_TRUE(seen[0].taken_over);
    EXPECT_EQ(seen[1].kind, Kind::connected);
    EXPECT_TRUE(seen[1].session_present);
    broker().publish({"t", base::as_bytes("v"), {}, Qos::at_least_once, false}, now_);
    drain();
    expect_message(second, "t", "v", Qos::at_least_once);
    EXPECT_EQ(broker().counters().clients_connected, 1U);
}

TEST_F(BrokerConnect, ATakenOver311ClientIsJustClosed) {
    auto& first = join("c", Version::v3_1_1);
    join("c", Version::v3_1_1);
    expect_nothing(first);
    EXPECT_TRUE(first.close.has_value());
}

TEST_F(BrokerConnect, CleanStartForgets) {
    auto& first = join_lasting("c");
    subscribe(first, "t");
    hang_up(first);
    EXPECT_EQ(broker().counters().subscriptions, 1U);
    join_lasting("c", true);
    EXPECT_FALSE(last_connack_.session_present);
    EXPECT_EQ(broker().counters().subscriptions, 0U);
    EXPECT_EQ(broker().counters().sessions, 1U);
}

TEST_F(BrokerConnect, ASessionWithoutExpiryEndsWithItsConnection) {
    auto& client = join("c");
    hang_up(client);
    EXPECT_EQ(broker().counters().sessions, 0U);
    join("c");
    join(hello(Version::v5, "c",
               false));  // taken over: the other session has ended with its connection
    EXPECT_FALSE(last_connack_.session_present);
}

TEST_F(BrokerConnect, SessionsExpire) {
    hang_up(join_lasting("c", false, 60));
    pass(seconds(59));
    EXPECT_EQ(broker().counters().sessions, 1U);
    pass(seconds(1));
    EXPECT_EQ(broker().counters().sessions, 0U);
    join_lasting("c", false, 60);
    EXPECT_FALSE(last_connack_.session_present);
}

TEST_F(BrokerConnect, TellsTheSessionExpiryItGrantsWhereItIsShorter) {
    BrokerLimits limits;
    limits.max_session_expiry = seconds(100);
    restart(limits);
    auto& client = join_lasting("c", false, 0xFFFF'FFFF);
    EXPECT_EQ(told(PropertyId::session_expiry_interval)->number, 100U);
    hang_up(client);
    pass(seconds(100));
    EXPECT_EQ(broker().counters().sessions, 0U);
}

TEST_F(BrokerConnect, A311SessionLastsUnlessClean) {
    hang_up(join(hello(Version::v3_1_1, "c", false)));
    join(hello(Version::v3_1_1, "c", false));
    EXPECT_TRUE(last_connack_.session_present);
}

TEST_F(BrokerConnect, DisconnectMayChangeTheExpiryButNotBeginOne) {
    auto& client = join_lasting("c");
    const auto none = number(PropertyId::session_expiry_interval, 0);
    send(client, Disconnect{ReasonCode::success, none});
    EXPECT_EQ(broker().counters().sessions, 0U);
    const auto seen = events();
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_TRUE(seen[1].by_disconnect);

    auto& brief = join("d");
    const auto some = number(PropertyId::session_expiry_interval, 9);
    send(brief, Disconnect{ReasonCode::success, some});
    expect_disconnected(brief, ReasonCode::protocol_error);
}

TEST_F(BrokerConnect, MalformedInputIsAnsweredInV5AndClosedIn311) {
    const base::Bytes qos_3{0x36, 0x05, 0x00, 0x01, 't', 0x00, 0x01};
    auto& modern = join("a");
    send_bytes(modern, qos_3);
    expect_disconnected(modern, ReasonCode::malformed_packet);
    auto& old = join("b", Version::v3_1_1);
    send_bytes(old, qos_3);
    expect_nothing(old);
    EXPECT_EQ(old.close, std::optional<bool>{true});
}

TEST_F(BrokerConnect, IgnoresWhatFollowsAFatalPacket) {
    auto& client = join("a");
    base::Bytes bytes{0x36, 0x05, 0x00, 0x01, 't', 0x00, 0x01};
    encode(bytes, message("t", "v"), Version::v5);
    send_bytes(client, bytes);
    EXPECT_TRUE(published().empty());
}

TEST_F(BrokerConnect, APacketOverTheLimitIsRefusedByItsHeader) {
    BrokerLimits limits;
    limits.max_packet_bytes = 100;
    restart(limits);
    auto& client = join("a");
    send_bytes(client, base::Bytes{0x30, 0x80, 0x01});
    expect_disconnected(client, ReasonCode::packet_too_large);
}

TEST_F(BrokerConnect, ServerOnlyPacketsAndUninvitedAuthAreProtocolErrors) {
    auto& one = join("a");
    send(one, Pingresp{});
    expect_disconnected(one, ReasonCode::protocol_error);
    auto& other = join("b");
    send_bytes(other, base::Bytes{0xF0, 0x00});
    expect_disconnected(other, ReasonCode::protocol_error);
}

TEST_F(BrokerConnect, ShutDownSaysGoodbyeAndPublishesNoWill) {
    Connect connect = hello(Version::v5, "a");
    connect.will = Will{"w", base::as_bytes("gone"), {}, Qos::at_most_once, false};
    auto& client = join(connect);
    auto& silent = open();
    events();
    broker().shut_down(now_);
    drain();
    expect_disconnected(client, ReasonCode::server_shutting_down);
    EXPECT_TRUE(silent.close.has_value());
    EXPECT_TRUE(events().empty());
    EXPECT_EQ(broker().counters().clients_connected, 0U);
}

}  // namespace
}  // namespace sallyport::mqtt
