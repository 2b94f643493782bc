#include "tests/bench/histogram.hpp"

#include <limits>

#include <gtest/gtest.h>

namespace sallyport::bench {
namespace {

constexpr double kErrorMax = 1.0 / 128;

TEST(Histogram, GivesZeroBeforeTheFirstValue) {
    const Histogram empty;
    EXPECT_EQ(empty.percentile(50), 0U);
    EXPECT_EQ(empty.max(), 0U);
    EXPECT_EQ(empty.count(), 0U);
}

TEST(Histogram, IsExactBelow256) {
    Histogram histogram;
    for (std::uint64_t value = 1; value <= 200; ++value) histogram.record(value);
    EXPECT_EQ(histogram.percentile(0.5), 1U);
    EXPECT_EQ(histogram.percentile(50), 100U);
    EXPECT_EQ(histogram.percentile(99), 198U);
    EXPECT_EQ(histogram.percentile(100), 200U);
}

TEST(Histogram, ReadsAPercentileAtMostOneBucketTooHigh) {
    Histogram histogram;
    constexpr std::uint64_t kValues = 100'000, kStep = 977;
    for (std::uint64_t i = 1; i <= kValues; ++i) histogram.record(i * kStep);
    for (const double percent : {1.0, 50.0, 90.0, 99.0, 99.9}) {
        const double exact = percent / 100 * kValues * kStep;
        const auto read = static_cast<double>(histogram.percentile(percent));
        EXPECT_GE(read, exact - 1e-3) << percent;
        EXPECT_LE(read, exact * (1 + kErrorMax)) << percent;
    }
}

TEST(Histogram, KeepsEveryPowerOfTwoAndItsNeighboursInTheirBuckets) {
    for (unsigned bit = 1; bit < 64; ++bit) {
        const std::uint64_t power = std::uint64_t{1} << bit;
        for (const std::uint64_t value : {power - 1, power, power + 1}) {
            Histogram histogram;
            histogram.record(value);
            histogram.record(std::numeric_limits<std::uint64_t>::max());
            const std::uint64_t read = histogram.percentile(50);
            EXPECT_GE(read, value);
            EXPECT_LE(static_cast<double>(read), static_cast<double>(value) * (1 + kErrorMax));
        }
    }
}

TEST(Histogram, NeverReadsAboveTheLargestValue) {
    Histogram histogram;
    histogram.record(1'000'001);
    EXPECT_EQ(histogram.percentile(50), 1'000'001U);
    EXPECT_EQ(histogram.percentile(100), 1'000'001U);
}

TEST(Histogram, ShowsOneSlowValueInAThousandAboveP999Only) {
    Histogram histogram;
    for (int i = 0; i < 1998; ++i) histogram.record(100);
    histogram.record(5'000'000);
    histogram.record(5'000'000);
    EXPECT_EQ(histogram.percentile(99), 100U);
    EXPECT_EQ(histogram.percentile(99.9), 100U);
    EXPECT_EQ(histogram.percentile(99.95), 5'000'000U);
}

}  // namespace
}  // namespace sallyport::bench
