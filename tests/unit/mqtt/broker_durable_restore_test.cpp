// A start takes everything back, and believes nothing that makes no sense.
#include "tests/unit/mqtt/durable_fixture.hpp"

namespace sallyport::mqtt {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

class BrokerDurableRestore : public DurableBrokerTest {
protected:
    static Connect with_will(std::string_view client_id, std::uint32_t expiry_s, base::Bytes& block,
                             base::Bytes& will_block, std::uint32_t delay_s = 0) {
        Connect connect = hello(Version::v5, client_id, false);
        if (expiry_s > 0) block = number(PropertyId::session_expiry_interval, expiry_s);
        connect.properties = block;
        if (delay_s > 0) will_block = number(PropertyId::will_delay_interval, delay_s);
        connect.will = Will{"will", base::as_bytes("bye"), will_block, Qos::at_most_once, false};
        return connect;
    }
    ScriptedClient& join_with_will(std::string_view client_id, std::uint32_t expiry_s,
                                   std::uint32_t delay_s = 0) {
        base::Bytes block, will_block;
        return join(with_will(client_id, expiry_s, block, will_block, delay_s));
    }
    static MessagePut stored(MessageNumber number, std::string topic) {
        auto message = std::make_shared<DurableMessage>();
        message->topic = std::move(topic);
        message->payload = {'v'};
        message->qos = Qos::at_least_once;
        return {number, message};
    }
};

TEST_F(BrokerDurableRestore, BringsBackSessionsSubscriptionsAndQueuesInOrder) {
    auto& first = subscriber("s", "a/#", Qos::exactly_once);
    auto block = number(PropertyId::subscription_identifier, 9);
    send(first, Subscribe{8, block, {SubscribeFilter{"b", Qos::at_least_once, false, true, 0}}});
    hang_up(first);
    for (int i = 0; i < 5; ++i) publish("a/" + std::to_string(i), "v", Qos::exactly_once);
    publish("b", "flagged", Qos::at_least_once, true);
    save();
    crash();
    EXPECT_EQ(broker().counters().sessions, 1U);
    EXPECT_EQ(broker().counters().subscriptions, 2U);
    EXPECT_EQ(broker().counters().retained, 1U);
    auto& again = join_lasting("s");
    EXPECT_TRUE(last_connack_.session_present);
    save();
    // QoS 1 does not wait for a packet identifier on disk.
    const auto flagged = expect<Publish>(again);
    EXPECT_TRUE(flagged.retain);
    EXPECT_EQ(find_property(flagged.properties, PropertyId::subscription_identifier)->number, 9U);
    for (int i = 0; i < 5; ++i)
        expect_message(again, "a/" + std::to_string(i), "v", Qos::exactly_once);
    publish("a/live", "w", Qos::at_least_once);
    expect_message(again, "a/live", "w", Qos::at_least_once);
    EXPECT_EQ(broker().counters().restored_left_out, 0U);
}

TEST_F(BrokerDurableRestore, SendsInFlightAgainUnderItsIdentifierAndReleasesAgain) {
    auto& first = subscriber("s", "t", Qos::exactly_once);
    publish("t", "one", Qos::at_least_once);
    publish("t", "two", Qos::exactly_once);
    publish("t", "three", Qos::exactly_once);
    save();
    const auto one = expect<Publish>(first);
    const auto two = expect<Publish>(first);
    const auto three = expect<Publish>(first);
    acknowledge(first, PacketType::pubrec, two.packet_id);
    save();
    expect_ack(first, PacketType::pubrel);
    crash();
    auto& again = join_lasting("s");
    const auto one_again = expect<Publish>(again);
    EXPECT_EQ(one_again.packet_id, one.packet_id);
    EXPECT_TRUE(one_again.dup);
    EXPECT_EQ(expect_ack(again, PacketType::pubrel).packet_id, two.packet_id);
    const auto three_again = expect<Publish>(again);
    EXPECT_EQ(three_again.packet_id, three.packet_id);
    EXPECT_TRUE(three_again.dup);
    EXPECT_EQ(base::as_text(three_again.payload), "three");
}

TEST_F(BrokerDurableRestore, RetainedMessagesKeepTheirPropertiesAndTheirTime) {
    base::Bytes block = number(PropertyId::message_expiry_interval, 100);
    append_property(block, {PropertyId::user_property, 0, "k", "v"});
    broker().publish({"t", base::as_bytes("x"), block, Qos::at_least_once, true}, now_);
    const auto brief = number(PropertyId::message_expiry_interval, 10);
    broker().publish({"gone", base::as_bytes("x"), brief, Qos::at_least_once, true}, now_);
    save();
    now_.wall = now_.wall + seconds(30);  // the machine was off: only the wall clock knows
    crash();
    EXPECT_EQ(broker().counters().retained, 1U);
    auto& client = join("c");
    subscribe(client, "#");
    const auto got = expect<Publish>(client);
    EXPECT_EQ(find_property(got.properties, PropertyId::message_expiry_interval)->number, 70U);
    EXPECT_EQ(find_property(got.properties, PropertyId::user_property)->text, "k");
    save();
    EXPECT_EQ(store_.retained.size(), 1U);
}

TEST_F(BrokerDurableRestore, SessionsExpireFromTheEndOfTheirConnectionOrFromTheRestart) {
    hang_up(join_lasting("offline", false, 3'600));
    now_.wall = now_.wall + seconds(1'800);
    now_.instant = now_.instant + seconds(1'800);
    join_lasting("online", false, 3'600);
    save();
    crash();
    EXPECT_EQ(broker().counters().sessions, 2U);
    pass(seconds(1'801));
    EXPECT_EQ(broker().counters().sessions, 1U);
    pass(seconds(1'800));
    EXPECT_EQ(broker().counters().sessions, 0U);
    save();
    EXPECT_TRUE(store_.sessions.empty());
}

TEST_F(BrokerDurableRestore, AWillIsPublishedUnlessItsClientIsBackInTime) {
    join_with_will("lasting", 3'600);
    join_with_will("passing", 0);
    join_with_will("patient", 3'600, 60);
    join_with_will("back", 3'600);
    join_with_will("back-clean", 0);
    save();
    crash();
    auto& observer = join("o");
    subscribe(observer, "will");
    pass(seconds(9));
    join_lasting("back");
    join("back-clean");
    events();
    pass(seconds(2));
    auto seen = events();
    ASSERT_EQ(seen.size(), 2U);
    for (const auto& event : seen) {
        EXPECT_EQ(event.kind, SeenEvent::Kind::published);
        EXPECT_TRUE(event.is_will);
        EXPECT_TRUE(event.client_id == "lasting" || event.client_id == "passing");
    }
    pass(seconds(60));
    seen = events();
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen[0].client_id, "patient");
    for (int i = 0; i < 3; ++i) expect_message(observer, "will", "bye");
    expect_nothing(observer);
    save();
    EXPECT_FALSE(store_.sessions.contains("passing"));
    EXPECT_FALSE(store_.sessions.at("lasting").will.has_value());
    crash();
    pass(hours(1));
    EXPECT_TRUE(published().empty());  // once
}

TEST_F(BrokerDurableRestore, ANormalEndTakesTheWillFromTheDisk) {
    auto& client = join_with_will("w", 3'600);
    save();
    EXPECT_TRUE(store_.sessions.at("w").will.has_value());
    send(client, Disconnect{});
    save();
    crash();
    pass(seconds(100));
    EXPECT_TRUE(published().empty());
}

TEST_F(BrokerDurableRestore, LeavesOutWhatMakesNoSenseAndCleansUp) {
    DurableState state;
    state.sessions = {{"s", 3'600, base::WallTime{0}, {}},
                      {"", 3'600, {}, {}},
                      {"nothing", 0, {}, {}},
                      {"bad\xFF", 3'600, {}, {}},
                      {"bad will", 3'600, {}, OwnedWill{"w/#", {}, {}, Qos{}, false, {}}}};
    state.subscriptions = {{"s", "t", {}}, {"nobody", "t", {}}, {"s", "a/#/b", {}}, {"s", "", {}}};
    state.messages = {stored(1, "t"), stored(2, "t"), stored(3, "bad/#"),
                      {4, nullptr},   stored(0, "t"), stored(~std::uint64_t{0}, "t")};
    auto broken = std::make_shared<DurableMessage>(*stored(5, "t").message);
    broken->properties = {0x26, 0x00, 0x05, 'x'};
    state.messages.push_back({5, broken});
    const auto one = Qos::at_least_once;
    state.deliveries = {{"nobody", 1, 1, one, false, false, {}, 0, false},
                        {"s", 0, 1, one, false, false, {}, 0, false},
                        {"s", 1, 1, one, false, false, {}, 7, false},
                        {"s", 2, 1, one, false, false, {}, 7, false},
                        {"s", 2, 9, one, false, false, {}, 0, false},
                        {"s", 3, 1, Qos::at_most_once, false, false, {}, 0, false},
                        {"s", 4, 1, one, false, false, {}, 8, true},
                        {"s", 5, 5, one, false, false, {}, 0, false},
                        {"s", 6, 1, one, false, false, {0}, 0, false},
                        {"s", 6, 1, one, false, false, {}, 0, false},
                        {"s", 6, 1, one, false, false, {}, 0, false},
                        {"s", ~std::uint64_t{0}, 1, one, false, false, {}, 0, false}};
    state.receipts = {{"s", 1}, {"s", 1}, {"s", 0}, {"nobody", 1}};
    state.retained = {{"t", stored(1, "t").message},
                      {"other", stored(1, "t").message},
                      {"null", nullptr},
                      {"bad", broken}};
    restart(limits_, options_);
    broker().restore(state, now_);
    EXPECT_EQ(broker().counters().sessions, 1U);
    EXPECT_EQ(broker().counters().subscriptions, 1U);
    EXPECT_EQ(broker().counters().retained, 1U);
    EXPECT_EQ(broker().counters().restored_left_out, 4U + 3U + 5U + 10U + 3U + 3U);
    const auto cleaning = broker().next_changes();
    ASSERT_TRUE(cleaning.has_value());
    broker().changes_saved(cleaning->upto, now_);
    auto& client = join_lasting("s");
    EXPECT_EQ(expect<Publish>(client).packet_id, 7);
    expect_message(client, "t", "v", Qos::at_least_once);
    expect_nothing(client);
}

TEST_F(BrokerDurableRestore, KeepsToTheLimitsOfTheNewConfiguration) {
    for (const char* id : {"a", "b", "c"}) hang_up(subscriber(id, "#", Qos::at_least_once));
    for (int i = 0; i < 20; ++i) publish("t" + std::to_string(i), "v", Qos::at_least_once, true);
    save();
    limits_.max_sessions = 2;
    limits_.session_queue_messages = 5;
    limits_.retained_messages = 3;
    crash();
    EXPECT_EQ(broker().counters().sessions, 2U);
    EXPECT_EQ(broker().counters().retained, 3U);
    save();
    EXPECT_EQ(store_.sessions.size(), 2U);
    EXPECT_EQ(store_.deliveries.size(), 10U);
    EXPECT_EQ(store_.messages.size(), 5U);
    EXPECT_EQ(store_.retained.size(), 3U);
}

TEST_F(BrokerDurableRestore, AReceiptOfTheOwnerNeedsASession) {
    options_.owner_keeps_receipts = true;
    join_lasting("p");
    save();
    crash();
    EXPECT_TRUE(broker().restore_receipt(key_of("p"), 5));
    EXPECT_FALSE(broker().restore_receipt(key_of("p") + 1, 5));
    EXPECT_FALSE(broker().restore_receipt(key_of("p"), 0));
}

}  // namespace
}  // namespace sallyport::mqtt
