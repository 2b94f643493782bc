// How fast something happens now: an exponentially weighted rate. What happened `time_constant` ago
// counts e times less than what happens now. Until that much time has passed it is the plain
// average since the start, so that it is right from the first second on.
//
// Told of events on the core's clock; asking changes nothing, and needs no timer.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>

#include "common/base/time.hpp"

namespace sallyport::base {

class Rate {
public:
    static constexpr Duration kTimeConstant = std::chrono::seconds(5);

    explicit Rate(Instant start, Duration time_constant = kTimeConstant)
        : start_(start), at_(start), time_constant_(time_constant) {}

    /// `events` of them happened between the last call and `now`.
    void add(std::uint64_t events, Instant now) {
        if (events == 0) return;
        weighted_ = weighted_ * fading(now) + static_cast<double>(events);
        at_ = now;
    }

    /// Events a second. Nothing where no time has passed to see any in.
    std::optional<double> per_second(Instant now) const {
        if (now <= start_) return std::nullopt;
        const auto constant = seconds(time_constant_);
        // The weights of all time since the start; 1 once that is long.
        const auto seen = -std::expm1(-seconds(now - start_) / constant);
        return weighted_ * fading(now) / (constant * seen);
    }

private:
    static double seconds(Duration time) { return std::chrono::duration<double>(time).count(); }
    double fading(Instant now) const {
        return now <= at_ ? 1.0 : std::exp(-seconds(now - at_) / seconds(time_constant_));
    }

    Instant start_, at_;
    Duration time_constant_;
    double weighted_ = 0;
};

}  // namespace sallyport::base
