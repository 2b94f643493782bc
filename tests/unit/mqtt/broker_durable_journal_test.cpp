// What the journal says: one change a thing, and no more than there is.
#include "tests/unit/mqtt/durable_fixture.hpp"

namespace sallyport::mqtt {
namespace {

class BrokerDurableJournal : public DurableBrokerTest {
protected:
    /// The changes since the last batch, which reach the disk.
    std::size_t changes() {
        if (!begin_save()) return 0;
        const std::size_t count = under_way_->changes.size();
        end_save();
        return count;
    }
};

TEST_F(BrokerDurableJournal, AFastRetainedTopicCostsOneRowABatch) {
    for (int i = 0; i < 1'000; ++i) publish("t", std::to_string(i), Qos::at_most_once, true);
    EXPECT_EQ(changes(), 1U);
    EXPECT_EQ(base::as_text(store_.retained.at("t").message->payload), "999");
    publish("t", "more", Qos::at_most_once, true);
    publish("t", "", Qos::at_most_once, true);
    EXPECT_EQ(changes(), 1U);
    EXPECT_TRUE(store_.retained.empty());
    publish("t", "brief", Qos::at_most_once, true);
    publish("t", "", Qos::at_most_once, true);
    EXPECT_EQ(changes(), 0U);
}

TEST_F(BrokerDurableJournal, AQueueThatOverflowsWhileTheDiskStandsStillIsBounded) {
    limits_.session_queue_messages = 10;
    restart(limits_, options_);
    hang_up(subscriber("s", "#", Qos::at_least_once));
    save();
    ASSERT_FALSE(begin_save());
    for (int i = 0; i < 5'000; ++i) publish("t" + std::to_string(i), "v", Qos::at_least_once);
    EXPECT_EQ(changes(), 20U);  // ten messages, ten deliveries
    for (int i = 0; i < 5'000; ++i) publish("u" + std::to_string(i), "v", Qos::at_least_once);
    EXPECT_EQ(changes(), 40U);  // the same, and what was there before is gone
    EXPECT_EQ(store_.deliveries.size(), 10U);
}

TEST_F(BrokerDurableJournal, SessionsAndSubscriptionsThatComeAndGoLeaveNoTrace) {
    auto& client = join_lasting("stays");
    save();
    expect_nothing(client);
    for (int i = 0; i < 1'000; ++i) {
        auto& brief = join_lasting("brief" + std::to_string(i));
        send(brief, Subscribe{1, {}, {SubscribeFilter{"a", Qos{}, false, false, 0}}});
        send(brief, message("x", "y", Qos::exactly_once, 1));
        Disconnect bye;
        const auto block = number(PropertyId::session_expiry_interval, 0);
        bye.properties = block;
        send(brief, bye);
        send(client, Subscribe{1, {}, {SubscribeFilter{"f", Qos{}, false, false, 0}}});
        send(client, Unsubscribe{2, {}, {"f"}});
    }
    EXPECT_LE(changes(), 1U);
    EXPECT_EQ(store_.sessions.size(), 1U);
    EXPECT_TRUE(store_.subscriptions.empty());
    EXPECT_TRUE(store_.receipts.empty());
}

TEST_F(BrokerDurableJournal, AMessageIsStoredOnceForAllQueuesAndGoesWithTheLast) {
    auto& a = subscriber("a", "t", Qos::at_least_once);
    auto& b = subscriber("b", "t", Qos::at_least_once);
    publish("t", "v", Qos::at_least_once);
    save();
    EXPECT_EQ(store_.messages.size(), 1U);
    EXPECT_EQ(store_.deliveries.size(), 2U);
    acknowledge(a, PacketType::puback, expect<Publish>(a).packet_id);
    save();
    EXPECT_EQ(store_.messages.size(), 1U);
    acknowledge(b, PacketType::puback, expect<Publish>(b).packet_id);
    save();
    EXPECT_TRUE(store_.messages.empty());
}

TEST_F(BrokerDurableJournal, ACleanStartEmptiesTheSession) {
    auto& first = subscriber("s", "t", Qos::exactly_once);
    publish("t", "v", Qos::exactly_once);
    send(first, message("x", "y", Qos::exactly_once, 4));
    save();
    join_lasting("s", true);
    save();
    EXPECT_EQ(store_.sessions.size(), 1U);
    EXPECT_TRUE(store_.subscriptions.empty());
    EXPECT_TRUE(store_.deliveries.empty());
    EXPECT_TRUE(store_.messages.empty());
    EXPECT_TRUE(store_.receipts.empty());
}

TEST_F(BrokerDurableJournal, ASessionThatIsToLastNoLongerIsForgotten) {
    hang_up(subscriber("s", "t", Qos::at_least_once));
    publish("t", "v", Qos::at_least_once);
    save();
    EXPECT_EQ(store_.deliveries.size(), 1U);
    auto& passing = join(hello(Version::v5, "s", false));
    EXPECT_TRUE(last_connack_.session_present);
    expect_message(passing, "t", "v", Qos::at_least_once);
    save();
    EXPECT_TRUE(store_.sessions.empty());
    EXPECT_TRUE(store_.deliveries.empty());
    EXPECT_TRUE(store_.messages.empty());
}

TEST_F(BrokerDurableJournal, ExpiredRetainedMessagesLeaveTheDisk) {
    const auto brief = number(PropertyId::message_expiry_interval, 5);
    broker().publish({"old", base::as_bytes("v"), brief, Qos::at_most_once, true}, now_);
    save();
    EXPECT_TRUE(store_.retained.at("old").message->expires_at.has_value());
    pass(std::chrono::seconds(6));
    publish("new", "v", Qos::at_most_once, true);
    save();
    EXPECT_EQ(store_.retained.size(), 1U);
}

}  // namespace
}  // namespace sallyport::mqtt
