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

/// What of a run is not left to its seed.
struct Scenario {
    bool is_told = false;  // step by step
    std::optional<Event> favoured =
        std::nullopt;  // a fault that stands in for all others that are no deaths
    /// One long fault in place of all others: the relay's power cut, every it-agent's kill, or a
    /// slow link. What the devices publish is spread over it, and all of it comes before its end.
    std::optional<Event> outage = std::nullopt;
    base::Duration outage_lasts{};
};

struct Run {
    Run(std::uint64_t seed, const Scenario& what)
        : scenario(what), random(seed), network(scheduler, Random(seed ^ 0xA5A5)) {}

    Scenario scenario;
    Random random;
    Scheduler scheduler;
    Network network;
    Counters counters;
    std::vector<std::string> violations;

    base::Instant now() const { return scheduler.now().instant; }
    void say(const std::string& what) const {
        if (!scenario.is_told) return;
        const std::chrono::duration<double> at = now().since_start;
        std::printf("%10.3f  %s\n", at.count(), what.c_str());
    }
    void violate(std::string what) {
        say("VIOLATION: " + what);
        if (violations.size() < kViolationsMax) violations.push_back(std::move(what));
    }
};

}  // namespace sallyport::simulation
