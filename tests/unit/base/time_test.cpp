#include "common/base/time.hpp"

#include <limits>
#include <string_view>

#include <gtest/gtest.h>

namespace sallyport::base {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

TEST(Rfc3339, WritesUtcWithNineDigitsOfASecond) {
    struct Row {
        std::int64_t ns;
        std::string_view text;
    };
    constexpr Row kRows[] = {
        {0, "1970-01-01T00:00:00.000000000Z"},
        {6, "1970-01-01T00:00:00.000000006Z"},
        {1'767'323'045 * kSecond + 6, "2026-01-02T03:04:05.000000006Z"},
        {1'767'225'599 * kSecond + 999'999'999, "2025-12-31T23:59:59.999999999Z"},
        {1'709'210'096 * kSecond, "2024-02-29T12:34:56.000000000Z"},
        {951'782'400 * kSecond, "2000-02-29T00:00:00.000000000Z"},
        {4'107'542'400 * kSecond, "2100-03-01T00:00:00.000000000Z"},  // 2100 has no leap day
        {std::numeric_limits<std::int64_t>::max(), "2262-04-11T23:47:16.854775807Z"},
    };
    for (const auto& row : kRows) EXPECT_EQ(to_rfc3339({row.ns}), row.text);
}

TEST(Rfc3339, WritesTimesBeforeTheEpoch) {
    EXPECT_EQ(to_rfc3339({-1}), "1969-12-31T23:59:59.999999999Z");
    EXPECT_EQ(to_rfc3339({-kSecond}), "1969-12-31T23:59:59.000000000Z");
    EXPECT_EQ(to_rfc3339({-58'060'800 * kSecond}), "1968-02-29T00:00:00.000000000Z");
}

// A peer's clock is any 64-bit number; the day that holds the first one begins before the range.
TEST(Rfc3339, WritesTheEarliestTimeThereIs) {
    EXPECT_EQ(to_rfc3339({std::numeric_limits<std::int64_t>::min()}),
              "1677-09-21T00:12:43.145224192Z");
}

TEST(Deadlines, TheEarlierIsTakenAndNothingMeansNever) {
    const Instant soon{1s};
    const Instant late{2s};
    EXPECT_EQ(earlier(soon, late), soon);
    EXPECT_EQ(earlier(late, soon), soon);
    EXPECT_EQ(earlier(std::nullopt, late), late);
    EXPECT_EQ(earlier(late, std::nullopt), late);
    EXPECT_EQ(earlier(std::nullopt, std::nullopt), std::nullopt);
}

TEST(Clocks, DifferencesAreNanoseconds) {
    EXPECT_EQ(Instant{3s} - Instant{1s}, 2s);
    EXPECT_EQ(Instant{3s} - 1s, Instant{2s});
    EXPECT_EQ(Instant{3s} + 1s, Instant{4s});
    EXPECT_EQ((WallTime{5} + 2ns).ns, 7);
    EXPECT_EQ(WallTime{5} - WallTime{7}, -2ns);
}

}  // namespace
}  // namespace sallyport::base
