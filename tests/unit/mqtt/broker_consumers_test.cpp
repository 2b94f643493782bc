// Sessions named as consumers: what the owner publishes in two steps is never dropped from their
// queues; it is asked to hold back instead.
#include "tests/unit/mqtt/durable_fixture.hpp"

namespace sallyport::mqtt {
namespace {

using std::chrono::hours;

class BrokerConsumersTest : public DurableBrokerTest {
protected:
    BrokerConsumersTest() {
        limits_.session_queue_messages = 10;
        options_.consumers = {"historian", "mes"};
        restart(limits_, options_);
    }
    void publish_in_two_steps(std::string_view topic, int value) {
        const auto payload = std::to_string(value);
        const Message message{topic, base::as_bytes(payload), {}, Qos::at_least_once, false};
        const auto stage = broker().publish_to_lasting(message, now_);
        save();
        broker().publish_to_passing(message, stage, now_);
        drain();
    }
    void leave_subscribed(std::string_view client_id) {
        hang_up(subscriber(client_id, "#", Qos::at_least_once));
    }
    /// Comes back and acknowledges all there is; what it got, in order.
    std::vector<int> come_and_read(std::string_view client_id) {
        auto& client = join_lasting(client_id);
        EXPECT_TRUE(last_connack_.session_present);
        std::vector<int> got;
        while (!client.inbox.empty()) {
            const auto publish = expect<Publish>(client);
            got.push_back(std::stoi(std::string(base::as_text(publish.payload))));
            acknowledge(client, PacketType::puback, publish.packet_id);
            save();
        }
        return got;
    }
    static std::vector<int> numbers(int from, int to) {
        std::vector<int> all;
        for (int i = from; i <= to; ++i) all.push_back(i);
        return all;
    }
    ConsumerState historian() { return broker().consumers().at(0); }
};

TEST_F(BrokerConsumersTest, HoldBackWhileTheyAreAwayAndLoseNothing) {
    leave_subscribed("historian");
    for (int i = 1; i <= 5; ++i) publish_in_two_steps("t", i);
    EXPECT_FALSE(broker().holds_back());
    EXPECT_FALSE(historian().holding_since);
    for (int i = 6; i <= 30; ++i) publish_in_two_steps("t", i);
    EXPECT_TRUE(broker().holds_back());
    pass(std::chrono::minutes(30));
    EXPECT_TRUE(broker().holds_back()) << "however long it takes";
    EXPECT_EQ(historian().waiting_messages, 30U);
    EXPECT_FALSE(historian().connected);
    EXPECT_EQ(come_and_read("historian"), numbers(1, 30));
    EXPECT_FALSE(broker().holds_back());
    EXPECT_EQ(broker().counters().dropped_queue_full, 0U);
}

TEST_F(BrokerConsumersTest, HoldBackTooWhereTheyAreConnectedAndDoNotRead) {
    auto& client = subscriber("historian", "#", Qos::at_least_once);
    hang_up(client);
    Connect slow = hello(Version::v5, "historian", false);
    auto block = number(PropertyId::session_expiry_interval, 3600);
    append_property(block, {PropertyId::receive_maximum, 1, {}, {}});
    slow.properties = block;
    join(slow);
    for (int i = 1; i <= 20; ++i) publish_in_two_steps("t", i);
    pass(hours(1));
    EXPECT_TRUE(broker().holds_back()) << "without any progress";
    EXPECT_EQ(historian().waiting_messages, 20U);
}

TEST_F(BrokerConsumersTest, SessionsBesideLoseTheirOldestAndAreCounted) {
    leave_subscribed("historian");
    leave_subscribed("other");
    publish_in_two_steps("quiet", 1);
    for (int i = 2; i <= 30; ++i) publish_in_two_steps("t", i);
    EXPECT_EQ(broker().counters().dropped_queue_full, 20U);
    EXPECT_EQ(come_and_read("historian"), numbers(1, 30));
    auto newest = numbers(22, 30);
    newest.insert(newest.begin(), 1);
    EXPECT_EQ(come_and_read("other"), newest);
}

TEST_F(BrokerConsumersTest, WhatNobodyHoldsBackForIsDroppedFromTheirQueues) {
    leave_subscribed("historian");
    publish("state", "100", Qos::at_least_once);
    for (int i = 1; i <= 10; ++i) publish_in_two_steps("t", i);
    for (int i = 101; i <= 105; ++i) publish("state", std::to_string(i), Qos::at_least_once);
    publish("other", "200", Qos::at_least_once);
    save();
    EXPECT_EQ(historian().waiting_messages, 10U);
    EXPECT_EQ(broker().counters().dropped_queue_full, 7U);
    EXPECT_EQ(come_and_read("historian"), numbers(1, 10));
}

TEST_F(BrokerConsumersTest, OtherMessagesAloneDoNotHold) {
    leave_subscribed("historian");
    for (int i = 1; i <= 50; ++i) publish("state", std::to_string(i), Qos::at_least_once);
    save();
    EXPECT_FALSE(broker().holds_back());
    EXPECT_EQ(come_and_read("historian"), numbers(41, 50));
}

TEST_F(BrokerConsumersTest, TheirQueuesComeBackWholeWithAStartAndHold) {
    leave_subscribed("historian");
    for (int i = 1; i <= 9; ++i) publish_in_two_steps("t", i);
    limits_.session_queue_messages = 4;
    crash();
    EXPECT_TRUE(broker().holds_back());
    EXPECT_EQ(come_and_read("historian"), numbers(1, 9));
    EXPECT_FALSE(broker().holds_back());
}

TEST_F(BrokerConsumersTest, ASessionThatEndsHoldsNobodyAndItsLossIsCounted) {
    leave_subscribed("historian");
    for (int i = 1; i <= 9; ++i) publish_in_two_steps("t", i);
    EXPECT_TRUE(broker().holds_back());
    join_lasting("historian", true);
    save();
    EXPECT_FALSE(broker().holds_back());
    EXPECT_EQ(historian().lost_messages, 9U);
    EXPECT_EQ(historian().waiting_messages, 0U);
    EXPECT_TRUE(historian().has_session);
    EXPECT_FALSE(broker().consumers().at(1).has_session);
}

TEST_F(BrokerConsumersTest, TheirSessionsLastAsLongAsTheyAsk) {
    constexpr std::uint32_t kForEver = 0xFFFF'FFFF;
    hang_up(join_lasting("historian", false, kForEver));
    hang_up(join_lasting("other", false, kForEver));
    save();
    pass(limits_.max_session_expiry + hours(1));
    EXPECT_TRUE(historian().has_session);
    EXPECT_EQ(broker().counters().sessions, 1U) << "the other one's has expired";
    save();
    crash();
    pass(hours(24L * 365));
    EXPECT_TRUE(historian().has_session);
}

}  // namespace
}  // namespace sallyport::mqtt
