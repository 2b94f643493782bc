#include "tests/unit/mqtt/broker_fixture.hpp"

namespace sallyport::mqtt {
namespace {

using std::chrono::seconds;

class BrokerPublish : public BrokerTest {
protected:
    base::Bytes alias(std::uint16_t value) { return number(PropertyId::topic_alias, value); }
};

TEST_F(BrokerPublish, ReachesSubscribersWithTheLowerQos) {
    auto& publisher = join("p");
    auto& zero = join("zero", Version::v3_1_1);
    auto& two = join("two");
    EXPECT_EQ(subscribe(zero, "a/+"), ReasonCode::success);
    EXPECT_EQ(subscribe(two, "a/#", Qos::exactly_once), ReasonCode::granted_qos_2);
    send(publisher, message("a/b", "v", Qos::at_least_once, 1));
    EXPECT_EQ(expect_ack(publisher, PacketType::puback).packet_id, 1);
    expect_message(zero, "a/b", "v");
    expect_message(two, "a/b", "v", Qos::at_least_once);
    EXPECT_EQ(broker().counters().messages_received, 1U);
    EXPECT_EQ(broker().counters().messages_sent, 2U);
}

TEST_F(BrokerPublish, IsAnEventWithEverythingInIt) {
    auto& publisher = join("p");
    base::Bytes block;
    append_property(block, {PropertyId::user_property, 0, "k", "v"});
    Publish publish = retained("t", "payload", Qos::exactly_once, 9);
    publish.properties = block;
    send(publisher, publish);
    const auto seen = published();
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen[0].client_id, "p");
    EXPECT_EQ(seen[0].topic, "t");
    EXPECT_EQ(seen[0].payload, "payload");
    EXPECT_EQ(seen[0].properties, block);
    EXPECT_EQ(seen[0].qos, Qos::exactly_once);
    EXPECT_TRUE(seen[0].retain);
    EXPECT_FALSE(seen[0].is_will);
    EXPECT_EQ(seen[0].token.packet_id, 9);
    EXPECT_NE(seen[0].token.session, 0U);
}

TEST_F(BrokerPublish, FanOutDoesNotWaitForTheOwnerAndTheAckDoes) {
    acknowledges_ = false;
    auto& publisher = join("p");
    auto& subscriber = join("s");
    subscribe(subscriber, "t");
    send(publisher, message("t", "v", Qos::at_least_once, 4));
    expect_message(subscriber, "t", "v");
    expect_nothing(publisher);
    const auto token = published().at(0).token;
    broker().acknowledge(token, ReasonCode::success, now_);
    broker().acknowledge(token, ReasonCode::success, now_);  // twice is once
    drain();
    EXPECT_EQ(expect_ack(publisher, PacketType::puback).packet_id, 4);
    expect_nothing(publisher);
}

TEST_F(BrokerPublish, AFailureReachesV5AndNot311) {
    acknowledges_ = false;
    auto& modern = join("m");
    auto& old = join("o", Version::v3_1_1);
    send(modern, message("t", "v", Qos::at_least_once, 1));
    send(modern, message("t", "v", Qos::exactly_once, 2));
    send(old, message("t", "v", Qos::exactly_once, 3));
    for (const auto& event : published())
        broker().acknowledge(event.token, ReasonCode::quota_exceeded, now_);
    drain();
    EXPECT_EQ(expect_ack(modern, PacketType::puback).reason, ReasonCode::quota_exceeded);
    EXPECT_EQ(expect_ack(modern, PacketType::pubrec).reason, ReasonCode::quota_exceeded);
    expect_ack(old, PacketType::pubrec);
    acknowledge(old, PacketType::pubrel, 3);
    expect_ack(old, PacketType::pubcomp);
    // The failed exchange is over: the identifier stands for a new message.
    send(modern, message("t", "w", Qos::exactly_once, 2));
    EXPECT_EQ(published().size(), 1U);
}

TEST_F(BrokerPublish, QosTwoIsTakenInOnce) {
    auto& publisher = join("p");
    auto& subscriber = join("s");
    subscribe(subscriber, "t");
    acknowledges_ = false;
    Publish publish = message("t", "v", Qos::exactly_once, 5);
    send(publisher, publish);
    publish.dup = true;
    send(publisher, publish);  // while it waits
    expect_nothing(publisher);
    const auto seen = published();
    ASSERT_EQ(seen.size(), 1U);
    broker().acknowledge(seen[0].token, ReasonCode::success, now_);
    drain();
    expect_ack(publisher, PacketType::pubrec);
    send(publisher, publish);  // when it is recorded
    expect_ack(publisher, PacketType::pubrec);
    acknowledge(publisher, PacketType::pubrel, 5);
    EXPECT_EQ(expect_ack(publisher, PacketType::pubcomp).reason, ReasonCode::success);
    acknowledge(publisher, PacketType::pubrel, 5);
    EXPECT_EQ(expect_ack(publisher, PacketType::pubcomp).reason,
              ReasonCode::packet_identifier_not_found);
    EXPECT_TRUE(published().empty());
    expect_message(subscriber, "t", "v");
    expect_nothing(subscriber);
}

TEST_F(BrokerPublish, QosTwoReceiptsOutliveTheConnection) {
    auto& first = join_lasting("p");
    Publish publish = message("t", "v", Qos::exactly_once, 5);
    send(first, publish);
    hang_up(first);
    auto& second = join_lasting("p");
    publish.dup = true;
    send(second, publish);
    expect_ack(second, PacketType::pubrec);
    EXPECT_EQ(published().size(), 1U);
}

TEST_F(BrokerPublish, AQosTwoAckThatComesWhileOfflineIsGivenOnTheResend) {
    acknowledges_ = false;
    auto& first = join_lasting("p");
    Publish publish = message("t", "v", Qos::exactly_once, 5);
    send(first, publish);
    const auto token = published().at(0).token;
    hang_up(first);
    broker().acknowledge(token, ReasonCode::success, now_);
    auto& second = join_lasting("p");
    expect_nothing(second);
    publish.dup = true;
    send(second, publish);
    expect_ack(second, PacketType::pubrec);
    EXPECT_TRUE(published().empty());
}

TEST_F(BrokerPublish, ATokenOfAnEarlierConnectionAcknowledgesNothing) {
    acknowledges_ = false;
    auto& first = join_lasting("p");
    Publish publish = message("t", "v", Qos::at_least_once, 5);
    send(first, publish);
    const auto stale = published().at(0).token;
    hang_up(first);
    auto& second = join_lasting("p");
    publish.dup = true;
    send(second, publish);
    const auto seen = published();
    ASSERT_EQ(seen.size(), 1U);  // the resend is a publish of its own
    broker().acknowledge(stale, ReasonCode::success, now_);
    drain();
    expect_nothing(second);
    broker().acknowledge(seen[0].token, ReasonCode::success, now_);
    drain();
    expect_ack(second, PacketType::puback);
}

TEST_F(BrokerPublish, ATokenOfAnEndedSessionDoesNothing) {
    acknowledges_ = false;
    auto& client = join("p");
    send(client, message("t", "v", Qos::at_least_once, 5));
    const auto token = published().at(0).token;
    hang_up(client);
    auto& again = join("p");
    broker().acknowledge(token, ReasonCode::success, now_);
    drain();
    expect_nothing(again);
}

TEST_F(BrokerPublish, OnePacketIdentifierIsNotForTwoLevelsOfQos) {
    auto& modern = join("m");
    send(modern, message("t", "v", Qos::exactly_once, 5));
    expect_ack(modern, PacketType::pubrec);
    send(modern, message("t", "v", Qos::at_least_once, 5));
    EXPECT_EQ(expect_ack(modern, PacketType::puback).reason, ReasonCode::packet_identifier_in_use);
    auto& old = join("o", Version::v3_1_1);
    send(old, message("t", "v", Qos::exactly_once, 5));
    send(old, message("t", "v", Qos::at_least_once, 5));
    EXPECT_TRUE(old.close.has_value());
}

TEST_F(BrokerPublish, AReleaseBeforeTheReceiptIsAProtocolError) {
    acknowledges_ = false;
    auto& client = join("p");
    send(client, message("t", "v", Qos::exactly_once, 5));
    acknowledge(client, PacketType::pubrel, 5);
    expect_disconnected(client, ReasonCode::protocol_error);
}

TEST_F(BrokerPublish, HoldsTheClientToTheReceiveMaximum) {
    BrokerLimits limits;
    limits.max_inflight = 2;
    restart(limits);
    acknowledges_ = false;
    auto& client = join("p");
    EXPECT_EQ(find_property(last_connack_.properties, PropertyId::receive_maximum)->number, 2U);
    for (std::uint16_t id = 1; id <= 3; ++id)
        send(client, message("t", "v", Qos::at_least_once, id));
    expect_disconnected(client, ReasonCode::receive_maximum_exceeded);
    EXPECT_EQ(published().size(), 2U);
}

TEST_F(BrokerPublish, QosTwoReachesASubscriberInFourSteps) {
    auto& publisher = join("p");
    auto& subscriber = join("s");
    subscribe(subscriber, "t", Qos::exactly_once);
    send(publisher, message("t", "v", Qos::exactly_once, 77));
    const auto publish = expect<Publish>(subscriber);
    EXPECT_EQ(publish.qos, Qos::exactly_once);
    acknowledge(subscriber, PacketType::pubrec, publish.packet_id);
    EXPECT_EQ(expect_ack(subscriber, PacketType::pubrel).packet_id, publish.packet_id);
    acknowledge(subscriber, PacketType::pubcomp, publish.packet_id);
    expect_nothing(subscriber);
    acknowledge(subscriber, PacketType::pubrec, 999);
    EXPECT_EQ(expect_ack(subscriber, PacketType::pubrel).reason,
              ReasonCode::packet_identifier_not_found);
    acknowledge(subscriber, PacketType::puback, 999);  // late, not wrong
    EXPECT_FALSE(subscriber.close.has_value());
}

TEST_F(BrokerPublish, AFailedPubrecEndsTheExchange) {
    auto& publisher = join("p");
    auto& subscriber = join_lasting("s");
    subscribe(subscriber, "t", Qos::exactly_once);
    send(publisher, message("t", "v", Qos::exactly_once, 1));
    const auto publish = expect<Publish>(subscriber);
    acknowledge(subscriber, PacketType::pubrec, publish.packet_id, ReasonCode::quota_exceeded);
    hang_up(subscriber);
    expect_nothing(join_lasting("s"));
}

TEST_F(BrokerPublish, TheWrongAcknowledgementIsAProtocolError) {
    auto& publisher = join("p");
    auto& subscriber = join("s");
    subscribe(subscriber, "t", Qos::exactly_once);
    send(publisher, message("t", "v", Qos::exactly_once, 1));
    acknowledge(subscriber, PacketType::puback, expect<Publish>(subscriber).packet_id);
    expect_disconnected(subscriber, ReasonCode::protocol_error);
}

TEST_F(BrokerPublish, UnfinishedDeliveriesAreSentAgainInOrder) {
    auto& publisher = join("p");
    auto& first = join_lasting("s");
    subscribe(first, "t", Qos::exactly_once);
    for (std::uint16_t id = 1; id <= 3; ++id)
        send(publisher, message("t", std::to_string(id),
                                id == 2 ? Qos::exactly_once : Qos::at_least_once, id));
    expect<Publish>(first);
    const auto second_id = expect<Publish>(first).packet_id;
    expect<Publish>(first);
    acknowledge(first, PacketType::pubrec, second_id);
    hang_up(first);
    send(publisher, message("t", "4", Qos::at_least_once, 4));
    auto& again = join_lasting("s");
    const auto one = expect<Publish>(again);
    EXPECT_EQ(base::as_text(one.payload), "1");
    EXPECT_TRUE(one.dup);
    EXPECT_EQ(expect_ack(again, PacketType::pubrel).packet_id, second_id);
    EXPECT_EQ(base::as_text(expect<Publish>(again).payload), "3");
    const auto four = expect<Publish>(again);
    EXPECT_EQ(base::as_text(four.payload), "4");
    EXPECT_FALSE(four.dup);
}

TEST_F(BrokerPublish, KeepsToTheClientsReceiveMaximum) {
    auto& publisher = join("p");
    Connect connect = hello(Version::v5, "s");
    const auto block = number(PropertyId::receive_maximum, 2);
    connect.properties = block;
    auto& subscriber = join(connect);
    subscribe(subscriber, "t", Qos::at_least_once);
    for (std::uint16_t id = 1; id <= 4; ++id)
        send(publisher, message("t", std::to_string(id), Qos::at_least_once, id));
    const auto one = expect<Publish>(subscriber);
    expect_message(subscriber, "t", "2", Qos::at_least_once);
    expect_nothing(subscriber);
    acknowledge(subscriber, PacketType::puback, one.packet_id);
    expect_message(subscriber, "t", "3", Qos::at_least_once);
    expect_nothing(subscriber);
}

TEST_F(BrokerPublish, SendsNothingLargerThanTheClientTakes) {
    auto& publisher = join("p");
    Connect connect = hello(Version::v5, "s");
    const auto block = number(PropertyId::maximum_packet_size, 40);
    connect.properties = block;
    auto& subscriber = join(connect);
    subscribe(subscriber, "t", Qos::at_least_once);
    const std::string large(40, 'x');
    send(publisher, message("t", large));
    send(publisher, message("t", large, Qos::at_least_once, 1));
    send(publisher, message("t", "small", Qos::at_least_once, 2));
    expect_message(subscriber, "t", "small", Qos::at_least_once);
    expect_nothing(subscriber);
}

TEST_F(BrokerPublish, ResolvesTopicAliasesAndPassesNoneOn) {
    auto& publisher = join("p");
    auto& subscriber = join("s");
    subscribe(subscriber, "#");
    base::Bytes middle;
    append_property(middle, {PropertyId::user_property, 0, "a", "1"});
    append_property(middle, {PropertyId::topic_alias, 3, {}, {}});
    append_property(middle, {PropertyId::user_property, 0, "b", "2"});
    base::Bytes rest;
    append_property(rest, {PropertyId::user_property, 0, "a", "1"});
    base::Bytes last = rest;
    append_property(last, {PropertyId::topic_alias, 3, {}, {}});
    base::Bytes first = alias(3);
    base::append(first, rest);
    Publish publish = message("long/topic", "v");
    publish.properties = first;
    send(publisher, publish);
    publish.topic = {};
    publish.properties = last;
    send(publisher, publish);
    publish.properties = middle;
    send(publisher, publish);
    append_property(rest, {PropertyId::user_property, 0, "b", "2"});
    const auto seen = published();
    ASSERT_EQ(seen.size(), 3U);
    for (const auto& event : seen) EXPECT_EQ(event.topic, "long/topic");
    EXPECT_EQ(seen[0].properties, seen[1].properties);
    EXPECT_EQ(seen[2].properties, rest);
    for (int i = 0; i < 3; ++i) {
        const auto got = expect<Publish>(subscriber);
        EXPECT_EQ(got.topic, "long/topic");
        EXPECT_FALSE(find_property(got.properties, PropertyId::topic_alias));
    }
}

TEST_F(BrokerPublish, AnAliasMayChangeWhileItsEventsWait) {
    auto& publisher = join("p");
    const auto block = alias(1);
    base::Bytes bytes;
    for (const std::string_view topic : {"first/topic/of/some/length", "", "second", ""}) {
        Publish publish = message(topic, "v");
        publish.properties = block;
        encode(bytes, publish, Version::v5);
    }
    send_bytes(publisher, bytes);
    const auto seen = published();
    ASSERT_EQ(seen.size(), 4U);
    EXPECT_EQ(seen[1].topic, "first/topic/of/some/length");
    EXPECT_EQ(seen[3].topic, "second");
}

TEST_F(BrokerPublish, RefusesAliasesOutOfRangeOrNeverSet) {
    auto& large = join("a");
    Publish publish = message("t", "v");
    const auto over = alias(65);
    publish.properties = over;
    send(large, publish);
    expect_disconnected(large, ReasonCode::topic_alias_invalid);
    auto& unset = join("b");
    const auto fine = alias(64);
    publish.properties = fine;
    publish.topic = {};
    send(unset, publish);
    expect_disconnected(unset, ReasonCode::protocol_error);
}

TEST_F(BrokerPublish, AClientMaySendNoSubscriptionIdentifier) {
    auto& client = join("a");
    Publish publish = message("t", "v");
    const auto block = number(PropertyId::subscription_identifier, 1);
    publish.properties = block;
    send(client, publish);
    expect_disconnected(client, ReasonCode::protocol_error);
}

TEST_F(BrokerPublish, TellsTheTimeThatIsLeftAndDropsWhatHasExpired) {
    auto& publisher = join("p");
    auto& first = join_lasting("s");
    subscribe(first, "t", Qos::at_least_once);
    hang_up(first);
    Publish publish = message("t", "brief", Qos::at_least_once, 1);
    const auto brief = number(PropertyId::message_expiry_interval, 10);
    publish.properties = brief;
    send(publisher, publish);
    publish = message("t", "long", Qos::at_least_once, 2);
    const auto lasting = number(PropertyId::message_expiry_interval, 100);
    publish.properties = lasting;
    send(publisher, publish);
    pass(seconds(30));
    auto& again = join_lasting("s");
    const auto got = expect<Publish>(again);
    EXPECT_EQ(base::as_text(got.payload), "long");
    EXPECT_EQ(find_property(got.properties, PropertyId::message_expiry_interval)->number, 70U);
    expect_nothing(again);
}

TEST_F(BrokerPublish, OnProtectedTopicsIsRefusedInV5) {
    broker().protect("plant/#");
    auto& client = join("p");
    auto& subscriber = join("s");
    subscribe(subscriber, "#");
    send(client, retained("sallyport/x", "v"));
    send(client, retained("plant/x", "v", Qos::at_least_once, 1));
    EXPECT_EQ(expect_ack(client, PacketType::puback).reason, ReasonCode::not_authorized);
    send(client, retained("plant", "v", Qos::exactly_once, 2));
    EXPECT_EQ(expect_ack(client, PacketType::pubrec).reason, ReasonCode::not_authorized);
    EXPECT_TRUE(published().empty());
    expect_nothing(subscriber);
    EXPECT_EQ(broker().counters().refused_publishes, 3U);
    EXPECT_EQ(broker().counters().retained, 0U);
    send(client, message("sallyport", "not under the prefix"));
    expect_message(subscriber, "sallyport", "not under the prefix");
}

TEST_F(BrokerPublish, OnProtectedTopicsIsAcknowledgedAndDroppedIn311) {
    auto& client = join("p", Version::v3_1_1);
    send(client, message("sallyport/x", "v", Qos::at_least_once, 1));
    expect_ack(client, PacketType::puback);
    send(client, message("sallyport/x", "v", Qos::exactly_once, 2));
    expect_ack(client, PacketType::pubrec);
    acknowledge(client, PacketType::pubrel, 2);
    expect_ack(client, PacketType::pubcomp);
    EXPECT_TRUE(published().empty());
    EXPECT_EQ(broker().counters().refused_publishes, 2U);
}

TEST_F(BrokerPublish, OfTheOwnerGoesEverywhereAndMakesNoEvent) {
    auto& subscriber = join("s");
    subscribe(subscriber, "sallyport/#", Qos::at_least_once);
    broker().publish({"sallyport/tunnel", base::as_bytes("up"), {}, Qos::at_least_once, true},
                     now_);
    drain();
    expect_message(subscriber, "sallyport/tunnel", "up", Qos::at_least_once);
    EXPECT_TRUE(published().empty());
    EXPECT_EQ(broker().counters().retained, 1U);
}

TEST_F(BrokerPublish, TopicsOfTooManyLevelsAreRefused) {
    BrokerLimits limits;
    limits.max_topic_levels = 3;
    restart(limits);
    auto& client = join("p");
    send(client, message("a/b/c", "v", Qos::at_least_once, 1));
    EXPECT_EQ(expect_ack(client, PacketType::puback).reason, ReasonCode::success);
    send(client, message("a/b/c/d", "v", Qos::at_least_once, 2));
    EXPECT_EQ(expect_ack(client, PacketType::puback).reason, ReasonCode::topic_name_invalid);
    EXPECT_EQ(subscribe(client, "a/b/c/#"), ReasonCode::topic_filter_invalid);
}

}  // namespace
}  // namespace sallyport::mqtt
