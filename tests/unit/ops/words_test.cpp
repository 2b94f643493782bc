#include "common/ops/words.hpp"

#include <gtest/gtest.h>

namespace sallyport::ops {
namespace {

using namespace std::chrono_literals;

TEST(Words, TellTimeInTwoUnitsAtMost) {
    EXPECT_EQ(in_words(0ns), "0.0 s");
    EXPECT_EQ(in_words(-5s), "0.0 s");
    EXPECT_EQ(in_words(420ms), "0.4 s");
    EXPECT_EQ(in_words(960ms), "1 s");
    EXPECT_EQ(in_words(59600ms), "1 min");
    EXPECT_EQ(in_words(200s), "3 min 20 s");
    EXPECT_EQ(in_words(2h), "2 h");
    EXPECT_EQ(in_words(2h + 5min + 40s), "2 h 5 min");
    EXPECT_EQ(in_words(76h), "3 d 4 h");
}

TEST(Words, GroupTheDigitsOfLargeNumbers) {
    EXPECT_EQ(with_commas(0), "0");
    EXPECT_EQ(with_commas(999), "999");
    EXPECT_EQ(with_commas(1000), "1,000");
    EXPECT_EQ(with_commas(412000), "412,000");
    EXPECT_EQ(with_commas(18446744073709551615U), "18,446,744,073,709,551,615");
    EXPECT_EQ(counted(1, "client"), "1 client");
    EXPECT_EQ(counted(2000, "client"), "2,000 clients");
}

TEST(Words, GiveBytesAndRatesAUnit) {
    EXPECT_EQ(bytes_in_words(912), "912 bytes");
    EXPECT_EQ(bytes_in_words(64U << 20U), "64.0 MiB");
    EXPECT_EQ(bytes_in_words(5ULL << 40U), "5.0 TiB");
    EXPECT_EQ(rate_in_words(0), "0/s");
    EXPECT_EQ(rate_in_words(0.25), "0.2/s");
    EXPECT_EQ(rate_in_words(38000.4), "38,000/s");
    EXPECT_EQ(rate_in_words(-1), "0/s");
}

TEST(Words, NameTheDateOfAnotherDay) {
    const base::WallTime at{1'767'323'045'000'000'000};  // 2026-01-02T03:04:05Z
    EXPECT_EQ(clock_in_words(at, at + 1h), "03:04:05");
    EXPECT_EQ(clock_in_words(at, at + 24h), "2026-01-02 03:04:05");
}

}  // namespace
}  // namespace sallyport::ops
