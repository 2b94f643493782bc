#include "common/tunnel/backoff.hpp"

#include <set>

#include <gtest/gtest.h>

namespace sallyport::tunnel {
namespace {

using namespace std::chrono_literals;

TEST(Backoff, StaysWithinItsBounds) {
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        Backoff backoff(seed);
        for (int i = 0; i < 200; ++i) {
            const auto pause = backoff.next();
            ASSERT_GE(pause, Backoff::kShortest);
            ASSERT_LE(pause, Backoff::kLongest);
        }
    }
}

TEST(Backoff, GrowsAtMostThreefold) {
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        Backoff backoff(seed);
        auto previous = Backoff::kShortest;
        for (int i = 0; i < 50; ++i) {
            const auto pause = backoff.next();
            ASSERT_LE(pause, previous * 3);
            previous = pause;
        }
    }
}

TEST(Backoff, UsesItsWholeRange) {
    Backoff backoff(42);
    base::Duration shortest = Backoff::kLongest;
    base::Duration longest{};
    for (int i = 0; i < 2000; ++i) {
        const auto pause = backoff.next();
        shortest = std::min(shortest, pause);
        longest = std::max(longest, pause);
    }
    EXPECT_LT(shortest, 120ms);
    EXPECT_GT(longest, 950ms);
}

TEST(Backoff, AgentsThatLostTheSameRelayDoNotReturnInStep) {
    std::set<base::Duration> pauses;
    for (std::uint64_t process = 1; process < 2000; process += 2)
        pauses.insert(Backoff(process).next());
    EXPECT_GT(pauses.size(), 990U);
}

TEST(Backoff, IsShortAgainAfterReset) {
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        Backoff backoff(seed);
        for (int i = 0; i < 20; ++i) backoff.next();
        backoff.reset();
        ASSERT_LE(backoff.next(), 3 * Backoff::kShortest);
    }
}

TEST(Backoff, WaitsAsLongAsThePeerAsksUpToAMinute) {
    Backoff backoff(1);
    EXPECT_GE(backoff.next(5s), 5s);
    EXPECT_LE(backoff.next(5s), 6s);
    EXPECT_GE(backoff.next(60s), 60s);
    EXPECT_LE(backoff.next(1h), 61s);
    EXPECT_GE(backoff.next(1h), 60s);
}

TEST(Backoff, AShortWishDoesNotShortenIt) {
    Backoff asked(7);
    Backoff unasked(7);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(asked.next(1ms), unasked.next());
}

TEST(Backoff, AWishDoesNotLengthenThePausesAfterIt) {
    Backoff backoff(7);
    backoff.next(60s);
    EXPECT_LE(backoff.next(), Backoff::kLongest);
}

}  // namespace
}  // namespace sallyport::tunnel
