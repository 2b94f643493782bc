#include "edge-agent/ingest/publishers.hpp"

#include <memory>

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
    static base::Now at(base::Duration since_start) {
        return {base::Instant{since_start}, base::WallTime{since_start.count()}};
    }
    void publish(std::string_view client, record::TagId tag, base::Duration time = 0s,
                 Quality quality = Quality::good) {
        publishers_->published({client, tag, 0, quality, false}, at(time));
    }
    void publish_will(std::string_view client, record::TagId tag) {
        publishers_->published({client, tag, 0, Quality::good, kIsWill}, at(0s));
    }
    /// The only [[forward]] says this.
    void use(const QualityPolicy& policy) {
        publishers_ = std::make_unique<Publishers>(std::vector{policy});
    }
    Publishers& publishers() { return *publishers_; }
    /// One quality has changed, that of these tags.
    static testing::AssertionResult changed(const QualityChanges& changes, Quality quality,
                                            const Tags& tags) {
        if (changes.empty()) return testing::AssertionFailure() << "nothing changed";
        if (changes.size() > 1) return testing::AssertionFailure() << "several qualities changed";
        if (changes[0].quality != quality)
            return testing::AssertionFailure() << "became " << to_string(changes[0].quality);
        if (changes[0].tags != tags)
            return testing::AssertionFailure() << changes[0].tags.size() << " other tags changed";
        return testing::AssertionSuccess();
    }
    static bool nothing(const QualityChanges& changes) { return changes.empty(); }

private:
    std::unique_ptr<Publishers> publishers_ =
        std::make_unique<Publishers>(std::vector{QualityPolicy{}});
};

TEST_F(PublishersTest, AnUncleanEndMakesTagsNotConnected) {
    publish("plc", kTemp);
    publish("plc", kDoor);
    publish("plc", kTemp);
    EXPECT_TRUE(changed(publishers().gone("plc", kBroken, at(1s)), Quality::bad_not_connected,
                        {kTemp, kDoor}));
}

TEST_F(PublishersTest, TheWillsOwnTopicIsExempt) {
    publish("plc", kTemp);
    publish("plc", kStatus);
    publish_will("plc", kStatus);
    EXPECT_TRUE(
        changed(publishers().gone("plc", kBroken, at(1s)), Quality::bad_not_connected, {kTemp}));
}

TEST_F(PublishersTest, AnEndIsToldOnce) {
    publish("plc", kTemp);
    EXPECT_FALSE(nothing(publishers().gone("plc", kBroken, at(1s))));
    EXPECT_TRUE(nothing(publishers().gone("plc", kBroken, at(2s))));
    EXPECT_EQ(publishers().next_deadline(), std::nullopt);
}

TEST_F(PublishersTest, ADisconnectMakesTagsStaleAMinuteLater) {
    publish("plc", kTemp);
    publish("plc", kDoor);
    EXPECT_TRUE(nothing(publishers().gone("plc", kInOrder, at(10s))));
    EXPECT_EQ(publishers().next_deadline(), base::Instant{70s});
    EXPECT_TRUE(nothing(publishers().expire(at(70s - 1ns))));
    EXPECT_TRUE(
        changed(publishers().expire(at(70s)), Quality::uncertain_last_usable, {kTemp, kDoor}));
    EXPECT_TRUE(nothing(publishers().expire(at(71s))));
    EXPECT_EQ(publishers().next_deadline(), std::nullopt);
}

TEST_F(PublishersTest, AllThatHasBecomeStaleIsToldTogether) {
    publish("plc", kTemp);
    publish("oven", kDoor);
    publishers().gone("plc", kInOrder, at(0s));
    publishers().gone("oven", kInOrder, at(1s));
    EXPECT_TRUE(
        changed(publishers().expire(at(100s)), Quality::uncertain_last_usable, {kTemp, kDoor}));
    EXPECT_TRUE(nothing(publishers().expire(at(100s))));
}

TEST_F(PublishersTest, BackWithinTheMinuteChangesNothing) {
    publish("plc", kTemp);
    publishers().gone("plc", kInOrder, at(0s));
    EXPECT_TRUE(nothing(publishers().connected("plc")));
    EXPECT_EQ(publishers().next_deadline(), std::nullopt);
    EXPECT_TRUE(nothing(publishers().expire(at(100s))));
}

TEST_F(PublishersTest, BackAfterAnUncleanEndTagsAreUncertainUntilPublished) {
    publish("plc", kTemp);
    publish("plc", kDoor);
    publishers().gone("plc", kBroken, at(1s));
    EXPECT_TRUE(
        changed(publishers().connected("plc"), Quality::uncertain_last_usable, {kTemp, kDoor}));
    publish("plc", kTemp);  // good again, and so worth telling when it ends
    EXPECT_TRUE(changed(publishers().gone("plc", kBroken, at(2s)), Quality::bad_not_connected,
                        {kTemp, kDoor}));
}

TEST_F(PublishersTest, ATagPublishedAgainStaysGoodWhenTheMinuteIsOver) {
    publish("plc", kTemp);
    publish("plc", kDoor);
    publishers().gone("plc", kBroken, at(0s));
    publishers().connected("plc");
    publish("plc", kDoor);
    publishers().gone("plc", kInOrder, at(10s));
    // kTemp is uncertain already.
    EXPECT_TRUE(changed(publishers().expire(at(70s)), Quality::uncertain_last_usable, {kDoor}));
}

TEST_F(PublishersTest, ATakeOverByTheSameClientChangesNothing) {
    publish("plc", kTemp);
    EXPECT_TRUE(nothing(publishers().connected("plc")));  // gone() is not called for one taken over
}

TEST_F(PublishersTest, ATagFollowsWhoPublishedItLast) {
    publish("first", kTemp);
    publish("first", kDoor);
    publish("second", kTemp);
    EXPECT_TRUE(
        changed(publishers().gone("first", kBroken, at(1s)), Quality::bad_not_connected, {kDoor}));
    EXPECT_TRUE(
        changed(publishers().gone("second", kBroken, at(1s)), Quality::bad_not_connected, {kTemp}));
}

TEST_F(PublishersTest, AReturnDoesNotTouchWhatAnotherHasTakenOver) {
    publish("first", kTemp);
    publishers().gone("first", kBroken, at(1s));
    publish("second", kTemp);
    EXPECT_TRUE(nothing(publishers().connected("first")));
}

TEST_F(PublishersTest, AClientThatNeverPublishedHasNothingToLose) {
    EXPECT_TRUE(nothing(publishers().connected("reader")));
    EXPECT_TRUE(nothing(publishers().gone("reader", kBroken, at(1s))));
    EXPECT_TRUE(nothing(publishers().gone("reader", kInOrder, at(1s))));
    EXPECT_EQ(publishers().next_deadline(), std::nullopt);
}

TEST_F(PublishersTest, AfterARestartEveryTagIsUncertainUntilPublished) {
    EXPECT_TRUE(nothing(publishers().restarted({}, at(0s))));
    EXPECT_TRUE(changed(publishers().restarted({{kTemp, 0, ""}, {kStatus, {}, ""}}, at(0s)),
                        Quality::uncertain_last_usable, {kTemp, kStatus}));
    publish("plc", kTemp);
    publishers().gone("plc", kInOrder, at(0s));
    EXPECT_TRUE(changed(publishers().expire(at(60s)), Quality::uncertain_last_usable, {kTemp}));
}

TEST_F(PublishersTest, WhoIsNotBackAMinuteAfterARestartIsNotConnected) {
    publishers().restarted({{kTemp, 0, "plc"}, {kDoor, 0, "oven"}, {kStatus, 0, ""}}, at(10s));
    EXPECT_EQ(publishers().publisher(kTemp), "plc");
    EXPECT_TRUE(nothing(publishers().connected("oven"))) << "uncertain until the next value";
    EXPECT_EQ(publishers().next_deadline(), base::Instant{70s});
    EXPECT_TRUE(nothing(publishers().expire(at(70s - 1ns))));
    EXPECT_TRUE(changed(publishers().expire(at(70s)), Quality::bad_not_connected, {kTemp}));
    EXPECT_EQ(publishers().quality(kStatus), Quality::uncertain_last_usable)
        << "nobody knows whose it is";
    EXPECT_TRUE(changed(publishers().connected("plc"), Quality::uncertain_last_usable, {kTemp}));
    EXPECT_EQ(publishers().next_deadline(), std::nullopt);
}

TEST_F(PublishersTest, WhatAnotherHasPublishedSinceTheRestartIsNotMissed) {
    publishers().restarted({{kTemp, 0, "plc"}}, at(0s));
    publish("oven", kTemp, 1s);
    EXPECT_TRUE(nothing(publishers().expire(at(60s))));
}

TEST_F(PublishersTest, RestoringDoesNotReachBeyondARestart) {
    use({.restore_on_reconnect = true});
    publishers().restarted({{kTemp, 0, "plc"}}, at(0s));
    EXPECT_TRUE(nothing(publishers().connected("plc")));
    EXPECT_EQ(publishers().quality(kTemp), Quality::uncertain_last_usable);
}

TEST_F(PublishersTest, WhoMayLeaveInOrderIsNotMissedAfterARestart) {
    use({.keep_on_disconnect = true});
    publishers().restarted({{kTemp, 0, "battery"}}, at(0s));
    EXPECT_TRUE(nothing(publishers().expire(at(60s))));
}

TEST_F(PublishersTest, ACyclicTagIsStaleWithoutAnUpdateInItsTime) {
    use({.stale_after = 10s});
    publish("plc", kTemp, 0s);
    publish("plc", kDoor, 5s);
    publish("plc", kTemp, 8s);
    EXPECT_TRUE(nothing(publishers().expire(at(14s))));
    EXPECT_TRUE(changed(publishers().expire(at(15s)), Quality::uncertain_last_usable, {kDoor}));
    EXPECT_TRUE(changed(publishers().expire(at(18s)), Quality::uncertain_last_usable, {kTemp}));
    EXPECT_TRUE(nothing(publishers().expire(at(1h)))) << "told once";
    publish("plc", kTemp, 2h);
    EXPECT_EQ(publishers().quality(kTemp), Quality::good);
    EXPECT_EQ(publishers().next_deadline(), base::Instant{2h + 10s});
}

TEST_F(PublishersTest, ADisconnectLeavesACyclicTagItsOwnTime) {
    use({.stale_after = 10s});
    publish("plc", kTemp, 0s);
    EXPECT_TRUE(nothing(publishers().gone("plc", kInOrder, at(1s))));
    EXPECT_TRUE(changed(publishers().expire(at(10s)), Quality::uncertain_last_usable, {kTemp}));
    EXPECT_TRUE(nothing(publishers().expire(at(2min))));
}

TEST_F(PublishersTest, WhatIsBadDoesNotBecomeStale) {
    use({.stale_after = 10s});
    publish("plc", kTemp, 0s, Quality::bad_sensor_failure);
    publish("oven", kDoor, 0s);
    publishers().gone("oven", kBroken, at(1s));
    EXPECT_TRUE(nothing(publishers().expire(at(1min)))) << "it would look better than it is";
    EXPECT_EQ(publishers().quality(kDoor), Quality::bad_not_connected);
}

TEST_F(PublishersTest, KeepIsNotTouchedByADisconnectButByABreak) {
    use({.keep_on_disconnect = true});
    publish("battery", kTemp);
    EXPECT_TRUE(nothing(publishers().gone("battery", kInOrder, at(0s))));
    EXPECT_TRUE(nothing(publishers().expire(at(1h))));
    publishers().connected("battery");
    EXPECT_TRUE(changed(publishers().gone("battery", kBroken, at(1h)), Quality::bad_not_connected,
                        {kTemp}));
}

TEST_F(PublishersTest, RestoreGivesBackTheQualityThatEachTagHad) {
    use({.restore_on_reconnect = true});
    publish("plc", kTemp);
    publish("plc", kDoor, 0s, Quality::good_local_override);
    publishers().gone("plc", kBroken, at(1s));
    const auto changes = publishers().connected("plc");
    ASSERT_EQ(changes.size(), 2U);
    EXPECT_EQ(changes[0].quality, Quality::good);
    EXPECT_EQ(changes[0].tags, Tags{kTemp});
    EXPECT_EQ(changes[1].quality, Quality::good_local_override);
    EXPECT_EQ(changes[1].tags, Tags{kDoor});
}

TEST_F(PublishersTest, RestoreAlsoEndsWhatADisconnectMadeStale) {
    use({.restore_on_reconnect = true});
    publish("plc", kTemp);
    publishers().gone("plc", kInOrder, at(0s));
    publishers().expire(at(60s));
    EXPECT_TRUE(changed(publishers().connected("plc"), Quality::good, {kTemp}));
}

TEST_F(PublishersTest, RestoreDoesNotMakeGoodWhatIsOverItsTime) {
    use({.stale_after = 10s, .restore_on_reconnect = true});
    publish("plc", kTemp, 0s);
    publishers().gone("plc", kBroken, at(1s));
    publishers().expire(at(10s));
    EXPECT_TRUE(changed(publishers().connected("plc"), Quality::uncertain_last_usable, {kTemp}));
}

TEST_F(PublishersTest, AReturnMakesNothingLookBetterThanItsDeviceSaid) {
    publish("plc", kTemp, 0s, Quality::bad_sensor_failure);
    publishers().gone("plc", kBroken, at(1s));
    EXPECT_TRUE(changed(publishers().connected("plc"), Quality::bad_sensor_failure, {kTemp}));
}

TEST_F(PublishersTest, AWillOfAClientThatNeverPublishedIsNobodysOnline) {
    publishers().gone("plc", kBroken, at(0s));
    publish_will("plc", kStatus);
    const auto before = publishers().publisher(kStatus);
    EXPECT_EQ(before, "plc");
    publish("other", kStatus);  // and so it is forgotten with its last tag
    EXPECT_TRUE(nothing(publishers().connected("plc")));
}

TEST_F(PublishersTest, ATagsPublisherIsToBeSavedOnceForEachChange) {
    publish("plc", kTemp);
    publish("plc", kTemp);
    publish("plc", kDoor);
    EXPECT_EQ(publishers().take_unsaved(100).size(), 2U);
    EXPECT_FALSE(publishers().has_unsaved());
    publish("plc", kTemp);
    EXPECT_FALSE(publishers().has_unsaved());
    publish("oven", kTemp);
    publish("plc", kTemp);
    EXPECT_EQ(publishers().take_unsaved(100), Tags{kTemp});
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
            publishers().connected(client);
            publish(client, kTemp);
            publishers().gone(client, kBroken, at(base::Duration{i}));
        }
    };
    come_and_go(0, 1000);
    const auto before = edge_core::memory_in_use();
    come_and_go(1000, 11'000);
    EXPECT_LE(edge_core::memory_in_use(), before + kSlackBytes);
}

}  // namespace
}  // namespace sallyport::ingest
