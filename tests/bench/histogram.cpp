#include "tests/bench/histogram.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "common/base/assert.hpp"

namespace sallyport::bench {

// A value below 256 is its own bucket. Above, a value of n bits loses its lowest n - 8: what is
// left lies in [128, 255] and picks the bucket within the octave that the lost bits number.
std::size_t Histogram::bucket_of(std::uint64_t value) {
    const unsigned bits = static_cast<unsigned>(std::bit_width(value));
    const unsigned lost = bits > kBucketBits + 1 ? bits - (kBucketBits + 1) : 0;
    return lost * kBucketsPerOctave + static_cast<std::size_t>(value >> lost);
}

std::uint64_t Histogram::highest_in(std::size_t bucket) {
    if (bucket < 2 * kBucketsPerOctave) return bucket;
    const std::size_t lost = bucket / kBucketsPerOctave - 1;
    const std::uint64_t lowest = std::uint64_t{bucket - lost * kBucketsPerOctave} << lost;
    return lowest + ((std::uint64_t{1} << lost) - 1);
}

void Histogram::record(std::uint64_t value_ns) {
    ++buckets_[bucket_of(value_ns)];
    ++count_;
    max_ = std::max(max_, value_ns);
}

std::uint64_t Histogram::percentile(double percent) const {
    SALLYPORT_ASSERT(percent > 0 && percent <= 100);
    if (count_ == 0) return 0;
    // 99.9 % of 2000 is 1998 and a rounding error, which must not become 1999.
    constexpr double kRounding = 1e-12;
    const double share = percent / 100 * static_cast<double>(count_) * (1 - kRounding);
    const auto wanted = std::max<std::uint64_t>(static_cast<std::uint64_t>(std::ceil(share)), 1);
    std::uint64_t seen = 0;
    for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
        seen += buckets_[bucket];
        if (seen >= wanted) return std::min(highest_in(bucket), max_);
    }
    return max_;
}

}  // namespace sallyport::bench
