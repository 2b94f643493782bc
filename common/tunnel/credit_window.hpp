// The receiver's credit: how far ahead of what the sink has the sender may be. The limit is a
// running total of batch bytes since the session began; an entry may start while the total sent is
// below it, so that one entry larger than the window still passes.
#pragma once

#include <algorithm>
#include <cstdint>

#include "common/base/time.hpp"

namespace sallyport::tunnel {

constexpr std::uint64_t kWindowBytesFirst = 64U << 10U;
constexpr std::uint64_t kWindowBytesMin = 16U << 10U;
constexpr std::uint64_t kWindowBytesMax = 16U << 20U;

class CreditWindow {
public:
    /// `window_max`: this session's share of what all sessions of the process may hold.
    explicit CreditWindow(base::Now now, std::uint64_t window_max = kWindowBytesMax)
        : window_max_(std::clamp(window_max, kWindowBytesMin, kWindowBytesMax)),
          window_(std::min(kWindowBytesFirst, window_max_)),
          limit_(window_),
          round_began_(now.instant),
          round_end_(limit_) {}

    /// False: the sender went past the limit it was given.
    bool received(std::uint64_t bytes) {
        const bool allowed = received_ < limit_;
        received_ += bytes;
        return allowed;
    }

    /// The sink has `bytes` more: moves the limit, widens the window when a whole window was used
    /// up within a second, narrows it when that took more than two.
    void consumed(std::uint64_t bytes, base::Now now) {
        consumed_ += bytes;
        if (consumed_ >= round_end_) {
            const auto took = now.instant - round_began_;
            if (took <= std::chrono::seconds(1)) window_ = std::min(window_ * 2, window_max_);
            if (took > std::chrono::seconds(2)) window_ = std::max(window_ / 2, kWindowBytesMin);
            round_began_ = now.instant;
            round_end_ = consumed_ + window_;
        }
        limit_ = std::max(limit_, consumed_ + window_);
    }

    std::uint64_t limit() const { return limit_; }
    std::uint64_t window() const { return window_; }
    std::uint64_t window_max() const { return window_max_; }
    std::uint64_t outstanding() const { return received_ - consumed_; }

private:
    std::uint64_t window_max_, window_, limit_;
    std::uint64_t received_ = 0, consumed_ = 0;
    base::Instant round_began_;
    std::uint64_t round_end_;
};

}  // namespace sallyport::tunnel
