#include "edge-agent/spool/cursor_table.hpp"

#include <algorithm>

#include "common/base/mutants.hpp"

namespace sallyport::spool {

CursorTable::CursorTable(std::span<const std::string> destinations,
                         std::span<const Cursor> stored) {
    for (const auto& destination : destinations) {
        if (find(destination) != nullptr) continue;
        const auto known = std::find_if(stored.begin(), stored.end(), [&](const Cursor& cursor) {
            return cursor.destination == destination;
        });
        cursors_.push_back(known != stored.end() ? *known : Cursor{destination, 0, {}, 0});
    }
    for (const auto& cursor : stored)
        if (find(cursor.destination) == nullptr) freed_.push_back(cursor);
}

void CursorTable::count_from(record::Seq seq) {
    for (auto& cursor : cursors_)
        if (cursor.counted_from == 0) cursor.counted_from = seq;
}

const Cursor* CursorTable::find(std::string_view destination) const {
    for (const auto& cursor : cursors_)
        if (cursor.destination == destination) return &cursor;
    return nullptr;
}

bool CursorTable::advance(std::string_view destination, std::uint64_t store,
                          const tunnel::Position& position, const SegmentTable& segments,
                          record::Seq synced) {
    const auto cursor = std::find_if(cursors_.begin(), cursors_.end(), [&](const Cursor& each) {
        return each.destination == destination;
    });
    if (cursor == cursors_.end() || position.seq <= cursor->position.seq) return false;
    const auto run = segments.find_run(position.epoch, synced);
    const bool in_log = run && position.seq >= run->first && position.seq <= run->span_last;
    const bool is_gone = !segments.empty() && position.seq < segments.front().first;
    if (!in_log && !is_gone) return false;
    cursor->store = store;
    cursor->position = position;
    ++version_;
    return true;
}

record::Seq CursorTable::delivered() const {
    const auto slowest = std::ranges::min_element(
        cursors_, {}, [](const Cursor& cursor) { return cursor.position.seq; });
    return slowest == cursors_.end() ? 0 : slowest->position.seq;
}

record::Seq CursorTable::passed(const SegmentTable& segments, record::Seq synced) const {
    // Seqs rise over all epochs, so a seq alone says what lies before it; only a position of a run
    // that is not in the log says nothing about what is.
    auto passed = synced;
    for (const auto& cursor : cursors_) {
        if (base::mutant(base::Mutant::trim_ignores_a_cursor) && &cursor != cursors_.data()) break;
        const auto run = segments.find_run(cursor.position.epoch, synced);
        passed = std::min(passed, run ? std::min(cursor.position.seq, run->span_last) : 0);
    }
    return passed;
}

}  // namespace sallyport::spool
