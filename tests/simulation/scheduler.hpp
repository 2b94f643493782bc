// Virtual time: events in order of their instant, then of their making. Everything random comes
// from one seed.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "common/base/time.hpp"

namespace sallyport::simulation {

/// splitmix64: the same numbers everywhere for the same seed.
class Random {
public:
    explicit Random(std::uint64_t seed) : state_(seed) {}

    std::uint64_t next() {
        std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
        z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
        z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
        return z ^ (z >> 31U);
    }
    /// A number in first..last.
    std::uint64_t between(std::uint64_t first, std::uint64_t last) {
        return first + next() % (last - first + 1);
    }
    bool one_in(std::uint64_t n) { return next() % n == 0; }
    base::Duration duration(base::Duration first, base::Duration last) {
        return base::Duration{static_cast<std::int64_t>(between(
            static_cast<std::uint64_t>(first.count()), static_cast<std::uint64_t>(last.count())))};
    }

private:
    std::uint64_t state_;
};

class Scheduler {
public:
    using Event = std::function<void()>;

    /// 2026-01-01T00:00:00Z plus the virtual time that has passed.
    base::Now now() const {
        return {now_, base::WallTime{1'767'225'600'000'000'000} + now_.since_start};
    }
    void after(base::Duration delay, Event event) {
        events_.emplace(std::pair(now_ + delay, next_++), std::move(event));
    }
    /// Runs the next event; false: there is none before `until`, and time stands at `until`.
    bool step(base::Instant until) {
        if (events_.empty() || events_.begin()->first.first > until) {
            now_ = until;
            return false;
        }
        auto node = events_.extract(events_.begin());
        now_ = node.key().first;
        ++steps_;
        node.mapped()();
        return true;
    }
    std::uint64_t steps() const { return steps_; }

private:
    base::Instant now_{std::chrono::seconds(1)};
    std::uint64_t next_ = 0, steps_ = 0;
    std::map<std::pair<base::Instant, std::uint64_t>, Event> events_;
};

}  // namespace sallyport::simulation
