// When to dial again: decorrelated jitter between two bounds, so that many agents which lost the
// same relay do not return in step ("Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
#pragma once

#include <algorithm>
#include <cstdint>

#include "common/base/time.hpp"

namespace sallyport::tunnel {

class Backoff {
public:
    static constexpr base::Duration kShortest = std::chrono::milliseconds(100);
    static constexpr base::Duration kLongest = std::chrono::seconds(1);
    static constexpr base::Duration kRetryAfterMax = std::chrono::seconds(60);

    explicit Backoff(std::uint64_t seed) : state_(seed | 1U) {}

    /// The next pause. A peer's own wish (`retry_after`) is believed up to a minute.
    base::Duration next(base::Duration retry_after = {}) {
        const auto upper = std::min(kLongest, previous_ * 3);
        const auto span = std::max<std::int64_t>(1, (upper - kShortest).count());
        previous_ =
            kShortest +
            base::Duration{static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(span))};
        return std::max(previous_, std::min(retry_after, kRetryAfterMax));
    }
    /// Data or an echo came through: the path works.
    void reset() { previous_ = kShortest; }

private:
    std::uint64_t random() {  // splitmix64
        std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
        z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
        z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
        return z ^ (z >> 31U);
    }

    std::uint64_t state_;
    base::Duration previous_ = kShortest;
};

}  // namespace sallyport::tunnel
