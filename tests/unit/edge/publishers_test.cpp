#include "edge-agent/ingest/publishers.hpp"

#include <gtest/gtest.h>

#include "tests/unit/edge/memory_in_use.hpp"

namespace sallyport::ingest {
namespace {

using namespace std::chrono_literals;
using record::Quality;
using Tags = std::vector<record::TagId>;

constexpr record::TagId kTemp = 1, kDoor = 2, kStatus = 3;
constexpr bool kInOrder = true, kBroken = false;
constexpr bool kIsWill = true;
constexpr std::size_t kSlackBytes = 64U << 10U;  // for containers that grow in steps

class PublishersTest : public testing::Test {
protected:
    void publish(std::string_view client, record::TagId tag) {
        publishers_.published(client, tag, false);
    }
    base::Now at(base::Duration since_start) const {
        return {base::Instant{since_start}, base::WallTime{since_start.count()}};
    }
    static testing::AssertionResult changed(const std::optional<QualityChange>& change,
                                            Quality quality, const Tags& tags) {
        if (!change) return testing::AssertionFailure() << "nothing changed";
        if (change->quality != quality)
            return testing::AssertionFailure() << "became " << to_string(change->quality);
        if (change->tags != tags)
            return testing::AssertionFailure() << change->tags.size() << " other tags changed";
        return testing::AssertionSuccess();
    }

    Publishers publishers_;
};

TEST_F(PublishersTest, AnUncleanEndMakesTagsNotConnected) {
    publish("plc", kTemp);
    publish("plc", kDoor);
    publish("plc", kTemp);
    EXPECT_TRUE(changed(publishers_.gone("plc", kBroken, at(1s)), Quality::bad_not_connected,
                        {kTemp, kDoor}));
}

TEST_F(PublishersTest, TheWillsOwnTopicIsExempt) {
    publish("plc", kTemp);
    publish("plc", kStatus);
    publishers_.published("plc", kStatus, kIsWill);
    EXPECT_TRUE(
        changed(publishers_.gone("plc", kBroken, at(1s)), Quality::bad_not_connected, {kTemp}));
}

TEST_F(PublishersTest, AnEndIsToldOnce) {
    publish("plc", kTemp);
    EXPECT_TRUE(publishers_.gone("plc", kBroken, at(1s)));
    EXPECT_FALSE(publishers_.gone("plc", kBroken, at(2s)));
    EXPECT_EQ(publishers_.next_deadline(), std::nullopt);
}

TEST_F(PublishersTest, ADisconnectMakesTagsStaleAMinuteLater) {
    publish("plc", kTemp);
    publish("plc", kDoor);
    EXPECT_FALSE(publishers_.gone("plc", kInOrder, at(10s)));
    EXPECT_EQ(publishers_.next_deadline(), base::Instant{70s});
    EXPECT_FALSE(publishers_.expire(at(70s - 1ns)));
    EXPECT_TRUE(
        changed(publishers_.expire(at(70s)), Quality::uncertain_last_usable, {kTemp, kDoor}));
    EXPECT_FALSE(publishers_.expire(at(71s)));
    EXPECT_EQ(publishers_.next_deadline(), std::nullopt);
}

TEST_F(PublishersTest, EveryPublisherThatHasBecomeStaleIsTold) {
    publish("plc", kTemp);
    publish("oven", kDoor);
    publishers_.gone("plc", kInOrder, at(0s));
    publishers_.gone("oven", kInOrder, at(1s));
    const auto first = publishers_.expire(at(100s));
    const auto second = publishers_.expire(at(100s));
    ASSERT_TRUE(first && second);
    EXPECT_NE(first->tags, second->tags);
    EXPECT_FALSE(publishers_.expire(at(100s)));
}

TEST_F(PublishersTest, BackWithinTheMinuteChangesNothing) {
    publish("plc", kTemp);
    publishers_.gone("plc", kInOrder, at(0s));
    EXPECT_FALSE(publishers_.connected("plc"));
    EXPECT_EQ(publishers_.next_deadline(), std::nullopt);
    EXPECT_FALSE(publishers_.expire(at(100s)));
}

TEST_F(PublishersTest, BackAfterAnUncleanEndTagsAreUncertainUntilPublished) {
    publish("plc", kTemp);
    publish("plc", kDoor);
    publishers_.gone("plc", kBroken, at(1s));
    EXPECT_TRUE(
        changed(publishers_.connected("plc"), Quality::uncertain_last_usable, {kTemp, kDoor}));
    publish("plc", kTemp);  // good again, and so worth telling when it ends
    EXPECT_TRUE(changed(publishers_.gone("plc", kBroken, at(2s)), Quality::bad_not_connected,
                        {kTemp, kDoor}));
}

TEST_F(PublishersTest, ATagPublishedAgainStaysGoodWhenTheMinuteIsOver) {
    publish("plc", kTemp);
    publish("plc", kDoor);
    publishers_.gone("plc", kBroken, at(0s));
    publishers_.connected("plc");
    publish("plc", kDoor);
    publishers_.gone("plc", kInOrder, at(10s));
    // kTemp is uncertain already.
    EXPECT_TRUE(changed(publishers_.expire(at(70s)), Quality::uncertain_last_usable, {kDoor}));
}

TEST_F(PublishersTest, ATakeOverByTheSameClientChangesNothing) {
    publish("plc", kTemp);
    EXPECT_FALSE(publishers_.connected("plc"));  // gone() is not called for one taken over
}

TEST_F(PublishersTest, ATagFollowsWhoPublishedItLast) {
    publish("first", kTemp);
    publish("first", kDoor);
    publish("second", kTemp);
    EXPECT_TRUE(
        changed(publishers_.gone("first", kBroken, at(1s)), Quality::bad_not_connected, {kDoor}));
    EXPECT_TRUE(
        changed(publishers_.gone("second", kBroken, at(1s)), Quality::bad_not_connected, {kTemp}));
}

TEST_F(PublishersTest, AReturnDoesNotTouchWhatAnotherHasTakenOver) {
    publish("first", kTemp);
    publishers_.gone("first", kBroken, at(1s));
    publish("second", kTemp);
    EXPECT_FALSE(publishers_.connected("first"));
}

TEST_F(PublishersTest, AClientThatNeverPublishedHasNothingToLose) {
    EXPECT_FALSE(publishers_.connected("reader"));
    EXPECT_FALSE(publishers_.gone("reader", kBroken, at(1s)));
    EXPECT_FALSE(publishers_.gone("reader", kInOrder, at(1s)));
    EXPECT_EQ(publishers_.next_deadline(), std::nullopt);
}

TEST_F(PublishersTest, AfterARestartEveryTagIsUncertainUntilPublished) {
    EXPECT_FALSE(publishers_.restarted({}));
    EXPECT_TRUE(changed(publishers_.restarted({kTemp, kStatus}), Quality::uncertain_last_usable,
                        {kTemp, kStatus}));
    publish("plc", kTemp);
    publishers_.gone("plc", kInOrder, at(0s));
    EXPECT_TRUE(changed(publishers_.expire(at(60s)), Quality::uncertain_last_usable, {kTemp}));
}

TEST_F(PublishersTest, TwoPublishersOfOneTagDoNotGrowMemory) {
    const auto publish_in_turns = [&](int times) {
        for (int i = 0; i < times; ++i) {
            publish("first", kTemp);
            publish("second", kTemp);
        }
    };
    publish_in_turns(1000);
    const auto before = edge_core::memory_in_use();
    publish_in_turns(100'000);
    EXPECT_LE(edge_core::memory_in_use(), before + kSlackBytes);
}

TEST_F(PublishersTest, ClientsThatAreGoneAndPublishNothingAnyMoreAreForgotten) {
    const auto come_and_go = [&](int from, int to) {
        for (int i = from; i < to; ++i) {
            const auto client = "random-" + std::to_string(i);
            publishers_.connected(client);
            publish(client, kTemp);
            publishers_.gone(client, kBroken, at(base::Duration{i}));
        }
    };
    come_and_go(0, 1000);
    const auto before = edge_core::memory_in_use();
    come_and_go(1000, 11'000);
    EXPECT_LE(edge_core::memory_in_use(), before + kSlackBytes);
}

}  // namespace
}  // namespace sallyport::ingest
