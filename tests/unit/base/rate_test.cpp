#include "common/base/rate.hpp"

#include <gtest/gtest.h>

namespace sallyport::base {
namespace {

constexpr Instant kStart{1h};

/// Adds `events` every 100 ms.
Instant feed(Rate& rate, std::uint64_t events, Instant from, Duration time) {
    for (Duration passed{}; passed < time; passed += 100ms) rate.add(events, from = from + 100ms);
    return from;
}

TEST(Rate, IsNothingBeforeTimeHasPassedAndZeroWhereNothingHappened) {
    const Rate rate(kStart);
    EXPECT_EQ(rate.per_second(kStart), std::nullopt);
    EXPECT_EQ(rate.per_second(kStart + 1s), 0.0);
}

TEST(Rate, IsThePlainAverageAtFirst) {
    Rate rate(kStart);
    const auto now = feed(rate, 10, kStart, 500ms);
    EXPECT_NEAR(*rate.per_second(now), 100.0, 2.0);
}

TEST(Rate, StaysWhereAnEvenFlowIs) {
    Rate rate(kStart);
    const auto now = feed(rate, 10, kStart, 60s);
    EXPECT_NEAR(*rate.per_second(now), 100.0, 2.0);
}

TEST(Rate, FollowsAChangeWithinAFewTimeConstants) {
    Rate rate(kStart, 5s);
    auto now = feed(rate, 10, kStart, 60s);
    now = feed(rate, 1000, now, 5s);
    EXPECT_NEAR(*rate.per_second(now), 100.0 + 9900.0 * 0.632, 200.0);
    now = feed(rate, 1000, now, 20s);
    EXPECT_NEAR(*rate.per_second(now), 10'000.0, 250.0);
}

TEST(Rate, FadesWhenNothingComesAnyMore) {
    Rate rate(kStart, 5s);
    const auto now = feed(rate, 10, kStart, 60s);
    EXPECT_NEAR(*rate.per_second(now + 5s), 36.8, 1.0);
    EXPECT_LT(*rate.per_second(now + 60s), 0.01);
}

TEST(Rate, DoesNotDependOnHowOftenItIsTold) {
    Rate fine(kStart), coarse(kStart);
    Instant now = kStart;
    for (int i = 0; i < 100; ++i) {
        for (int j = 0; j < 10; ++j) fine.add(1, now = now + 10ms);
        coarse.add(10, now);
    }
    EXPECT_NEAR(*fine.per_second(now), *coarse.per_second(now), 1.0);
}

}  // namespace
}  // namespace sallyport::base
