// What waits until it is on disk, and what waits for nothing.
#include "tests/unit/mqtt/allocation_count.hpp"
#include "tests/unit/mqtt/durable_fixture.hpp"

namespace sallyport::mqtt {
namespace {

class BrokerDurableHold : public DurableBrokerTest {};

TEST_F(BrokerDurableHold, ConnectPingAndPassingTrafficNeverWait) {
    auto& lasting = join_lasting("l");
    auto& passing = join("p");
    send(lasting, Pingreq{});
    expect<Pingresp>(lasting);
    subscribe(passing, "t", Qos::exactly_once);
    send(passing, message("t", "v", Qos::exactly_once, 1));
    expect_message(passing, "t", "v", Qos::exactly_once);
    expect_ack(passing, PacketType::pubrec);
    send(lasting, message("t", "w", Qos::at_least_once, 1));  // goes into no queue that is kept
    expect_message(passing, "t", "w", Qos::at_least_once);
    expect_ack(lasting, PacketType::puback);
}

TEST_F(BrokerDurableHold, WithoutLastingSessionsAndRetainedMessagesNothingIsJournalled) {
    auto& client = join("c");
    subscribe(client, "t", Qos::exactly_once);
    send(client, message("t", "v", Qos::exactly_once, 1));
    hang_up(client);
    EXPECT_FALSE(begin_save());
}

TEST_F(BrokerDurableHold, AnAckWaitsForTheQueueOfALastingSession) {
    auto& queue = subscriber("s", "t", Qos::at_least_once);
    auto& publisher = join("p");
    send(publisher, message("t", "v", Qos::at_least_once, 1));
    expect_message(queue, "t", "v", Qos::at_least_once);  // QoS 1 is sent at once
    expect_nothing(publisher);
    ASSERT_TRUE(begin_save());
    expect_nothing(publisher);
    end_save();
    EXPECT_EQ(expect_ack(publisher, PacketType::puback).packet_id, 1);
}

TEST_F(BrokerDurableHold, AnAckWaitsForTheRetainedStoreAndForItsClearing) {
    auto& publisher = join("p");
    send(publisher, retained("t", "v", Qos::at_least_once, 1));
    expect_nothing(publisher);
    save();
    expect_ack(publisher, PacketType::puback);
    send(publisher, retained("t", "", Qos::at_least_once, 2));
    expect_nothing(publisher);
    save();
    expect_ack(publisher, PacketType::puback);
    EXPECT_TRUE(store_.retained.empty());
    send(publisher, retained("t", "", Qos::at_least_once, 3));  // changes nothing
    expect_ack(publisher, PacketType::puback);
}

TEST_F(BrokerDurableHold, AnAckWaitsForOwnerAndStoreInWhicheverOrder) {
    subscriber("s", "t", Qos::at_least_once);
    auto& publisher = join("p");
    acknowledges_ = false;
    send(publisher, message("t", "owner last", Qos::at_least_once, 1));
    save();
    expect_nothing(publisher);
    acknowledge_all();
    drain();
    EXPECT_EQ(expect_ack(publisher, PacketType::puback).packet_id, 1);
    send(publisher, message("t", "store last", Qos::at_least_once, 2));
    acknowledge_all();
    drain();
    expect_nothing(publisher);
    save();
    EXPECT_EQ(expect_ack(publisher, PacketType::puback).packet_id, 2);
}

TEST_F(BrokerDurableHold, PubrecOfALastingSessionWaitsForItsReceiptWhereNobodySubscribes) {
    auto& publisher = join_lasting("p");
    save();
    send(publisher, message("t", "v", Qos::exactly_once, 5));
    expect_nothing(publisher);
    save();
    expect_ack(publisher, PacketType::pubrec);
    EXPECT_TRUE(store_.receipts.contains({"p", 5}));
}

TEST_F(BrokerDurableHold, PubcompWaitsUntilTheReceiptIsGone) {
    auto& publisher = join_lasting("p");
    send(publisher, message("t", "v", Qos::exactly_once, 5));
    save();
    expect_ack(publisher, PacketType::pubrec);
    acknowledge(publisher, PacketType::pubrel, 5);
    acknowledge(publisher, PacketType::pubrel, 5);  // a repeat is answered with the first
    expect_nothing(publisher);
    save();
    EXPECT_EQ(expect_ack(publisher, PacketType::pubcomp).reason, ReasonCode::success);
    expect_nothing(publisher);
    EXPECT_TRUE(store_.receipts.empty());
}

TEST_F(BrokerDurableHold, AFailedPubrecWaitsUntilTheReceiptIsGone) {
    acknowledges_ = false;
    auto& publisher = join_lasting("p");
    send(publisher, message("t", "v", Qos::exactly_once, 5));
    save();
    ASSERT_TRUE(store_.receipts.contains({"p", 5}));
    for (const auto& event : published())
        broker().acknowledge(event.token, ReasonCode::quota_exceeded, now_);
    drain();
    expect_nothing(publisher);
    save();
    EXPECT_EQ(expect_ack(publisher, PacketType::pubrec).reason, ReasonCode::quota_exceeded);
    EXPECT_TRUE(store_.receipts.empty());
}

TEST_F(BrokerDurableHold, AQosTwoPublishWaitsForItsPacketIdentifierAndPubrelForTheRelease) {
    auto& queue = subscriber("s", "t", Qos::exactly_once);
    publish("t", "v", Qos::exactly_once);
    expect_nothing(queue);
    save();
    const auto got = expect<Publish>(queue);
    EXPECT_FALSE(got.dup);
    EXPECT_EQ(store_.deliveries.begin()->second.packet_id, got.packet_id);
    acknowledge(queue, PacketType::pubrec, got.packet_id);
    expect_nothing(queue);
    save();
    EXPECT_EQ(expect_ack(queue, PacketType::pubrel).packet_id, got.packet_id);
    EXPECT_TRUE(store_.messages.empty());  // the client has it
    acknowledge(queue, PacketType::pubcomp, got.packet_id);
    save();
    EXPECT_TRUE(store_.deliveries.empty());
}

TEST_F(BrokerDurableHold, SubackAndUnsubackOfALastingSessionWait) {
    auto& lasting = join_lasting("l");
    send(lasting, Subscribe{7, {}, {SubscribeFilter{"t", Qos::at_least_once, false, false, 0}}});
    expect_nothing(lasting);
    save();
    EXPECT_EQ(expect<Suback>(lasting).packet_id, 7);
    send(lasting, Unsubscribe{8, {}, {"t"}});
    send(lasting, Unsubscribe{9, {}, {"t"}});  // what is not there is not on disk yet, either
    expect_nothing(lasting);
    save();
    EXPECT_EQ(expect<Unsuback>(lasting).packet_id, 8);
    EXPECT_EQ(expect<Unsuback>(lasting).reasons.at(0), ReasonCode::no_subscription_existed);
    EXPECT_TRUE(store_.subscriptions.empty());
}

TEST_F(BrokerDurableHold, RepliesThatWaitAreBoundedAsUnreadOnesAre) {
    limits_.session_queue_bytes = 2'000;
    restart(limits_, options_);
    auto& client = join_lasting("l");
    for (std::uint16_t id = 1; id < 100 && !client.close; ++id)
        send(client, Subscribe{id, {}, {SubscribeFilter{"t", Qos{}, false, false, 0}}});
    EXPECT_EQ(client.close, std::optional<bool>{false});
    save();
    expect_nothing(client);
}

TEST_F(BrokerDurableHold, ABatchIsGivenOnlyWhenTheLastIsSaved) {
    join_lasting("a");
    ASSERT_TRUE(begin_save());
    join_lasting("b");
    EXPECT_FALSE(broker().next_changes().has_value());
    end_save();
    EXPECT_TRUE(begin_save());
    end_save();
    EXPECT_EQ(store_.sessions.size(), 2U);
}

TEST_F(BrokerDurableHold, NothingIsSentWhereTheConnectionEndedAndTheResendIsAnswered) {
    auto& first = join_lasting("p");
    send(first, message("t", "v", Qos::exactly_once, 5));
    hang_up(first);
    auto& second = join_lasting("p");
    save();
    expect_nothing(second);
    Publish again = message("t", "v", Qos::exactly_once, 5);
    again.dup = true;
    send(second, again);
    expect_ack(second, PacketType::pubrec);
    acknowledge(second, PacketType::pubrel, 5);
    hang_up(second);
    auto& third = join_lasting("p");
    acknowledge(third, PacketType::pubrel, 5);
    expect_nothing(third);
    save();
    EXPECT_EQ(expect_ack(third, PacketType::pubcomp).reason, ReasonCode::success);
    EXPECT_EQ(published().size(), 1U);
}

TEST_F(BrokerDurableHold, AHeldPublishIsSentOnTheNextConnectionOnce) {
    auto& first = subscriber("s", "t", Qos::exactly_once);
    publish("t", "v", Qos::exactly_once);
    hang_up(first);
    auto& second = join_lasting("s");
    expect_nothing(second);
    save();
    const auto got = expect<Publish>(second);
    EXPECT_EQ(base::as_text(got.payload), "v");
    EXPECT_FALSE(got.dup);  // it was never sent before
    expect_nothing(second);
}

TEST_F(BrokerDurableHold, WhatCameAndWentBetweenTwoBatchesHoldsNobodyUp) {
    auto& queue = subscriber("s", "t", Qos::at_least_once);
    auto& publisher = join("p");
    send(publisher, message("t", "v", Qos::at_least_once, 1));
    expect_nothing(publisher);
    acknowledge(queue, PacketType::puback, expect<Publish>(queue).packet_id);
    expect_ack(publisher, PacketType::puback);
    EXPECT_FALSE(begin_save());
}

TEST_F(BrokerDurableHold, PubcompWaitsForTheOwnerToo) {
    options_.owner_keeps_receipts = true;
    restart(limits_, options_);
    auto& publisher = join_lasting("p");
    send(publisher, message("t", "v", Qos::exactly_once, 5));
    save();
    expect_ack(publisher, PacketType::pubrec);
    events();
    acknowledges_ = false;
    acknowledge(publisher, PacketType::pubrel, 5);
    const auto seen = events();
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen[0].kind, SeenEvent::Kind::released);
    save();
    expect_nothing(publisher);
    broker().acknowledge_release(seen[0].token, now_);
    drain();
    expect_ack(publisher, PacketType::pubcomp);
}

TEST_F(BrokerDurableHold, TheHotPathOfPassingSessionsAllocatesNothing) {
    auto& publisher = join("p");
    auto& client = join("s");
    subscribe(client, "t");
    base::Bytes packet;
    encode(packet, message("t", "v"), Version::v5);
    base::Bytes out;
    const auto round = [&] {
        broker().receive(publisher.id, packet, now_);
        while (broker().next_event()) {
        }
        while (broker().next_command()) {
        }
        broker().take_output(client.id, out);
        EXPECT_FALSE(broker().next_changes().has_value());
    };
    for (int i = 0; i < 10; ++i) round();
    const auto before = vectors::allocation_count();
    for (int i = 0; i < 10; ++i) round();
    EXPECT_EQ(vectors::allocation_count(), before);
}

}  // namespace
}  // namespace sallyport::mqtt
