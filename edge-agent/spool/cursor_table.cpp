#include "edge-agent/spool/cursor_table.hpp"

#include <algorithm>

namespace sallyport::spool {

CursorTable::CursorTable(std::span<const std::string> destinations,
                         std::span<const Cursor> stored) {
    for (const auto& destination : destinations) {
        if (find(destination) != nullptr) continue;
        const auto known = std::find_if(stored.begin(), stored.end(), [&](const Cursor& cursor) {
            return cursor.destination == destination;
        });
        cursors_.push_back(known != stored.end() ? *known : Cursor{destination, 0, {}});
    }
}

const Cursor* CursorTable::find(std::string_view destination) const {
    for (const auto& cursor : cursors_)
        if (cursor.destination == destination) return &cursor;
    return nullptr;
}

void CursorTable::advance(std::string_view destination, std::uint64_t store,
                          const tunnel::Position& position, const SegmentTable& segments,
                          record::Seq synced) {
    const auto cursor = std::find_if(cursors_.begin(), cursors_.end(), [&](const Cursor& each) {
        return each.destination == destination;
    });
    if (cursor == cursors_.end() || position.seq <= cursor->position.seq) return;
    const auto run = segments.find_run(position.epoch, synced);
    if (!run || position.seq < run->first || position.seq > run->span_last) return;
    cursor->store = store;
    cursor->position = position;
    ++version_;
}

record::Seq CursorTable::passed(const SegmentTable& segments, record::Seq synced) const {
    // Seqs rise over all epochs, so a seq alone says what lies before it; only a position of a run
    // that is not in the log says nothing about it.
    auto passed = synced;
    for (const auto& cursor : cursors_) {
        const auto run = segments.find_run(cursor.position.epoch, synced);
        passed = std::min(passed, run ? std::min(cursor.position.seq, run->span_last) : 0);
    }
    return passed;
}

}  // namespace sallyport::spool
