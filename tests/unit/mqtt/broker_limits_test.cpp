// Bounds and back-pressure: slow subscribers, full queues, paused publishers, allocation.
#include "tests/unit/mqtt/allocation_count.hpp"
#include "tests/unit/mqtt/broker_fixture.hpp"

namespace sallyport::mqtt {
namespace {

using std::chrono::seconds;

class BrokerLimitsTest : public BrokerTest {
protected:
    void restart_small(std::uint32_t bytes, std::uint32_t messages) {
        BrokerLimits limits;
        limits.session_queue_bytes = bytes;
        limits.session_queue_messages = messages;
        restart(limits);
    }
    /// A session of `bytes` that reads nothing, and has QoS 0 of this topic in its output.
    ScriptedClient& join_slow(std::string_view filter, std::uint32_t bytes, std::uint32_t messages,
                              std::string_view topic, int count) {
        restart_small(bytes, messages);
        auto& slow = join("slow");
        subscribe(slow, filter);
        slow.reads = false;
        for (int i = 0; i < count; ++i) publish(topic, kFill, Qos::at_most_once);
        return slow;
    }
    void publish(std::string_view topic, std::string_view payload, Qos qos) {
        broker().publish({topic, base::as_bytes(payload), {}, qos, false}, now_);
        drain();
    }
    const std::string kFill = std::string(1'000, 'x');
};

TEST_F(BrokerLimitsTest, QosZeroToAFullSubscriberIsDroppedAndCountedButForTheNewest) {
    restart_small(10'000, 100);
    auto& slow = join("slow");
    auto& quick = join("quick");
    subscribe(slow, "t");
    subscribe(quick, "t");
    slow.reads = false;
    const std::string payload(1'000, 'x');
    for (int i = 0; i < 10; ++i) publish("t", payload, Qos::at_most_once);
    EXPECT_EQ(broker().counters().dropped_qos0, 5U);  // half of the share: four of 1,006 bytes
    for (int i = 0; i < 10; ++i) expect<Publish>(quick);
    read(slow);
    for (int i = 0; i < 5; ++i) expect<Publish>(slow);
    expect_nothing(slow);
}

TEST_F(BrokerLimitsTest, OfQosZeroTheNewestOfEachTopicComesInOrderWhateverIsDropped) {
    auto& slow = join_slow("#", 8'080, 100, "fill", 4);
    for (int i = 0; i < 100; ++i)
        publish("t" + std::to_string(i % 3), std::to_string(i), Qos::at_most_once);
    publish("fill", kFill, Qos::at_most_once);
    publish("small", "fits", Qos::at_most_once);
    publish("t0", "last", Qos::at_most_once);
    read(slow);
    for (int i = 0; i < 4; ++i) expect<Publish>(slow);
    expect_message(slow, "t1", "97");
    expect_message(slow, "t2", "98");
    expect_message(slow, "fill", kFill);
    expect_message(slow, "small", "fits");
    expect_message(slow, "t0", "last");
    expect_nothing(slow);
    publish("t0", "again", Qos::at_most_once);
    expect_message(slow, "t0", "again");
}

TEST_F(BrokerLimitsTest, WhatWaitsOfQosZeroIsBounded) {
    auto& slow = join_slow("#", 10'000, 5, "fill", 4);
    for (int i = 0; i < 100; ++i) publish("t" + std::to_string(i), kFill, Qos::at_most_once);
    EXPECT_GE(broker().counters().dropped_qos0, 95U);
    read(slow);
    std::size_t got = 0;
    std::string last;
    while (!slow.inbox.empty()) {
        last = expect<Publish>(slow).topic;
        ++got;
    }
    EXPECT_EQ(last, "t99");
    EXPECT_EQ(got + broker().counters().dropped_qos0, 104U);
}

TEST_F(BrokerLimitsTest, WhatWaitsOfQosZeroMakesWayForQosOne) {
    restart_small(10'000, 100);
    auto& slow = join("slow");
    subscribe(slow, "#", Qos::at_least_once);
    slow.reads = false;
    for (int i = 0; i < 8; ++i) publish("t" + std::to_string(i), kFill, Qos::at_most_once);
    EXPECT_EQ(broker().counters().dropped_qos0, 0U);
    for (int i = 0; i < 20; ++i) publish("one", kFill, Qos::at_least_once);
    EXPECT_EQ(broker().counters().dropped_qos0, 4U);
}

TEST_F(BrokerLimitsTest, OfASharedSubscriptionNothingWaitsAtQosZero) {
    auto& slow = join_slow("$share/g/t", 10'000, 100, "t", 10);
    EXPECT_EQ(broker().counters().dropped_qos0, 6U);
    read(slow);
    for (int i = 0; i < 4; ++i) expect<Publish>(slow);
    expect_nothing(slow);
}

TEST_F(BrokerLimitsTest, AFullQueueKeepsTheNewestOfEachTopic) {
    restart_small(1 << 20, 3);
    hang_up([&]() -> ScriptedClient& {
        auto& client = join_lasting("s");
        subscribe(client, "#", Qos::at_least_once);
        return client;
    }());
    publish("quiet", "q", Qos::at_least_once);
    for (int i = 0; i < 20; ++i) publish("fast", std::to_string(i), Qos::at_least_once);
    EXPECT_EQ(broker().counters().dropped_queue_full, 18U);
    auto& again = join_lasting("s");
    expect_message(again, "quiet", "q", Qos::at_least_once);
    expect_message(again, "fast", "18", Qos::at_least_once);
    expect_message(again, "fast", "19", Qos::at_least_once);
    expect_nothing(again);
}

TEST_F(BrokerLimitsTest, AQueueIsBoundedInBytesToo) {
    restart_small(10'000, 100'000);
    auto& client = join_lasting("s");
    subscribe(client, "#", Qos::at_least_once);
    hang_up(client);
    const std::string payload(1'000, 'x');
    for (int i = 0; i < 100; ++i) publish("t" + std::to_string(i), payload, Qos::at_least_once);
    auto& again = join_lasting("s");
    std::size_t got = 0;
    std::string last;
    while (!again.inbox.empty()) {
        const auto publish = expect<Publish>(again);
        last = publish.topic;
        acknowledge(again, PacketType::puback, publish.packet_id);
        ++got;
    }
    EXPECT_EQ(last, "t99");
    EXPECT_LE(got * payload.size(), 10'000U);
    EXPECT_EQ(got + broker().counters().dropped_queue_full, 100U);
}

TEST_F(BrokerLimitsTest, ASubscriberThatReadsButDoesNotAckKeepsRoomForTheNewest) {
    restart_small(10'000, 100'000);
    auto& client = join("s");
    subscribe(client, "#", Qos::at_least_once);
    const std::string padding(1'000, 'x');
    for (int i = 0; i < 50; ++i) publish("t", std::to_string(i) + padding, Qos::at_least_once);
    std::string newest;
    while (!client.inbox.empty()) {
        const auto got = expect<Publish>(client);
        newest = base::as_text(got.payload);
        acknowledge(client, PacketType::puback, got.packet_id);
    }
    EXPECT_EQ(newest, "49" + padding);
    EXPECT_GT(broker().counters().dropped_queue_full, 0U);
}

TEST_F(BrokerLimitsTest, QueuedMessagesFollowAsOutputIsTaken) {
    auto& client = join("s");
    subscribe(client, "#", Qos::at_least_once);
    client.reads = false;
    const std::string payload(1'000, 'x');
    for (int i = 0; i < 1'000; ++i) publish("t", payload, Qos::at_least_once);
    read(client);
    for (int i = 0; i < 1'000; ++i) expect<Publish>(client);
    expect_nothing(client);
    EXPECT_EQ(broker().counters().dropped_queue_full, 0U);
}

TEST_F(BrokerLimitsTest, OutputIsAnnouncedOnceUntilItIsTaken) {
    auto& client = join("s");
    subscribe(client, "#");
    client.reads = false;
    for (int i = 0; i < 3; ++i)
        broker().publish({"t", base::as_bytes("v"), {}, Qos::at_most_once, false}, now_);
    const auto first = broker().next_command();
    ASSERT_TRUE(first && std::holds_alternative<base::OutputReady>(*first));
    EXPECT_FALSE(broker().next_command().has_value());
    base::Bytes out;
    EXPECT_TRUE(broker().take_output(client.id, out));
    EXPECT_FALSE(broker().take_output(client.id, out));
    EXPECT_TRUE(out.empty());
    broker().publish({"t", base::as_bytes("v"), {}, Qos::at_most_once, false}, now_);
    EXPECT_TRUE(broker().next_command().has_value());
}

TEST_F(BrokerLimitsTest, AClientThatNeverReadsItsRepliesIsCutOff) {
    restart_small(1'000, 10);
    auto& client = join("s");
    client.reads = false;
    for (int i = 0; i < 501; ++i) send(client, Pingreq{});
    EXPECT_EQ(client.close, std::optional<bool>{false});
    const auto seen = events();
    EXPECT_EQ(seen.back().kind, SeenEvent::Kind::gone);
    EXPECT_EQ(broker().counters().sessions, 0U);
}

TEST_F(BrokerLimitsTest, HoldsBackWhileACongestedSubscriberGetsOn) {
    restart_small(1 << 20, 10);
    Connect connect = hello(Version::v5, "s");
    const auto block = number(PropertyId::receive_maximum, 1);
    connect.properties = block;
    auto& client = join(connect);
    subscribe(client, "#", Qos::at_least_once);
    pass(seconds(100));
    for (int i = 0; i < 6; ++i) publish("t", "v", Qos::at_least_once);
    EXPECT_FALSE(broker().holds_back());  // one in flight, five wait
    publish("t", "v", Qos::at_least_once);
    EXPECT_TRUE(broker().holds_back());
    acknowledge(client, PacketType::puback, expect<Publish>(client).packet_id);
    EXPECT_FALSE(broker().holds_back());
    publish("t", "v", Qos::at_least_once);
    EXPECT_TRUE(broker().holds_back());
    ASSERT_TRUE(broker().next_deadline().has_value());
    pass(seconds(10));
    EXPECT_FALSE(broker().holds_back());  // it does not get on
    publish("t", "v", Qos::at_least_once);
    EXPECT_FALSE(broker().holds_back());
    acknowledge(client, PacketType::puback, expect<Publish>(client).packet_id);
    publish("t", "v", Qos::at_least_once);
    EXPECT_TRUE(broker().holds_back());  // it does again
    hang_up(client);
    EXPECT_FALSE(broker().holds_back());
}

TEST_F(BrokerLimitsTest, APausedPublisherIsNotReadAndNotTimedOut) {
    acknowledges_ = false;
    Connect connect = hello(Version::v3_1_1, "p");
    connect.keep_alive_s = 10;
    auto& client = join(connect);
    send(client, message("t", "v", Qos::at_least_once, 1));
    const auto token = published().at(0).token;
    broker().pause_publisher(token);
    broker().pause_publisher(token);
    drain();
    EXPECT_FALSE(client.reading);
    pass(seconds(60));
    pass(seconds(60));
    EXPECT_FALSE(client.close.has_value());
    broker().resume_publisher(token, now_);
    broker().resume_publisher(token, now_);
    drain();
    EXPECT_TRUE(client.reading);
    pass(seconds(14));
    EXPECT_FALSE(client.close.has_value());
    pass(seconds(15));
    EXPECT_TRUE(client.close.has_value());
    broker().pause_publisher(token);  // its session is gone
    broker().pause_publisher(AckToken{});
    broker().resume_publisher(token, now_);
    EXPECT_FALSE(broker().next_command().has_value());
}

TEST_F(BrokerLimitsTest, AConnectIsBoundedBeforeItIsBelieved) {
    BrokerLimits limits;
    limits.max_packet_bytes = 200U << 20U;
    restart(limits);
    auto& stranger = open();
    send_bytes(stranger, base::Bytes{0x10, 0xFF, 0xFF, 0x7F});  // 2 MiB
    EXPECT_TRUE(stranger.close.has_value());
    expect_nothing(stranger);
}

TEST_F(BrokerLimitsTest, QosZeroFanOutAllocatesNothingPerMessage) {
    auto& publisher = join("p");
    std::vector<ScriptedClient*> subscribers;
    for (int i = 0; i < 20; ++i) {
        auto& client = join("s" + std::to_string(i), i % 2 == 0 ? Version::v5 : Version::v3_1_1);
        subscribe(client, i % 3 == 0 ? "plant/#" : "plant/+/temperature");
        subscribers.push_back(&client);
    }
    base::Bytes packet;
    encode(packet, message("plant/line3/temperature", "21.5"), Version::v5);
    base::Bytes out;
    const auto round = [&] {
        broker().receive(publisher.id, packet, now_);
        while (broker().next_event()) {
        }
        while (broker().next_command()) {
        }
        for (const auto* client : subscribers) broker().take_output(client->id, out);
    };
    for (int i = 0; i < 100; ++i) round();  // buffers grow to what they need
    const auto before = vectors::allocation_count();
    for (int i = 0; i < 100; ++i) round();
    EXPECT_EQ(vectors::allocation_count(), before);
    EXPECT_EQ(broker().counters().messages_sent, 200U * 20U);
}

}  // namespace
}  // namespace sallyport::mqtt
