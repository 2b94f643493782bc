// The owner's publishes in two steps: what is on disk first, everybody else after the commit.
#include "tests/unit/mqtt/durable_fixture.hpp"

namespace sallyport::mqtt {
namespace {

class BrokerDurableStage : public DurableBrokerTest {
protected:
    Message make(std::string_view payload, Qos qos = Qos::at_least_once, bool retain = false) {
        return {"t", base::as_bytes(payload), {}, qos, retain};
    }
    std::uint64_t first(const Message& message) {
        const auto stage = broker().publish_to_lasting(message, now_);
        drain();
        return stage;
    }
    void second(const Message& message, std::uint64_t stage) {
        broker().publish_to_passing(message, stage, now_);
        drain();
    }
};

TEST_F(BrokerDurableStage, NobodyHearsOfItBeforeItIsSaved) {
    auto& lasting = subscriber("l", "t", Qos::at_least_once);
    auto& modest = subscriber("m", "t", Qos::at_most_once);
    auto& passing = join("p");
    subscribe(passing, "t", Qos::exactly_once);
    const auto message = make("v");
    const auto stage = first(message);
    for (auto* client : {&lasting, &modest, &passing}) expect_nothing(*client);
    save();
    expect_message(lasting, "t", "v", Qos::at_least_once);
    expect_nothing(passing);
    second(message, stage);
    expect_message(passing, "t", "v", Qos::at_least_once);
    expect_message(modest, "t", "v");
    expect_nothing(lasting);
}

TEST_F(BrokerDurableStage, WhatWaitsInAQueueIsHeldToo) {
    Connect connect = hello(Version::v5, "l", false);
    base::Bytes block = number(PropertyId::session_expiry_interval, 3'600);
    append_property(block, {PropertyId::receive_maximum, 1, {}, {}});
    connect.properties = block;
    auto& lasting = join(connect);
    send(lasting, Subscribe{7, {}, {SubscribeFilter{"t", Qos::at_least_once, false, false, 0}}});
    save();
    expect<Suback>(lasting);
    publish("t", "before", Qos::at_least_once);
    const auto before = expect<Publish>(lasting);
    first(make("v"));
    acknowledge(lasting, PacketType::puback, before.packet_id);
    expect_nothing(lasting);
    save();
    expect_message(lasting, "t", "v", Qos::at_least_once);
}

TEST_F(BrokerDurableStage, TheRetainedCopyIsShownInTheSecondStep) {
    publish("t", "old", Qos::at_least_once, true);
    save();
    const auto message = make("new", Qos::at_least_once, true);
    const auto stage = first(message);
    auto& between = join("b");
    subscribe(between, "t");
    expect_message(between, "t", "old");
    save();
    EXPECT_EQ(base::as_text(store_.retained.at("t").message->payload), "new");
    second(message, stage);
    expect_message(between, "t", "new");
    auto& late = join("late");
    subscribe(late, "t");
    expect_message(late, "t", "new");
    expect_nothing(between);
}

TEST_F(BrokerDurableStage, APropertyChangedBetweenTheStepsIsOfTheCopyThatIsShown) {
    publish("t", "old", Qos::at_least_once, true);
    const auto message = make("new", Qos::at_least_once, true);
    const auto stage = first(message);
    base::Bytes block;
    append_property(block, {PropertyId::user_property, 0, "quality", "Bad"});
    EXPECT_TRUE(broker().replace_retained_properties("t", block));
    auto& early = join("early");
    subscribe(early, "t");
    const auto shown = expect<Publish>(early);
    EXPECT_EQ(base::as_text(shown.payload), "old");
    EXPECT_EQ(find_property(shown.properties, PropertyId::user_property)->value, "Bad");
    save();
    EXPECT_EQ(base::as_text(store_.retained.at("t").message->payload), "new");
    EXPECT_TRUE(store_.retained.at("t").message->properties.empty());
    second(message, stage);
    auto& late = join("late");
    subscribe(late, "t");
    const auto got = expect<Publish>(late);
    EXPECT_EQ(base::as_text(got.payload), "new");
    EXPECT_FALSE(find_property(got.properties, PropertyId::user_property));
}

TEST_F(BrokerDurableStage, AnOlderValueThatItsOwnerShowsAgainDoesNotTakeThePlaceOfWhatIsStaged) {
    auto old = make("old", Qos::at_least_once, true);
    auto staged = make("new", Qos::at_least_once, true);
    old.owner_keeps_retained = staged.owner_keeps_retained = true;
    broker().publish(old, now_);
    const auto stage = first(staged);
    broker().publish(old, now_);
    second(staged, stage);
    auto& late = join("late");
    subscribe(late, "t");
    expect_message(late, "t", "new");
}

TEST_F(BrokerDurableStage, AnOwnersClearTakesAClientsUnsavedCopyWithIt) {
    auto clearing = make("", Qos::at_least_once, true);
    clearing.owner_keeps_retained = true;
    publish("t", "client's", Qos::at_least_once, true);
    second(clearing, first(clearing));
    save();
    EXPECT_TRUE(store_.retained.empty());
    EXPECT_EQ(broker().counters().retained, 0U);
}

TEST_F(BrokerDurableStage, ANewerPublishBetweenTheStepsStaysTheRetainedOne) {
    const auto message = make("staged", Qos::at_least_once, true);
    const auto stage = first(message);
    publish("t", "newer", Qos::at_least_once, true);
    second(message, stage);
    save();
    EXPECT_EQ(base::as_text(store_.retained.at("t").message->payload), "newer");
    auto& late = join("late");
    subscribe(late, "t");
    expect_message(late, "t", "newer");
}

TEST_F(BrokerDurableStage, ClearingIsStagedToo) {
    publish("t", "old", Qos::at_least_once, true);
    save();
    const auto message = make("", Qos::at_least_once, true);
    const auto stage = first(message);
    save();
    EXPECT_TRUE(store_.retained.empty());
    EXPECT_EQ(broker().counters().retained, 1U);
    second(message, stage);
    EXPECT_EQ(broker().counters().retained, 0U);
}

TEST_F(BrokerDurableStage, ASessionThatChangesBetweenTheStepsGetsItOnce) {
    auto& becomes_lasting = join("a");
    subscribe(becomes_lasting, "t", Qos::at_least_once);
    subscriber("b", "t", Qos::at_least_once);
    const auto message = make("v");
    const auto stage = first(message);
    hang_up(becomes_lasting);
    auto& lasting = join_lasting("a");
    send(lasting, Subscribe{7, {}, {SubscribeFilter{"t", Qos::at_least_once, false, false, 0}}});
    auto& passing = join(hello(Version::v5, "b", false));
    save();
    expect<Suback>(lasting);
    expect_nothing(lasting);
    expect_message(passing, "t", "v", Qos::at_least_once);
    second(message, stage);
    expect_nothing(lasting);  // it subscribed after the first step
    expect_nothing(passing);
}

TEST_F(BrokerDurableStage, ALastingSubscriberOfBetweenGetsWhatIsStagedAndThenWhatIsNewer) {
    publish("t", "old", Qos::at_least_once, true);
    save();
    const auto staged = make("staged", Qos::at_least_once, true);
    const auto newer = make("newer", Qos::at_least_once, true);
    const auto stage = first(staged);
    auto& between = join_lasting("l");
    send(between, Subscribe{7, {}, {SubscribeFilter{"t", Qos::at_least_once, false, false, 0}}});
    const auto newer_stage = first(newer);
    expect_nothing(between);
    save();
    expect<Suback>(between);
    expect_message(between, "t", "staged", Qos::at_least_once);
    expect_message(between, "t", "newer", Qos::at_least_once);
    second(staged, stage);
    second(newer, newer_stage);
    expect_nothing(between);
}

TEST_F(BrokerDurableStage, ALastingSubscriberOfBetweenIsNotGivenWhatIsBeingCleared) {
    publish("t", "old", Qos::at_least_once, true);
    save();
    const auto clearing = make("", Qos::at_least_once, true);
    const auto stage = first(clearing);
    auto& lasting = subscriber("l", "t", Qos::at_least_once);
    second(clearing, stage);
    expect_nothing(lasting);
}

TEST_F(BrokerDurableStage, WhatHadNoFirstStepGoesToPassingSessionsOnly) {
    auto& passing = join("p");
    subscribe(passing, "t", Qos::at_least_once);
    auto& lasting = subscriber("l", "t", Qos::at_least_once);
    first(make("newer"));
    second(make("older"), kUnstaged);
    save();
    expect_message(passing, "t", "older", Qos::at_least_once);
    expect_message(lasting, "t", "newer", Qos::at_least_once);
    expect_nothing(lasting);
}

TEST_F(BrokerDurableStage, AGroupWithALastingMemberIsServedInTheFirstStep) {
    auto& passing = join("p");
    subscribe(passing, "$share/mixed/t", Qos::at_least_once);
    subscribe(passing, "$share/other/t", Qos::at_least_once);
    auto& lasting = subscriber("l", "$share/mixed/t", Qos::at_least_once);
    for (int i = 0; i < 4; ++i) {
        const std::string payload = std::to_string(i);
        const auto message = make(payload);
        const auto stage = first(message);
        save();
        expect_message(lasting, "t", payload, Qos::at_least_once);
        expect_nothing(passing);
        second(message, stage);
        expect_message(passing, "t", payload, Qos::at_least_once);
        expect_nothing(passing);
        expect_nothing(lasting);
    }
}

TEST_F(BrokerDurableStage, ACrashBetweenTheStepsLosesNothingThatLasts) {
    subscriber("l", "t", Qos::at_least_once);
    first(make("v", Qos::at_least_once, true));
    save();
    crash();
    auto& again = join_lasting("l");
    expect_message(again, "t", "v", Qos::at_least_once);
    EXPECT_EQ(broker().counters().retained, 1U);
}

TEST_F(BrokerDurableStage, ARetainedCopyThatItsOwnerKeepsIsNotJournalled) {
    auto message = make("v", Qos::at_least_once, true);
    message.owner_keeps_retained = true;
    broker().publish(message, now_);
    second(message, first(message));
    broker().replace_retained("t", base::as_bytes("w"), {});
    save();
    EXPECT_TRUE(store_.retained.empty());
    EXPECT_EQ(broker().counters().retained, 1U);
    auto& late = join("late");
    subscribe(late, "t");
    EXPECT_EQ(base::as_text(expect<Publish>(late).payload), "w");
    message.payload = {};
    broker().publish(message, now_);
    save();
    EXPECT_EQ(broker().counters().retained, 0U);
}

TEST_F(BrokerDurableStage, AClientClearsACopyThatItsOwnerHasKept) {
    auto message = make("v", Qos::at_least_once, true);
    message.owner_keeps_retained = true;
    broker().set_retained(message, now_);
    store_.retained["t"] = {"t", std::make_shared<DurableMessage>()};  // the owner's own row
    publish("t", "", Qos::at_least_once, true);
    save();
    EXPECT_TRUE(store_.retained.empty());
}

TEST_F(BrokerDurableStage, AnOwnersCopyReplacesAClientsThatIsNotYetSaved) {
    publish("t", "client's", Qos::at_least_once, true);
    auto message = make("owner's", Qos::at_least_once, true);
    message.owner_keeps_retained = true;
    broker().publish(message, now_);
    save();
    EXPECT_TRUE(store_.retained.empty());
}

TEST_F(BrokerDurableStage, WithoutAStoreTheSecondStepDoesItAll) {
    restart(limits_);
    auto& lasting = join_lasting("l");
    subscribe(lasting, "t", Qos::at_least_once);
    const auto message = make("v", Qos::at_least_once, true);
    const auto stage = first(message);
    expect_nothing(lasting);
    second(message, stage);
    expect_message(lasting, "t", "v", Qos::at_least_once);
    EXPECT_EQ(broker().counters().retained, 1U);
}

}  // namespace
}  // namespace sallyport::mqtt
