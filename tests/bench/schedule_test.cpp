#include "tests/bench/schedule.hpp"

#include <gtest/gtest.h>

#include "tests/bench/stamp.hpp"

namespace sallyport::bench {
namespace {

TEST(Schedule, SpreadsThePublishersMessagesEvenly) {
    Schedule schedule;
    schedule.publishers = 4;
    schedule.rate = 1000;
    schedule.start_ns = 5'000'000;
    EXPECT_EQ(schedule.due_ns(schedule.index(0, 0)), 5'000'000);
    EXPECT_EQ(schedule.due_ns(schedule.index(1, 0)), 6'000'000);
    EXPECT_EQ(schedule.due_ns(schedule.index(3, 0)), 8'000'000);
    EXPECT_EQ(schedule.due_ns(schedule.index(0, 1)), 9'000'000);
}

TEST(Schedule, DoesNotDriftOverADay) {
    Schedule schedule;
    schedule.rate = 3000;  // a third of a millisecond apart, not a whole number of ns
    constexpr std::int64_t kDaySeconds = 86'400;
    EXPECT_EQ(schedule.due_ns(3000 * kDaySeconds), kDaySeconds * 1'000'000'000);
}

TEST(Stamp, SurvivesThePayload) {
    base::Bytes payload(64, 0xAA);
    write_stamp(payload, {7, 3, 12'345'678'901, 42});
    const auto stamp = read_stamp(payload);
    ASSERT_TRUE(stamp.has_value());
    EXPECT_EQ(stamp->run, 7U);
    EXPECT_EQ(stamp->publisher, 3U);
    EXPECT_EQ(stamp->number, 12'345'678'901U);
    EXPECT_EQ(stamp->due_ns, 42);
    EXPECT_EQ(payload[kStampBytes], 0xAA);
}

TEST(Stamp, IsNotReadFromAShortPayload) {
    EXPECT_FALSE(read_stamp(base::Bytes(kStampBytes - 1)).has_value());
    EXPECT_TRUE(read_stamp(base::Bytes(kStampBytes)).has_value());
}

}  // namespace
}  // namespace sallyport::bench
