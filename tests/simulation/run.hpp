// What every part of one run shares: clock, randomness, network, counters and the list of what went
// wrong.
#pragma once

#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/simulation/events.hpp"
#include "tests/simulation/network.hpp"
#include "tests/simulation/scheduler.hpp"

namespace sallyport::simulation {

/// Of the first violations the text is kept: "invariant: what was seen".
constexpr std::size_t kViolationsMax = 10;

struct Run {
    Run(std::uint64_t seed, bool is_verbose, std::optional<Event> favoured)
        : verbose(is_verbose),
          favoured_fault(favoured),
          random(seed),
          network(scheduler, Random(seed ^ 0xA5A5)) {}

    bool verbose;
    std::optional<Event> favoured_fault;  // strikes more often than others
    Random random;
    Scheduler scheduler;
    Network network;
    Counters counters;
    std::vector<std::string> violations;

    base::Instant now() const { return scheduler.now().instant; }
    void say(const std::string& what) const {
        if (!verbose) return;
        const std::chrono::duration<double> at = now().since_start;
        std::printf("%10.3f  %s\n", at.count(), what.c_str());
    }
    void violate(std::string what) {
        say("VIOLATION: " + what);
        if (violations.size() < kViolationsMax) violations.push_back(std::move(what));
    }
};

}  // namespace sallyport::simulation
