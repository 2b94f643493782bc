#include "tests/unit/mqtt/broker_fixture.hpp"

namespace sallyport::mqtt {
namespace {

using std::chrono::seconds;
using Kind = SeenEvent::Kind;

class BrokerWill : public BrokerTest {
protected:
    /// A client whose will is "w"; v5 with these intervals in seconds.
    ScriptedClient& join_with_will(Version version = Version::v5, std::uint32_t delay_s = 0,
                                   std::uint32_t expiry_s = 0, bool clean_start = false,
                                   std::string_view topic = "w") {
        Connect connect = hello(version, "dying", clean_start || version == Version::v3_1_1);
        base::Bytes expiry, delay;
        if (expiry_s > 0) expiry = number(PropertyId::session_expiry_interval, expiry_s);
        append_property(delay, {PropertyId::user_property, 0, "k", "v"});
        append_property(delay, {PropertyId::will_delay_interval, delay_s, {}, {}});
        connect.will = Will{topic, base::as_bytes("last words"), {}, Qos::at_least_once, true};
        if (version == Version::v5) {
            connect.properties = expiry;
            connect.will->properties = delay;
        }
        auto& client = join(connect);
        events();
        return client;
    }
};

TEST_F(BrokerWill, FollowsALostConnectionOnThePathOfAPublish) {
    auto& watcher = join("watcher");
    subscribe(watcher, "w", Qos::at_least_once);
    hang_up(join_with_will());
    const auto seen = events();
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_EQ(seen[0].kind, Kind::gone);
    EXPECT_EQ(seen[0].client_id, "dying");
    EXPECT_FALSE(seen[0].by_disconnect);
    EXPECT_EQ(seen[1].kind, Kind::published);
    EXPECT_TRUE(seen[1].is_will);
    EXPECT_EQ(seen[1].topic, "w");
    EXPECT_EQ(seen[1].payload, "last words");
    EXPECT_EQ(seen[1].token.session, 0U);
    EXPECT_TRUE(find_property(seen[1].properties, PropertyId::user_property));
    EXPECT_FALSE(find_property(seen[1].properties, PropertyId::will_delay_interval));
    expect_message(watcher, "w", "last words", Qos::at_least_once);
    EXPECT_EQ(broker().counters().retained, 1U);
}

TEST_F(BrokerWill, IsDeletedByANormalDisconnect) {
    send(join_with_will(), Disconnect{});
    auto seen = events();
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_TRUE(seen[0].by_disconnect);
    send(join_with_will(Version::v3_1_1), Disconnect{});
    seen = events();
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_TRUE(seen[0].by_disconnect);
}

TEST_F(BrokerWill, IsSentWhereTheDisconnectAsksForIt) {
    send(join_with_will(), Disconnect{ReasonCode::disconnect_with_will, {}});
    const auto seen = events();
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_FALSE(seen[0].by_disconnect);
    EXPECT_TRUE(seen[1].is_will);
}

TEST_F(BrokerWill, FollowsAProtocolErrorAndASilence) {
    send(join_with_will(), Pingresp{});
    EXPECT_EQ(published().size(), 1U);
    Connect connect = hello(Version::v3_1_1, "c");
    connect.keep_alive_s = 2;
    connect.will = Will{"w", base::as_bytes("x"), {}, Qos::at_most_once, false};
    join(connect);
    pass(seconds(3));
    EXPECT_EQ(published().size(), 1U);
}

TEST_F(BrokerWill, WaitsForItsDelayAndClientGoneWithIt) {
    hang_up(join_with_will(Version::v5, 10, 60));
    EXPECT_TRUE(events().empty());
    pass(seconds(9));
    EXPECT_TRUE(events().empty());
    pass(seconds(1));
    const auto seen = events();
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_EQ(seen[0].kind, Kind::gone);
    EXPECT_TRUE(seen[1].is_will);
    pass(seconds(50));
    EXPECT_TRUE(events().empty());
    EXPECT_EQ(broker().counters().sessions, 0U);
}

TEST_F(BrokerWill, DoesNotWaitLongerThanTheSession) {
    hang_up(join_with_will(Version::v5, 100, 5));
    pass(seconds(5));
    EXPECT_EQ(published().size(), 1U);
    EXPECT_EQ(broker().counters().sessions, 0U);
}

TEST_F(BrokerWill, IsVoidWhereTheClientIsBackInTime) {
    hang_up(join_with_will(Version::v5, 10, 60));
    join_lasting("dying");
    auto seen = events();
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_EQ(seen[0].kind, Kind::gone);
    EXPECT_TRUE(seen[0].taken_over);
    EXPECT_EQ(seen[1].kind, Kind::connected);
    EXPECT_TRUE(seen[1].session_present);
    pass(seconds(100));
    EXPECT_TRUE(events().empty());
}

TEST_F(BrokerWill, IsSentWhereACleanStartEndsTheSession) {
    hang_up(join_with_will(Version::v5, 10, 60));
    join_lasting("dying", true);
    const auto seen = events();
    ASSERT_EQ(seen.size(), 3U);
    EXPECT_EQ(seen[0].kind, Kind::gone);
    EXPECT_TRUE(seen[1].is_will);
    EXPECT_EQ(seen[2].kind, Kind::connected);
}

TEST_F(BrokerWill, OfATakenOverConnectionIsSentUnlessItsDelayRuns) {
    join_with_will(Version::v5, 0, 60);
    join_with_will(Version::v5, 10, 60);
    join_lasting("dying");
    EXPECT_TRUE(published().empty());

    join_with_will(Version::v5, 0, 60);
    join_lasting("dying");
    EXPECT_EQ(published().size(), 1U);
    join_with_will(Version::v3_1_1);
    join("dying", Version::v3_1_1);
    EXPECT_EQ(published().size(), 1U);
}

TEST_F(BrokerWill, OnAProtectedTopicIsDropped) {
    hang_up(join_with_will(Version::v5, 0, 0, false, "sallyport/x"));
    const auto seen = events();
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen[0].kind, Kind::gone);
    EXPECT_EQ(broker().counters().refused_publishes, 1U);
    EXPECT_EQ(broker().counters().retained, 0U);
}

TEST_F(BrokerWill, ManyComeDueAtOnce) {
    for (int i = 0; i < 50; ++i) {
        const std::string name = "c" + std::to_string(i);
        Connect connect = hello(Version::v3_1_1, name);
        connect.keep_alive_s = 2;
        connect.will = Will{name, base::as_bytes(name), {}, Qos::at_most_once, false};
        join(connect);
    }
    events();
    pass(seconds(3));
    const auto seen = published();
    ASSERT_EQ(seen.size(), 50U);
    for (const auto& event : seen) EXPECT_EQ(event.topic, event.client_id);
}

}  // namespace
}  // namespace sallyport::mqtt
