#include "tests/simulation/mutants.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/assert.hpp"
#include "common/base/mutants.hpp"
#include "tests/simulation/world.hpp"

namespace sallyport::simulation {
namespace {

using base::Mutant;

struct Named {
    Mutant mutant;
    std::string_view name;
    std::optional<Event> shown_by = std::nullopt;  // a fault without which it is hardly ever seen
};
#define SIMULATION_MUTANT(name, ...) \
    Named {                          \
        Mutant::name, #name, {       \
            __VA_ARGS__              \
        }                            \
    }
constexpr std::array kMutants{
    SIMULATION_MUTANT(ack_before_sync),
    SIMULATION_MUTANT(send_before_sync),
    SIMULATION_MUTANT(seq_reused_after_damage),
    SIMULATION_MUTANT(directory_not_synced),
    SIMULATION_MUTANT(failed_sync_ignored),
    SIMULATION_MUTANT(tail_not_secured),
    SIMULATION_MUTANT(entry_checksum_unread, Event::bit_flip),
    SIMULATION_MUTANT(tag_id_reused),
    SIMULATION_MUTANT(trim_ignores_a_cursor),
    SIMULATION_MUTANT(drop_though_not_full),
    SIMULATION_MUTANT(gap_not_named),
    SIMULATION_MUTANT(reader_skips_an_entry),
    SIMULATION_MUTANT(cursor_moves_when_sent),
    SIMULATION_MUTANT(credit_ignored),
    SIMULATION_MUTANT(quality_record_dropped),
    SIMULATION_MUTANT(shed_not_counted),
    SIMULATION_MUTANT(waiting_publish_lost),
    SIMULATION_MUTANT(silence_unnoticed),
    SIMULATION_MUTANT(position_not_stored),
    SIMULATION_MUTANT(handed_over_before_commit),
    SIMULATION_MUTANT(store_error_ignored),
    SIMULATION_MUTANT(later_commit_first),
    SIMULATION_MUTANT(duplicate_emitted),
    SIMULATION_MUTANT(lost_ack_not_made_good),
    SIMULATION_MUTANT(retained_not_stored),
    SIMULATION_MUTANT(historical_unmarked),
    SIMULATION_MUTANT(overlay_not_set),
    SIMULATION_MUTANT(overlay_not_lifted),
    SIMULATION_MUTANT(live_too_early),
    SIMULATION_MUTANT(beat_held_for_new, Event::slow_link),
    SIMULATION_MUTANT(gap_not_ledgered),
    SIMULATION_MUTANT(conflation_drops_the_newest),
    SIMULATION_MUTANT(conflation_starves_a_fast_tag),
    SIMULATION_MUTANT(conflated_before_its_ledger_row),
    SIMULATION_MUTANT(broker_ack_before_saved),
    SIMULATION_MUTANT(broker_changes_left_out),
    SIMULATION_MUTANT(receipt_not_restored),
    SIMULATION_MUTANT(delivery_not_restored),
    SIMULATION_MUTANT(release_not_kept),
    SIMULATION_MUTANT(flight_not_held),
    SIMULATION_MUTANT(stage_not_held),
};
#undef SIMULATION_MUTANT

constexpr std::uint64_t kSeedsMax = 1500;
/// Of one mutant, processor time, so that a busy machine hides none; also what ends one that never
/// ends by itself.
constexpr time_t kSecondsMax = 40;

/// In the child: seeds until one tells. Its exit status is 0 where one did.
[[noreturn]] void hunt(const Named& mutant, int report) {
    base::seeded_mutant = mutant.mutant;
    const itimerval most{{}, {kSecondsMax, 0}};
    SALLYPORT_ASSERT(setitimer(ITIMER_PROF, &most, nullptr) == 0);
    for (std::uint64_t seed = 1; seed <= kSeedsMax; ++seed) {
        dprintf(report, "seed %llu: ", static_cast<unsigned long long>(seed));
        const auto outcome = World(seed, {.favoured = mutant.shown_by}).run();
        if (!outcome.violations.empty()) {
            dprintf(report, "%s", outcome.violations.front().c_str());
            _exit(0);
        }
        dprintf(report, "\n");
    }
    _exit(1);
}

struct Hunt {
    const Named* mutant = nullptr;
    pid_t process = 0;
    std::FILE* report = nullptr;
};

Hunt begin(const Named& mutant) {
    Hunt begun{&mutant, 0, std::tmpfile()};
    SALLYPORT_ASSERT(begun.report != nullptr);
    std::fflush(stdout);
    begun.process = fork();
    SALLYPORT_ASSERT(begun.process >= 0);
    if (begun.process == 0) hunt(mutant, fileno(begun.report));
    return begun;
}

std::string last_line(std::FILE* file) {
    SALLYPORT_ASSERT(std::fseek(file, 0, SEEK_SET) == 0);
    std::string line, last;
    for (int c = std::fgetc(file); c != EOF; c = std::fgetc(file)) {
        if (c == '\n') {
            last = std::exchange(line, {});
            continue;
        }
        line += static_cast<char>(c);
    }
    return line.empty() ? last : line;
}

/// True: it was caught.
bool end(const Hunt& ended, int status) {
    auto told = last_line(ended.report);
    std::fclose(ended.report);
    const bool told_it = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    // An assertion of the product is a check too. A hang is not: the timer ends slow runs as well.
    const bool asserted = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
    if (asserted) told += "an assertion failed";
    if (!told_it && !asserted) told = "NOT CAUGHT (up to " + told + ")";
    std::printf("  %-28.*s %s\n", static_cast<int>(ended.mutant->name.size()),
                ended.mutant->name.data(), told.c_str());
    return told_it || asserted;
}

}  // namespace

bool choose_mutant(std::string_view name) {
    const auto found = std::ranges::find(kMutants, name, &Named::name);
    if (found == kMutants.end()) return false;
    base::seeded_mutant = found->mutant;
    return true;
}

bool run_mutants(unsigned jobs) {
    std::vector<Hunt> running;
    std::size_t caught = 0, next = 0;
    while (next < kMutants.size() || !running.empty()) {
        while (next < kMutants.size() && running.size() < jobs)
            running.push_back(begin(kMutants[next++]));
        int status = 0;
        const auto process = wait(&status);
        const auto ended = std::ranges::find(running, process, &Hunt::process);
        SALLYPORT_ASSERT(ended != running.end());
        caught += end(*ended, status) ? 1 : 0;
        running.erase(ended);
    }
    std::printf("mutants: %zu passed, %zu failed\n", caught, kMutants.size() - caught);
    return caught == kMutants.size();
}

}  // namespace sallyport::simulation
