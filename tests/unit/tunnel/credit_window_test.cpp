#include "common/tunnel/credit_window.hpp"

#include <gtest/gtest.h>

#include "tests/unit/tunnel/samples.hpp"

namespace sallyport::tunnel {
namespace {

using samples::at;
using namespace std::chrono_literals;

constexpr std::uint64_t kKiB = 1024;

/// The sender uses all it may and the sink takes it all, `took` after the round's beginning.
base::Duration round(CreditWindow& window, base::Duration now, base::Duration took) {
    const auto bytes = window.window();
    EXPECT_TRUE(window.received(bytes));
    window.consumed(bytes, at(now + took));
    return now + took;
}

TEST(CreditWindow, OpensAt64KiB) {
    const CreditWindow window(at(0s));
    EXPECT_EQ(window.limit(), 64 * kKiB);
    EXPECT_EQ(window.window(), 64 * kKiB);
    EXPECT_EQ(window.outstanding(), 0U);
}

TEST(CreditWindow, DoublesWhenUsedUpWithinASecondUpTo16MiB) {
    CreditWindow window(at(0s));
    base::Duration now{};
    for (std::uint64_t expected = 128 * kKiB; expected <= 16 * kKiB * kKiB; expected *= 2) {
        now = round(window, now, 1s);
        EXPECT_EQ(window.window(), expected);
    }
    round(window, now, 1ms);
    EXPECT_EQ(window.window(), 16 * kKiB * kKiB);
}

TEST(CreditWindow, StaysBetweenOneAndTwoSeconds) {
    CreditWindow window(at(0s));
    base::Duration now{};
    for (const base::Duration took : {1s + 1ns, base::Duration(1500ms), base::Duration(2s)}) {
        now = round(window, now, took);
        EXPECT_EQ(window.window(), 64 * kKiB);
    }
}

TEST(CreditWindow, HalvesOverTwoSecondsDownTo16KiB) {
    CreditWindow window(at(0s));
    base::Duration now{};
    now = round(window, now, 2s + 1ns);
    EXPECT_EQ(window.window(), 32 * kKiB);
    now = round(window, now, 3s);
    EXPECT_EQ(window.window(), 16 * kKiB);
    round(window, now, 1h);
    EXPECT_EQ(window.window(), 16 * kKiB);
}

TEST(CreditWindow, AWindowNotUsedUpDoesNotChange) {
    CreditWindow window(at(0s));
    for (int i = 1; i <= 100; ++i) {
        EXPECT_TRUE(window.received(64 * kKiB / 128));
        window.consumed(64 * kKiB / 128, at(i * 1ms));
        EXPECT_EQ(window.window(), 64 * kKiB);
        EXPECT_EQ(window.limit(), 64 * kKiB + static_cast<std::uint64_t>(i) * 512);
    }
}

TEST(CreditWindow, TheLimitNeverFalls) {
    CreditWindow window(at(0s));
    base::Duration now{};
    auto limit = window.limit();
    for (int i = 0; i < 200; ++i) {
        now = round(window, now, i % 3 == 0 ? 1ms : 5s);
        EXPECT_GE(window.limit(), limit);
        limit = window.limit();
    }
}

TEST(CreditWindow, WhatMayBeOutstandingIsTheWindow) {
    CreditWindow window(at(0s));
    EXPECT_TRUE(window.received(1000));
    window.consumed(400, at(1ms));
    EXPECT_EQ(window.outstanding(), 600U);
    EXPECT_EQ(window.limit(), 400 + 64 * kKiB);
}

TEST(CreditWindow, OneEntryLargerThanItPasses) {
    CreditWindow window(at(0s));
    EXPECT_TRUE(window.received(64 * kKiB - 1));
    EXPECT_TRUE(window.received(2048 * kKiB));  // began below the limit
    EXPECT_FALSE(window.received(1));
}

TEST(CreditWindow, TheEntryThatBeginsAtTheLimitOverruns) {
    CreditWindow window(at(0s));
    EXPECT_TRUE(window.received(64 * kKiB));
    EXPECT_FALSE(window.received(1));
}

TEST(CreditWindow, CreditGivenEndsTheWait) {
    CreditWindow window(at(0s));
    EXPECT_TRUE(window.received(2048 * kKiB));
    window.consumed(2048 * kKiB, at(500ms));
    EXPECT_EQ(window.limit(), (2048 + 128) * kKiB);
    EXPECT_TRUE(window.received(1));
}

TEST(CreditWindow, StaysWithinItsShare) {
    CreditWindow window(at(0s), 100 * kKiB);
    EXPECT_EQ(window.limit(), 64 * kKiB);
    const auto now = round(window, {}, 1ms);
    EXPECT_EQ(window.window(), 100 * kKiB);
    round(window, now, 1ms);
    EXPECT_EQ(window.window(), 100 * kKiB);
}

TEST(CreditWindow, AShareBelowTheLeastIsTheLeast) {
    CreditWindow window(at(0s), 1);
    EXPECT_EQ(window.limit(), 16 * kKiB);
    round(window, {}, 1ms);
    EXPECT_EQ(window.window(), 16 * kKiB);
}

TEST(CreditWindow, AShareAboveTheMostIsTheMost) {
    CreditWindow window(at(0s), ~0ULL);
    base::Duration now{};
    for (int i = 0; i < 30; ++i) now = round(window, now, 1ms);
    EXPECT_EQ(window.window(), kWindowBytesMax);
}

}  // namespace
}  // namespace sallyport::tunnel
