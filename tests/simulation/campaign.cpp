#include "tests/simulation/campaign.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <mutex>
#include <thread>
#include <vector>

#include "tests/simulation/world.hpp"

namespace sallyport::simulation {
namespace {

/// What a run must hold to count: fewer would prove nothing.
constexpr std::uint64_t kPublishesMin = 200, kFaultsMin = 3, kCrashesMin = 1;
/// From so many runs on, whatever never happened is a failure.
constexpr std::uint64_t kStandardRuns = 5000;

using Clock = std::chrono::steady_clock;

struct Totals {
    Outcome sum;
    std::vector<std::uint64_t> failed;
    double slowest_recovery_s = 0;
    std::uint64_t runs = 0, thin = 0, last_seed = 0;
};

unsigned long long n(std::uint64_t value) {
    return value;
}

void add(Totals& totals, std::uint64_t seed, const Outcome& outcome) {
    ++totals.runs;
    totals.last_seed = std::max(totals.last_seed, seed);
    auto& sum = totals.sum;
    sum.counters.add(outcome.counters);
    sum.publishes += outcome.publishes;
    sum.acknowledged += outcome.acknowledged;
    sum.delivered += outcome.delivered;
    sum.shown += outcome.shown;
    sum.crashes += outcome.crashes;
    sum.faults += outcome.faults;
    sum.steps += outcome.steps;
    totals.slowest_recovery_s = std::max(totals.slowest_recovery_s, outcome.recovery_s);
    if (outcome.publishes < kPublishesMin || outcome.faults < kFaultsMin ||
        outcome.crashes < kCrashesMin)
        ++totals.thin;
    if (outcome.violations.empty()) return;
    totals.failed.push_back(seed);
    for (const auto& violation : outcome.violations)
        std::printf("seed %llu: %s\n", n(seed), violation.c_str());
    std::fflush(stdout);
}

Totals run_many(const Campaign& campaign, Clock::time_point until) {
    Totals totals;
    std::mutex mutex;
    std::atomic<std::uint64_t> next{campaign.seeds.first};
    std::vector<std::thread> workers;
    workers.reserve(campaign.jobs);
    const auto work = [&] {
        for (auto seed = next++; seed <= campaign.seeds.last && Clock::now() < until;
             seed = next++) {
            const auto outcome = World(seed).run();
            const std::lock_guard lock(mutex);
            add(totals, seed, outcome);
        }
    };
    for (unsigned i = 1; i < campaign.jobs; ++i) workers.emplace_back(work);
    work();
    for (auto& worker : workers) worker.join();
    return totals;
}

/// The counters; how many of them are zero.
std::size_t print_counters(const Counters& counters) {
    std::size_t never = 0;
    for (std::size_t i = 0; i < kEvents; ++i) {
        const Event event{static_cast<std::uint8_t>(i)};
        if (i == 0) std::printf("faults\n");
        if (i == kFaults) std::printf("states and paths\n");
        std::printf("  %-46.*s %10llu\n", static_cast<int>(to_string(event).size()),
                    to_string(event).data(), n(counters[event]));
        never += counters[event] == 0 ? 1 : 0;
    }
    return never;
}

bool report(const Totals& totals, double seconds) {
    const auto& sum = totals.sum;
    const auto never = print_counters(sum.counters);
    std::printf("publishes %llu  acknowledged %llu  delivered %llu  shown %llu\n", n(sum.publishes),
                n(sum.acknowledged), n(sum.delivered), n(sum.shown));
    std::printf(
        "%llu runs, %llu faults, %llu crashes, %llu steps in %.1f s; slowest recovery %.1f s "
        "(virtual)\n",
        n(totals.runs), n(sum.faults), n(sum.crashes), n(sum.steps), seconds,
        totals.slowest_recovery_s);
    const bool is_covered = never == 0 || totals.runs < kStandardRuns;
    if (!is_covered) std::printf("%zu of the above never happened\n", never);
    if (totals.thin > 0) std::printf("%llu runs were too thin to count\n", n(totals.thin));
    for (const auto seed : totals.failed) std::printf("FAILED: simulation --seed %llu\n", n(seed));
    const auto failed = totals.failed.size() + (is_covered ? 0 : 1) + (totals.thin > 0 ? 1 : 0);
    std::printf("simulation: %llu passed, %llu failed\n", n(totals.runs - totals.failed.size()),
                n(failed));
    return failed == 0;
}

/// `commit | first..last | hours | violations`: a row for README.md.
void append_line(const Campaign& campaign, const Totals& totals, double seconds) {
    if (campaign.log.empty()) return;
    std::FILE* file = std::fopen(campaign.log.c_str(), "a");
    if (file == nullptr) {
        std::fprintf(stderr, "simulation: %s cannot be written\n", campaign.log.c_str());
        return;
    }
    std::fprintf(file, "| %s | %llu..%llu | %llu | %.2f | %zu |\n", campaign.commit.c_str(),
                 n(campaign.seeds.first), n(totals.last_seed), n(totals.runs), seconds / 3600,
                 totals.failed.size());
    std::fclose(file);
}

}  // namespace

bool run_campaign(const Campaign& campaign) {
    const auto began = Clock::now();
    const auto until = campaign.hours > 0
                           ? began + std::chrono::duration_cast<Clock::duration>(
                                         std::chrono::duration<double>(campaign.hours * 3600))
                           : Clock::time_point::max();
    const auto totals = run_many(campaign, until);
    const std::chrono::duration<double> took = Clock::now() - began;
    append_line(campaign, totals, took.count());
    return report(totals, took.count());
}

bool run_one(std::uint64_t seed) {
    const auto began = Clock::now();
    Totals totals;
    add(totals, seed, World(seed, {.is_told = true}).run());
    const std::chrono::duration<double> took = Clock::now() - began;
    return report(totals, took.count());
}

bool run_outages(Range seeds, double hours) {
    const auto lasts = std::chrono::duration_cast<base::Duration>(
        std::chrono::duration<double, std::ratio<3600>>(hours));
    std::uint64_t passed = 0, failed = 0;
    for (const auto fault : {Event::relay_power_cut, Event::it_kill, Event::slow_link})
        for (auto seed = seeds.first; seed <= seeds.last; ++seed) {
            Scenario scenario;
            scenario.outage = fault;
            scenario.outage_lasts = lasts;
            const auto outcome = World(seed, scenario).run();
            const auto dropped = outcome.counters[Event::oldest_dropped];
            std::printf(
                "outage of %g h, %.*s, seed %llu: publishes %llu acknowledged %llu "
                "delivered %llu, segments dropped %llu; drain begins after %.1f s, all live "
                "after %.1f s (virtual)\n",
                hours, static_cast<int>(to_string(fault).size()), to_string(fault).data(), n(seed),
                n(outcome.publishes), n(outcome.acknowledged), n(outcome.delivered), n(dropped),
                outcome.drain_s, outcome.recovery_s);
            for (const auto& violation : outcome.violations)
                std::printf("seed %llu: %s\n", n(seed), violation.c_str());
            ++(outcome.violations.empty() ? passed : failed);
        }
    std::printf("outages: %llu passed, %llu failed\n", n(passed), n(failed));
    return failed == 0;
}

}  // namespace sallyport::simulation
