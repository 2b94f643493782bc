// simulation [--seeds N | --seeds A..B] [--jobs N]   many runs, a summary, exit 1 on any violation
// simulation --hours H                               runs until the time is up
// simulation --seed N [--mutant NAME]                one run, told step by step
// simulation --mutants                               every seeded defect must be caught
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <limits>
#include <string>
#include <thread>

#include <CLI/CLI.hpp>

#include "tests/simulation/campaign.hpp"
#include "tests/simulation/mutants.hpp"

namespace {

using namespace sallyport::simulation;

/// "5000" or "1000..1999".
bool parse_seeds(const std::string& text, Range& range) {
    const auto dots = text.find("..");
    try {
        if (dots == std::string::npos) {
            range = {1, std::stoull(text)};
        } else {
            range = {std::stoull(text.substr(0, dots)), std::stoull(text.substr(dots + 2))};
        }
    } catch (const std::exception&) {
        return false;
    }
    return range.first <= range.last;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{
        "Runs edges, relay and it-agents on a virtual clock, network and disk, from a seed."};
    std::string seeds = "5000", mutant, log, commit;
    std::uint64_t seed = 0;
    double hours = 0;
    unsigned jobs = std::max(1U, std::thread::hardware_concurrency());
    app.add_option("--seeds", seeds, "how many runs, or which: FIRST..LAST");
    app.add_option("--hours", hours, "begin no further run after so long");
    app.add_option("-j,--jobs", jobs, "runs at the same time");
    app.add_option("--log", log, "append a line about the runs to this file");
    app.add_option("--commit", commit, "the commit to name in that line");
    const auto* one = app.add_option("--seed", seed, "one run, told step by step");
    app.add_option("--mutant", mutant, "with this seeded defect");
    bool all_mutants = false;
    double outage = 0;
    app.add_option("--outage", outage,
                   "hours: one such outage of each kind, for each of the seeds (default: 4..5)");
    app.add_flag("--mutants", all_mutants, "every seeded defect must be caught");
    CLI11_PARSE(app, argc, argv);

    Range range;
    if (!parse_seeds(seeds, range)) {
        std::fprintf(stderr, "simulation: --seeds wants N or FIRST..LAST, not '%s'\n",
                     seeds.c_str());
        return 2;
    }
    if (hours > 0 && app.count("--seeds") == 0)
        range.last = std::numeric_limits<std::uint64_t>::max() - 1;
    if (!mutant.empty() && !choose_mutant(mutant)) {
        std::fprintf(stderr, "simulation: no mutant is called '%s'\n", mutant.c_str());
        return 2;
    }
    if (outage > 0)
        return run_outages(app.count("--seeds") > 0 ? range : Range{4, 5}, outage) ? 0 : 1;
    if (all_mutants) return run_mutants(jobs) ? 0 : 1;
    if (one->count() > 0) return run_one(seed) ? 0 : 1;
    if (!mutant.empty()) jobs = 1;  // it is chosen for this thread
    return run_campaign({range, hours, jobs, log, commit}) ? 0 : 1;
}
