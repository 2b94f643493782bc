// simulation [--seeds N] [--first N] [--jobs N]   many runs, a summary, exit 1 on any violation
// simulation --seed N                             one run, told step by step
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <mutex>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>

#include "tests/simulation/world.hpp"

namespace {

using sallyport::simulation::Fault;
using sallyport::simulation::kFaults;
using sallyport::simulation::Outcome;
using sallyport::simulation::World;

/// What a run must hold to count: fewer would prove nothing.
constexpr std::uint64_t kPublishesMin = 200, kFaultsMin = 3, kCrashesMin = 1;

struct Totals {
    Outcome sum;
    std::vector<std::uint64_t> failed;
    double slowest_recovery_s = 0;
    std::uint64_t runs = 0, thin = 0;
};

void add(Totals& totals, std::uint64_t seed, const Outcome& outcome) {
    ++totals.runs;
    auto& sum = totals.sum;
    for (std::size_t i = 0; i < kFaults; ++i) sum.struck[i] += outcome.struck[i];
    sum.publishes += outcome.publishes;
    sum.acknowledged += outcome.acknowledged;
    sum.delivered += outcome.delivered;
    sum.sent_again += outcome.sent_again;
    sum.crashes += outcome.crashes;
    sum.faults += outcome.faults;
    sum.repeated_entries += outcome.repeated_entries;
    sum.shown += outcome.shown;
    sum.steps += outcome.steps;
    totals.slowest_recovery_s = std::max(totals.slowest_recovery_s, outcome.recovery_s);
    if (outcome.publishes < kPublishesMin || outcome.faults < kFaultsMin ||
        outcome.crashes < kCrashesMin)
        ++totals.thin;
    if (outcome.violations.empty()) return;
    totals.failed.push_back(seed);
    for (const auto& violation : outcome.violations)
        std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), violation.c_str());
}

Totals run_many(std::uint64_t first, std::uint64_t count, unsigned jobs) {
    Totals totals;
    std::mutex mutex;
    std::atomic<std::uint64_t> next{first};
    std::vector<std::thread> workers;
    workers.reserve(jobs);
    for (unsigned i = 0; i < jobs; ++i) {
        workers.emplace_back([&] {
            for (auto seed = next++; seed < first + count; seed = next++) {
                const auto outcome = World(seed, false).run();
                const std::lock_guard lock(mutex);
                add(totals, seed, outcome);
            }
        });
    }
    for (auto& worker : workers) worker.join();
    return totals;
}

/// The summary; true where everything held and every fault struck.
bool report(const Totals& totals, double seconds) {
    const auto n = [](std::uint64_t value) { return static_cast<unsigned long long>(value); };
    const auto& sum = totals.sum;
    bool every_fault_struck = true;
    for (std::size_t i = 0; i < kFaults; ++i) {
        std::printf("  %-28.*s %8llu\n", int(to_string(Fault(i)).size()),
                    to_string(Fault(i)).data(), n(sum.struck[i]));
        every_fault_struck = every_fault_struck && (sum.struck[i] > 0 || totals.runs < 200);
    }
    std::printf(
        "publishes %llu  acknowledged %llu  delivered %llu  shown %llu  sent again %llu  "
        "entries repeated and dropped %llu\n",
        n(sum.publishes), n(sum.acknowledged), n(sum.delivered), n(sum.shown), n(sum.sent_again),
        n(sum.repeated_entries));
    std::printf(
        "%llu runs, %llu faults, %llu crashes, %llu steps in %.1f s; slowest recovery %.1f s "
        "(virtual)\n",
        n(totals.runs), n(sum.faults), n(sum.crashes), n(sum.steps), seconds,
        totals.slowest_recovery_s);
    if (!every_fault_struck) std::printf("a fault never struck\n");
    if (totals.thin > 0) std::printf("%llu runs were too thin to count\n", n(totals.thin));
    for (const auto seed : totals.failed) std::printf("FAILED: simulation --seed %llu\n", n(seed));
    std::printf("simulation: %llu passed, %llu failed\n", n(totals.runs - totals.failed.size()),
                n(totals.failed.size()));
    return every_fault_struck && totals.thin == 0 && totals.failed.empty();
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{
        "Runs edge, relay and it-agent on a virtual clock, network and disk, from a seed."};
    std::uint64_t seeds = 2000, first = 1, seed = 0;
    unsigned jobs = std::max(1U, std::thread::hardware_concurrency());
    app.add_option("--seeds", seeds, "how many runs");
    app.add_option("--first", first, "the first run's seed");
    app.add_option("--jobs", jobs, "runs at the same time");
    const auto* one = app.add_option("--seed", seed, "one run, told step by step");
    CLI11_PARSE(app, argc, argv);

    const auto began = std::chrono::steady_clock::now();
    Totals totals;
    if (one->count() > 0)
        add(totals, seed, World(seed, true).run());
    else
        totals = run_many(first, seeds, jobs);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    return report(totals, took.count()) ? 0 : 1;
}
