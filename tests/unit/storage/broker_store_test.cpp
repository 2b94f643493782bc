// What was applied is what a start finds; what is over or contradicts itself is not.
#include <algorithm>
#include <array>

#include <sqlite3.h>

#include "common/storage/components.hpp"
#include "tests/unit/storage/broker_store_fixture.hpp"

namespace sallyport::storage {
namespace {

using namespace std::chrono_literals;

TEST_F(BrokerStoreTest, ANewFileIsEmpty) {
    const auto state = load();
    EXPECT_TRUE(state.sessions.empty() && state.subscriptions.empty() && state.messages.empty() &&
                state.deliveries.empty() && state.receipts.empty() && state.retained.empty());
}

TEST_F(BrokerStoreTest, ASessionComesBackWithEveryField) {
    mqtt::OwnedWill will{"plant/will", bytes("gone"), bytes("\x01\x01"), mqtt::Qos::exactly_once,
                         true,         1500ms};
    auto first = session("a", 0xFFFFFFFF, kNow + -5s);
    first.will = will;
    apply({first, session("b", 7)});
    const auto state = load();
    ASSERT_EQ(state.sessions.size(), 2U);
    const auto& a = state.sessions[0];
    EXPECT_EQ(a.client_id, "a");
    EXPECT_EQ(a.expiry_s, 0xFFFFFFFF);
    EXPECT_EQ(a.ended_at, kNow + -5s);
    ASSERT_TRUE(a.will);
    EXPECT_EQ(a.will->topic, will.topic);
    EXPECT_EQ(a.will->payload, will.payload);
    EXPECT_EQ(a.will->properties, will.properties);
    EXPECT_EQ(a.will->qos, will.qos);
    EXPECT_TRUE(a.will->retain);
    EXPECT_EQ(a.will->delay, will.delay);
    EXPECT_FALSE(state.sessions[1].ended_at);
    EXPECT_FALSE(state.sessions[1].will);
    apply({session("a", 9)});
    const auto again = load();
    EXPECT_EQ(again.sessions[0].expiry_s, 9U);
    EXPECT_FALSE(again.sessions[0].will) << "Put replaces all of the session";
}

TEST_F(BrokerStoreTest, MessagesAndDeliveriesComeBackWithEveryField) {
    const auto expires = kNow + 1s;
    auto full = delivery("a", 2, 77);
    full.qos = mqtt::Qos::exactly_once;
    full.retain = full.shared = full.released = true;
    full.packet_id = 65535;
    full.subscription_ids = {1, 268'435'455, 0x01020304};
    mqtt::DurableMessage stored{"t",
                                bytes(std::string_view("\0\xff", 2)),
                                bytes("\x26pair"),
                                "dev",
                                mqtt::Qos::exactly_once,
                                expires};
    apply({session("b"), session("a"), put(77, stored), put(0xFFFF'FFFF'FFFFU, message("u", "")),
           delivery("b", 1, 77), full, delivery("a", 1, 0xFFFF'FFFF'FFFFU)});
    const auto state = load();
    ASSERT_EQ(state.messages.size(), 2U);
    EXPECT_EQ(state.messages[0].number, 77U);
    const auto& read = *state.messages[0].message;
    EXPECT_EQ(read.topic, stored.topic);
    EXPECT_EQ(read.payload, stored.payload);
    EXPECT_EQ(read.properties, stored.properties);
    EXPECT_EQ(read.publisher, stored.publisher);
    EXPECT_EQ(read.qos, stored.qos);
    EXPECT_EQ(read.expires_at, stored.expires_at);
    EXPECT_FALSE(state.messages[1].message->expires_at);
    ASSERT_EQ(state.deliveries.size(), 3U);
    EXPECT_EQ(state.deliveries[0].order, 1U);
    EXPECT_EQ(state.deliveries[0].message, 0xFFFF'FFFF'FFFFU);
    const auto& second = state.deliveries[1];
    EXPECT_EQ(second.client_id, "a");
    EXPECT_EQ(second.order, 2U);
    EXPECT_EQ(second.qos, full.qos);
    EXPECT_TRUE(second.retain && second.shared && second.released);
    EXPECT_EQ(second.packet_id, 65535);
    EXPECT_EQ(second.subscription_ids, full.subscription_ids);
    EXPECT_EQ(state.deliveries[2].client_id, "b");
    EXPECT_TRUE(state.deliveries[2].subscription_ids.empty());
}

TEST_F(BrokerStoreTest, ListsAndRetainedMessagesComeBackWithEveryField) {
    apply({session("a"),
           mqtt::SubscriptionPut{"a", "$share/g/x/#", {mqtt::Qos::exactly_once, true, true, 9}},
           mqtt::SubscriptionPut{"a", "+/y", {}}, mqtt::ReceiptPut{"a", 1},
           mqtt::ReceiptPut{"a", 65535}, retained(message("r", "1", kNow + 1s)),
           retained(message("s", ""))});
    apply({mqtt::SubscriptionGone{"a", "+/y"}, mqtt::ReceiptGone{"a", 1}, mqtt::RetainedGone{"s"},
           retained(message("r", "2", kNow + 2s))});
    const auto state = load();
    ASSERT_EQ(state.subscriptions.size(), 1U);
    const auto& [client, filter, options] = state.subscriptions[0];
    EXPECT_EQ(client, "a");
    EXPECT_EQ(filter, "$share/g/x/#");
    EXPECT_EQ(options.qos, mqtt::Qos::exactly_once);
    EXPECT_TRUE(options.no_local && options.retain_as_published);
    EXPECT_EQ(options.identifier, 9U);
    ASSERT_EQ(state.receipts.size(), 1U);
    EXPECT_EQ(state.receipts[0].packet_id, 65535);
    ASSERT_EQ(state.retained.size(), 1U);
    EXPECT_EQ(state.retained[0].topic, "r");
    EXPECT_EQ(state.retained[0].message->topic, "r");
    EXPECT_EQ(state.retained[0].message->payload, bytes("2"));
    EXPECT_EQ(state.retained[0].message->publisher, "publisher");
    EXPECT_EQ(state.retained[0].message->expires_at, kNow + 2s);
}

TEST_F(BrokerStoreTest, TextIsKeptByteForByte) {
    const std::array<std::string, 4> texts{std::string("a\0b", 3), "a", "\xF0\x9F\x9A\xAA/\xC2\x85",
                                           std::string(65535, 'x')};
    for (const auto& text : texts)
        apply(
            {session(text), mqtt::SubscriptionPut{text, text, {}}, retained(message(text, text))});
    const auto state = load();
    ASSERT_EQ(state.sessions.size(), texts.size());
    for (const auto& text : texts) {
        EXPECT_EQ(std::ranges::count(state.sessions, text, &mqtt::SessionPut::client_id), 1);
        EXPECT_EQ(std::ranges::count(state.subscriptions, text, &mqtt::SubscriptionPut::filter), 1);
        EXPECT_EQ(std::ranges::count(state.retained, text, &mqtt::RetainedPut::topic), 1);
    }
}

TEST_F(BrokerStoreTest, ASessionGoesWithAllOfItAndWithWhatOnlyItWasOwed) {
    apply({session("a"), session("b"), mqtt::SubscriptionPut{"a", "#", {}},
           mqtt::ReceiptPut{"a", 4}, put(1, message("t", "only a")), put(2, message("t", "both")),
           delivery("a", 1, 1), delivery("a", 2, 2), delivery("b", 1, 2)});
    apply({mqtt::SessionGone{"a"}});
    EXPECT_EQ(rows("sessions"), 1);
    EXPECT_EQ(rows("subscriptions"), 0);
    EXPECT_EQ(rows("receipts"), 0);
    EXPECT_EQ(rows("deliveries"), 1);
    EXPECT_EQ(rows("messages"), 1);
    apply({mqtt::SessionGone{"b"}});
    EXPECT_EQ(rows("messages"), 0);
}

TEST_F(BrokerStoreTest, AMessageThatIsQueuedElsewhereLaterInTheBatchStays) {
    apply({session("a"), session("b")});
    apply({put(1, message("t", "x")), delivery("a", 1, 1), mqtt::SessionGone{"a"},
           delivery("b", 1, 1)});
    const auto state = load();
    EXPECT_EQ(state.messages.size(), 1U);
    EXPECT_EQ(state.deliveries.size(), 1U);
}

TEST_F(BrokerStoreTest, FindsWhatASessionWasOwedByIndex) {
    for (const char* sql : {"SELECT 1 FROM deliveries WHERE message = 1",
                            "DELETE FROM deliveries WHERE client_id = 1",
                            "DELETE FROM subscriptions WHERE client_id = 1"}) {
        auto plan = database().prepare("EXPLAIN QUERY PLAN " + std::string(sql));
        ASSERT_TRUE(plan.step());
        EXPECT_TRUE(plan.text(3).starts_with("SEARCH")) << plan.text(3);
    }
}

TEST_F(BrokerStoreTest, ExpiredSessionsAreLeftOutWithTheirListsAndTakenFromTheFile) {
    apply({session("over", 10, kNow + -10s), session("just not", 11, kNow + -10s),
           session("never", 0xFFFFFFFF, base::WallTime{0}), session("connected", 1),
           mqtt::SubscriptionPut{"over", "#", {}}, mqtt::ReceiptPut{"over", 1},
           put(1, message("t", "x")), delivery("over", 1, 1)});
    const auto state = load();
    EXPECT_EQ(state.sessions.size(), 3U);
    EXPECT_TRUE(state.subscriptions.empty() && state.receipts.empty() && state.deliveries.empty() &&
                state.messages.empty());
    EXPECT_EQ(store().report().sessions_expired, 1);
    EXPECT_EQ(store().report().messages_unneeded, 1);
    EXPECT_EQ(store().report().without_session, 0);
    EXPECT_EQ(rows("sessions"), 3);
    EXPECT_EQ(rows("subscriptions"), 0);
}

TEST_F(BrokerStoreTest, AnExpiredSessionIsGivenWhileItsWillIsOwed) {
    auto over = session("over", 10, kNow + -20s);
    over.will = mqtt::OwnedWill{"w", {}, {}, {}, false, {}};
    apply({over, mqtt::SubscriptionPut{"over", "#", {}}});
    const auto state = load();
    ASSERT_EQ(state.sessions.size(), 1U);
    EXPECT_TRUE(state.sessions[0].will);
    EXPECT_TRUE(state.subscriptions.empty());
}

TEST_F(BrokerStoreTest, ExpiredMessagesAreLeftOutUnlessSendingHasBegun) {
    auto in_flight = delivery("a", 2, 2);
    in_flight.packet_id = 5;
    apply({session("a"), put(1, message("t", "queued", kNow)), put(2, message("t", "sent", kNow)),
           put(3, message("t", "good", kNow + 1ns)), delivery("a", 1, 1), in_flight,
           delivery("a", 3, 3), retained(message("r", "over", kNow)),
           retained(message("s", "good", kNow + 1ns))});
    const auto state = load();
    ASSERT_EQ(state.deliveries.size(), 2U);
    EXPECT_EQ(state.deliveries[0].order, 2U);
    EXPECT_EQ(state.messages.size(), 2U);
    ASSERT_EQ(state.retained.size(), 1U);
    EXPECT_EQ(state.retained[0].topic, "s");
    EXPECT_EQ(store().report().deliveries_expired, 1);
    EXPECT_EQ(store().report().messages_unneeded, 1);
    EXPECT_EQ(store().report().retained_expired, 1);
    EXPECT_EQ(rows("retained"), 1);
}

TEST_F(BrokerStoreTest, ContradictionsAreLeftOutCountedAndTakenFromTheFile) {
    auto released = delivery("a", 3, 9);
    released.packet_id = 8;
    released.released = true;
    apply({session("a"), put(1, message("t", "x")), put(2, message("t", "needed by nobody")),
           delivery("a", 1, 1), delivery("a", 2, 404), released, delivery("ghost", 1, 1),
           mqtt::SubscriptionPut{"ghost", "#", {}}, mqtt::ReceiptPut{"ghost", 1}});
    const auto state = load();
    ASSERT_EQ(state.deliveries.size(), 2U);
    EXPECT_EQ(state.deliveries[0].order, 1U);
    EXPECT_EQ(state.deliveries[1].packet_id, 8) << "PUBREL needs no message";
    EXPECT_EQ(state.deliveries[1].message, 0U);
    EXPECT_EQ(state.messages.size(), 1U);
    EXPECT_TRUE(state.subscriptions.empty() && state.receipts.empty());
    EXPECT_EQ(store().report().without_session, 3);
    EXPECT_EQ(store().report().without_message, 1);
    EXPECT_EQ(store().report().messages_unneeded, 1);
    EXPECT_TRUE(store().report().cleaned);
    (void)load();
    EXPECT_EQ(store().report().without_session, 0) << "the first load took them from the file";
    EXPECT_EQ(store().report().without_message, 0);
}

TEST_F(BrokerStoreTest, ARowThatCannotBeIsDamage) {
    apply({session("a"), put(1, message("t", "x")), delivery("a", 1, 1)});
    database().execute("UPDATE deliveries SET qos = 3");
    try {
        (void)load();
        FAIL() << "took a QoS of 3";
    } catch (const DatabaseError& error) {
        EXPECT_TRUE(error.is_damage()) << error.what();
    }
}

TEST_F(BrokerStoreTest, AFailedBatchLeavesNothing) {
    apply({session("a")});
    {
        const Transaction transaction(database());
        store().apply({0, {session("b"), mqtt::SessionGone{"a"}}});
    }
    const auto state = load();
    ASSERT_EQ(state.sessions.size(), 1U);
    EXPECT_EQ(state.sessions[0].client_id, "a");
}

TEST_F(BrokerStoreTest, ApplyingWithoutATransactionIsAProgrammersError) {
    EXPECT_DEATH(store().apply({}), "assertion failed");
}

TEST_F(BrokerStoreTest, TablesOfALaterVersionAreRefusedUnchanged) {
    apply({session("a")});
    set_component_version(database(), "broker", 99);
    close();
    Database later(path());
    try {
        const BrokerStore refused(later);
        FAIL() << "took tables it cannot know";
    } catch (const DatabaseError& error) {
        EXPECT_FALSE(error.is_damage() || error.is_disk() || error.is_busy());
        EXPECT_NE(std::string(error.what()).find("newer version (broker schema 99"),
                  std::string::npos)
            << error.what();
        EXPECT_NE(std::string(error.what()).find(path()), std::string::npos);
    }
    EXPECT_EQ(component_version(later, "broker"), 99);
}

}  // namespace
}  // namespace sallyport::storage
