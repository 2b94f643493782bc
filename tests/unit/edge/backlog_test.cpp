#include "edge-agent/uplink/backlog.hpp"

#include <gtest/gtest.h>

namespace sallyport::uplink {
namespace {

using namespace std::chrono_literals;

class BacklogTest : public testing::Test {
protected:
    void pass(base::Duration time) {
        now_.instant = now_.instant + time;
        now_.wall = now_.wall + time;
    }
    /// Entries of 100 records go out and are acknowledged, ten a second.
    void drain_for(Backlog& backlog, base::Duration time) {
        for (base::Duration passed{}; passed < time; passed += 100ms) {
            pass(100ms);
            backlog.sent(seq_ + 1, seq_ + 100, now_.wall, now_);
            backlog.acknowledged(seq_ += 100, now_);
        }
    }

    base::Now now_{base::Instant{1h}, base::WallTime{1'700'000'000'000'000'000}};
    record::Seq seq_ = 0;
};

TEST_F(BacklogTest, KnowsTheOldestInFlightThenTheOldestUnread) {
    Backlog backlog(true, now_);
    backlog.reading_began(now_);
    EXPECT_EQ(backlog.oldest(std::nullopt), std::nullopt);
    const auto first = now_.wall;
    backlog.sent(1, 5, first, now_);
    pass(3s);
    backlog.sent(6, 9, now_.wall, now_);
    EXPECT_EQ(backlog.oldest(now_.wall), first);
    backlog.acknowledged(5, now_);
    EXPECT_EQ(backlog.oldest(now_.wall), first + 3s);
    backlog.acknowledged(9, now_);
    EXPECT_EQ(backlog.oldest(first + 4s), first + 4s);
}

TEST_F(BacklogTest, RemembersTheOldestOverASessionThatIsLost) {
    Backlog backlog(true, now_);
    backlog.reading_began(now_);
    const auto first = now_.wall;
    backlog.sent(1, 5, first, now_);
    pass(1s);
    backlog.reading_ended(now_.wall);
    backlog.accepted(now_);
    EXPECT_EQ(backlog.oldest(std::nullopt), first);
    EXPECT_EQ(backlog.waiting_for_ack_since(), std::nullopt);
    backlog.reading_ended(std::nullopt);  // a later session that never found its place
    EXPECT_EQ(backlog.oldest(std::nullopt), first);
}

TEST_F(BacklogTest, WhatComesAfterALossWithNothingWaitingIsTheOldest) {
    Backlog backlog(true, now_);
    backlog.reading_began(now_);
    backlog.reading_ended(std::nullopt);
    EXPECT_EQ(backlog.oldest(std::nullopt), std::nullopt);
    pass(5s);
    const auto first = now_.wall;
    backlog.accepted(now_);
    pass(5s);
    backlog.accepted(now_);
    EXPECT_EQ(backlog.oldest(std::nullopt), first);
}

TEST_F(BacklogTest, DoesNotInventTheAgeOfWhatWaitedBeforeAStart) {
    Backlog backlog(false, now_);
    backlog.accepted(now_);
    EXPECT_EQ(backlog.oldest(std::nullopt), std::nullopt);
    backlog.reading_began(now_);
    EXPECT_EQ(backlog.oldest(now_.wall), now_.wall);
}

TEST_F(BacklogTest, WhatIsNamedAsMissingWaitsNoMore) {
    Backlog backlog(false, now_);
    EXPECT_EQ(backlog.waiting(0, 20), 20U);
    EXPECT_EQ(backlog.waiting(21, 20), 0U);
    backlog.reading_began(now_);
    backlog.named_missing(1, 0);  // "begin again"
    EXPECT_EQ(backlog.waiting(0, 20), 20U);
    backlog.named_missing(1, 4);
    backlog.sent(5, 9, now_.wall, now_);
    backlog.named_missing(10, 12);
    backlog.named_missing(13, 15);
    EXPECT_EQ(backlog.waiting(0, 20), 10U);
    EXPECT_EQ(backlog.waiting(14, 20), 5U) << "part of what is missing is passed";
    backlog.acknowledged(9, now_);
    EXPECT_EQ(backlog.waiting(9, 15), 0U) << "no Ack can name the end of what is missing";
    EXPECT_EQ(backlog.waiting(9, 20), 5U);
    backlog.sent(16, 20, now_.wall, now_);
    backlog.acknowledged(20, now_);
    EXPECT_EQ(backlog.waiting(20, 30), 10U);
}

TEST_F(BacklogTest, WhatIsMissingIsNamedAnewInEachSession) {
    Backlog backlog(false, now_);
    backlog.reading_began(now_);
    backlog.named_missing(1, 4);
    backlog.reading_ended(std::nullopt);
    EXPECT_EQ(backlog.waiting(0, 4), 0U) << "it was named, though its session is over";
    backlog.reading_began(now_);
    EXPECT_EQ(backlog.waiting(0, 4), 4U) << "this time it may be read";
}

TEST_F(BacklogTest, ADrainCountsFromThePeakAndKnowsItsEnd) {
    Backlog backlog(false, now_);
    backlog.note_waiting(10'000, false);
    EXPECT_EQ(backlog.drain(0.0, now_.instant)->progress, 0.0);
    EXPECT_EQ(backlog.drain(0.0, now_.instant)->left, std::nullopt) << "nobody takes it";
    backlog.reading_began(now_);
    drain_for(backlog, 3s);  // 1000 a second
    backlog.note_waiting(7'000, false);
    const auto drain = backlog.drain(300.0, now_.instant);
    ASSERT_TRUE(drain && drain->left);
    EXPECT_NEAR(drain->progress, 0.3, 1e-9);
    EXPECT_NEAR(std::chrono::duration<double>(*drain->left).count(), 10.0, 0.5);
    backlog.note_waiting(7'000, true);
    EXPECT_EQ(backlog.drain(300.0, now_.instant), std::nullopt) << "live again";
}

TEST_F(BacklogTest, TellsNoEndOfADrainThatDoesNotShrink) {
    Backlog backlog(false, now_);
    backlog.reading_began(now_);
    drain_for(backlog, 3s);
    backlog.note_waiting(7'000, false);
    EXPECT_EQ(backlog.drain(1'000.0, now_.instant)->left, std::nullopt);
    EXPECT_EQ(backlog.drain(5'000.0, now_.instant)->left, std::nullopt);
    backlog.reading_ended(now_.wall);
    EXPECT_EQ(backlog.drain(0.0, now_.instant)->left, std::nullopt);
}

TEST_F(BacklogTest, TheRateOfADrainIsItsOwnNotThatOfTheOutageBefore) {
    Backlog backlog(true, now_);
    backlog.reading_began(now_);
    drain_for(backlog, 1s);
    backlog.reading_ended(std::nullopt);
    pass(60s);
    backlog.reading_began(now_);
    drain_for(backlog, 500ms);
    EXPECT_NEAR(*backlog.out_per_second(now_.instant), 1'000.0, 100.0);
}

}  // namespace
}  // namespace sallyport::uplink
