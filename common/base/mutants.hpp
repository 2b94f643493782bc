// Seeded defects: proof that the simulation's checker sees what it claims to see. Each is one line
// in a core, `if (base::mutant(Mutant::…))`, taken only in the simulation's own build of that file
// (SALLYPORT_MUTANTS, tests/simulation/CMakeLists.txt) and only when the run asks for it by name.
// In every other build the question is the constant false: neither code nor name of a mutant is in
// a shipped program, and a test holds that.
//
// Seams stand in .cpp files, never in a header: the same inline function must not differ between
// two units of one program.
#pragma once

namespace sallyport::base {

enum class Mutant {
    none,
    ack_before_sync,
    send_before_sync,
    seq_reused_after_damage,
    directory_not_synced,
    failed_sync_ignored,
    tail_not_secured,
    entry_checksum_unread,
    tag_id_reused,
    trim_ignores_a_cursor,
    drop_though_not_full,
    gap_not_named,
    reader_skips_an_entry,
    cursor_moves_when_sent,
    credit_ignored,
    quality_record_dropped,
    shed_not_counted,
    waiting_publish_lost,
    silence_unnoticed,
    position_not_stored,
    handed_over_before_commit,
    store_error_ignored,
    later_commit_first,
    duplicate_emitted,
    lost_ack_not_made_good,
    retained_not_stored,
    gap_not_ledgered,
    historical_unmarked,
    overlay_not_set,
    overlay_not_lifted,
    live_too_early,
    beat_held_for_new,
    conflation_drops_the_newest,
    conflation_starves_a_fast_tag,
    conflated_before_its_ledger_row,
    broker_ack_before_saved,
    broker_changes_left_out,
    receipt_not_restored,
    delivery_not_restored,
    release_not_kept,
    flight_not_held,
    stage_not_held,
};

#ifdef SALLYPORT_MUTANTS
inline namespace seeded {
inline thread_local Mutant seeded_mutant = Mutant::none;
inline bool mutant(Mutant which) {
    return seeded_mutant == which;
}
}  // namespace seeded
#else
inline namespace sound {
constexpr bool mutant(Mutant /*which*/) {
    return false;
}
}  // namespace sound
#endif

}  // namespace sallyport::base
