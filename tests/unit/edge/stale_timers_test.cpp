#include "edge-agent/ingest/stale_timers.hpp"

#include <gtest/gtest.h>

namespace sallyport::ingest {
namespace {

using namespace std::chrono_literals;
using Tags = std::vector<record::TagId>;

base::Now at(base::Duration since_start) {
    return {base::Instant{since_start}, {}};
}

TEST(StaleTimers, FallDueInTheOrderInWhichTheyBegan) {
    StaleTimers timers;
    const auto ten = timers.queue_for(10s);
    for (const record::TagId tag : {3U, 1U, 2U}) timers.begin(ten, tag, at(tag * 1ms));
    EXPECT_EQ(timers.next_deadline(), base::Instant{10s + 3ms});
    EXPECT_TRUE(timers.take_due(at(10s)).empty());
    EXPECT_EQ(timers.take_due(at(11s)), (Tags{3, 1, 2}));
    EXPECT_EQ(timers.next_deadline(), std::nullopt);
}

TEST(StaleTimers, BeginningAgainMovesToTheEnd) {
    StaleTimers timers;
    const auto ten = timers.queue_for(10s);
    for (const record::TagId tag : {1U, 2U, 3U}) timers.begin(ten, tag, at(0s));
    timers.begin(ten, 2, at(5s));
    timers.begin(ten, 1, at(6s));
    EXPECT_EQ(timers.take_due(at(10s)), Tags{3});
    EXPECT_EQ(timers.take_due(at(16s)), (Tags{2, 1}));
}

TEST(StaleTimers, EndedIsNotDue) {
    StaleTimers timers;
    const auto ten = timers.queue_for(10s);
    for (const record::TagId tag : {1U, 2U, 3U}) timers.begin(ten, tag, at(0s));
    timers.end(1);
    timers.end(3);
    timers.end(3);
    timers.end(77);
    EXPECT_FALSE(timers.waits(3));
    EXPECT_EQ(timers.take_due(at(10s)), Tags{2});
}

TEST(StaleTimers, EveryWaitHasItsQueue) {
    StaleTimers timers;
    const auto ten = timers.queue_for(10s);
    const auto two = timers.queue_for(2s);
    EXPECT_EQ(timers.queue_for(10s), ten);
    timers.begin(ten, 1, at(0s));
    timers.begin(two, 2, at(1s));
    timers.begin(two, 1, at(2s));  // from one into the other
    EXPECT_EQ(timers.next_deadline(), base::Instant{3s});
    EXPECT_EQ(timers.take_due(at(4s)), (Tags{2, 1}));
    EXPECT_EQ(timers.next_deadline(), std::nullopt);
}

TEST(StaleTimers, TagsThatComeDueOneAfterTheOtherAreTakenTogether) {
    StaleTimers timers;
    const auto ten = timers.queue_for(10s);
    for (record::TagId tag = 1; tag <= 100; ++tag) timers.begin(ten, tag, at(tag * 1ms));
    std::size_t times = 0, taken = 0;
    for (base::Duration now = 10s; taken < 100; now += 1ms) {
        const auto due = timers.take_due(at(now));
        if (!due.empty()) ++times;
        taken += due.size();
    }
    EXPECT_EQ(times, 2U);
}

/// Not a scan: a hundred thousand tags updated ten times each cost what they would cost alone.
TEST(StaleTimers, AHundredThousandTagsCostNoMoreEach) {
    StaleTimers timers;
    const auto ten = timers.queue_for(10s);
    constexpr record::TagId kTags = 100'000;
    base::Duration now{};
    for (int round = 0; round < 10; ++round) {
        for (record::TagId tag = 1; tag <= kTags; ++tag) {
            now += 1us;
            EXPECT_TRUE(timers.take_due(at(now)).empty());
            timers.begin(ten, tag, at(now));
        }
    }
    EXPECT_EQ(timers.take_due(at(now + 10s)).size(), kTags);
}

}  // namespace
}  // namespace sallyport::ingest
