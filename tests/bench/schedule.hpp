// Which message is due when. All publishers share one sequence of messages: the publisher's n-th is
// the (n x publishers + publisher)-th of the run, so that they send in turn and evenly spread.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>

namespace sallyport::bench {

/// CLOCK_MONOTONIC, ns.
inline std::int64_t monotonic_ns() {
    return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

constexpr double kNsPerSecond = 1e9;

struct Schedule {
    std::uint64_t publishers = 1;
    std::uint64_t rate = 0;  // messages a second of all publishers; 0: due when there is room
    std::uint64_t count = std::numeric_limits<std::uint64_t>::max();  // messages of the run
    std::int64_t start_ns = 0;
    std::int64_t measure_ns = 0;  // what is due before is warm-up
    std::int64_t stop_ns = std::numeric_limits<std::int64_t>::max();  // nothing is due from here on

    std::uint64_t index(std::uint64_t publisher, std::uint64_t number) const {
        return number * publishers + publisher;
    }
    /// With a rate only.
    std::int64_t due_ns(std::uint64_t index) const {
        const double offset_ns =
            static_cast<double>(index) * kNsPerSecond / static_cast<double>(rate);
        return start_ns + static_cast<std::int64_t>(offset_ns);
    }
};

}  // namespace sallyport::bench
