// The broker's stores on their own: retained messages, and what a session has still to be sent.
#include <algorithm>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "common/mqtt/outbound_queue.hpp"
#include "common/mqtt/retained_store.hpp"
#include "common/mqtt/topic.hpp"

namespace sallyport::mqtt {
namespace {

using std::chrono::seconds;

StoredMessagePtr stored(std::string topic, std::string_view payload = "x") {
    auto message = std::make_shared<StoredMessage>();
    message->topic = std::move(topic);
    const auto bytes = base::as_bytes(payload);
    message->payload.assign(bytes.begin(), bytes.end());
    return message;
}
StoredMessagePtr expiring(std::string topic, base::Instant at) {
    auto message = std::make_shared<StoredMessage>(*stored(std::move(topic)));
    message->expires_at = at;
    return message;
}
Delivery delivery(std::string topic, bool shared = false) {
    return {stored(std::move(topic)), Qos::at_least_once, false, shared, {}};
}
std::set<std::string> topics(const std::vector<StoredMessagePtr>& messages) {
    std::set<std::string> all;
    for (const auto& message : messages) all.insert(message->topic);
    return all;
}

TEST(RetainedStore, FindsWhatAFilterMatches) {
    RetainedStore store(100, 1 << 20);
    const std::vector<std::string> kTopics{"a",  "a/b",    "a/b/c", "/a",
                                           "a/", "$SYS/a", "b/b",   "a//c"};
    for (const auto& topic : kTopics) EXPECT_TRUE(store.set(stored(topic), {}));
    for (const std::string filter :
         {"#", "+", "a/#", "a/+", "+/b", "+/+/c", "$SYS/#", "/+", "+/a", "a/b/c", "a/b/c/#", "x"}) {
        std::set<std::string> expected;
        for (const auto& topic : kTopics)
            if (matches(filter, topic)) expected.insert(topic);
        std::vector<StoredMessagePtr> found;
        store.match(filter, {}, found);
        EXPECT_EQ(topics(found), expected) << filter;
        EXPECT_EQ(found.size(), expected.size()) << filter;
    }
}

TEST(RetainedStore, GivesItsMemoryBack) {
    RetainedStore store(100, 1 << 20);
    EXPECT_TRUE(store.set(stored("a/b/c"), {}));
    EXPECT_TRUE(store.set(stored("a/b/c", "longer"), {}));
    EXPECT_EQ(store.size(), 1U);
    EXPECT_TRUE(store.erase("a/b/c"));
    EXPECT_FALSE(store.erase("a/b/c"));
    EXPECT_EQ(store.size(), 0U);
    EXPECT_EQ(store.bytes(), 0U);
}

TEST(RetainedStore, KeepsNoOlderValueWhereTheNewOneDoesNotFit) {
    RetainedStore store(2, 2 * (RetainedStore::kOverheadBytes + 10));
    EXPECT_TRUE(store.set(stored("a"), {}));
    EXPECT_TRUE(store.set(stored("b"), {}));
    EXPECT_FALSE(store.set(stored("c"), {}));
    EXPECT_FALSE(store.set(stored("a", std::string(100, 'x')), {}));
    EXPECT_EQ(store.find("a"), nullptr);
    EXPECT_NE(store.find("b"), nullptr);
}

TEST(RetainedStore, ForgetsExpiredMessages) {
    RetainedStore store(10, 1 << 20);
    EXPECT_TRUE(store.set(expiring("a", {seconds(5)}), {}));
    std::vector<StoredMessagePtr> found;
    store.match("#", {seconds(5)}, found);
    EXPECT_TRUE(found.empty());
    EXPECT_TRUE(store.set(stored("b"), {seconds(6)}));
    EXPECT_EQ(store.size(), 1U);
}

TEST(OutboundQueue, DropsSupersededMessagesFirstThenTheOldest) {
    OutboundQueue queue;
    for (const char* topic : {"quiet", "fast", "fast", "other", "fast"})
        queue.push(delivery(topic));
    EXPECT_EQ(queue.trim(3, 1 << 20), 2U);
    EXPECT_EQ(queue.waiting(), 3U);
    EXPECT_EQ(queue.trim(2, 1 << 20), 1U);  // nothing superseded is left: the oldest goes
    EXPECT_EQ(queue.pop().message->topic, "other");
    EXPECT_EQ(queue.pop().message->topic, "fast");
    EXPECT_EQ(queue.bytes(), 0U);
}

TEST(OutboundQueue, TakesSharedWorkForNoState) {
    OutboundQueue queue;
    queue.push(delivery("job", true));
    queue.push(delivery("state"));
    queue.push(delivery("job", true));
    queue.push(delivery("state"));
    EXPECT_EQ(queue.trim(3, 1 << 20), 1U);
    EXPECT_EQ(queue.pop().message->topic, "job");
    EXPECT_EQ(queue.pop().message->topic, "job");
    EXPECT_EQ(queue.pop().message->topic, "state");
}

TEST(OutboundQueue, IsBoundedInBytes) {
    OutboundQueue queue;
    for (int i = 0; i < 10; ++i) queue.push(delivery("t" + std::to_string(i)));
    const std::size_t each = queue.bytes() / 10;
    EXPECT_EQ(queue.trim(1000, 4 * each), 6U);
    EXPECT_LE(queue.bytes(), 4 * each);
    EXPECT_EQ(queue.pop().message->topic, "t6");
}

TEST(OutboundQueue, SendsInFlightAgainInItsOrder) {
    OutboundQueue queue;
    queue.connected(10);
    const auto one = queue.begin(delivery("1"));
    const auto two = queue.begin(delivery("2"));
    const auto three = queue.begin(delivery("3"));
    queue.complete(two);
    queue.connected(1);
    EXPECT_EQ(queue.next_resend(), std::optional<std::uint16_t>{one});
    EXPECT_FALSE(queue.window_open());
    queue.complete(one);
    EXPECT_TRUE(queue.window_open());
    EXPECT_EQ(queue.next_resend(), std::optional<std::uint16_t>{three});
    EXPECT_EQ(queue.next_resend(), std::nullopt);
}

TEST(OutboundQueue, NeverGivesAPacketIdentifierThatIsInUse) {
    OutboundQueue queue;
    queue.connected(65'535);
    const auto held = queue.begin(delivery("held"));
    for (int i = 0; i < 70'000; ++i) {
        const auto packet_id = queue.begin(delivery("x"));
        ASSERT_NE(packet_id, 0);
        ASSERT_NE(packet_id, held);
        queue.complete(packet_id);
    }
}

TEST(OutboundQueue, FreesAMessageOnceItIsReleased) {
    OutboundQueue queue;
    queue.connected(1);
    auto message = delivery("x");
    message.qos = Qos::exactly_once;
    const auto packet_id = queue.begin(message);
    EXPECT_GT(queue.bytes(), 0U);
    queue.release(packet_id);
    EXPECT_EQ(queue.bytes(), 0U);
    EXPECT_FALSE(queue.window_open());  // 4.9: PUBCOMP gives the place back
    queue.complete(packet_id);
    EXPECT_TRUE(queue.window_open());
}

}  // namespace
}  // namespace sallyport::mqtt
