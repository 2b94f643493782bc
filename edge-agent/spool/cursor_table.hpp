// One cursor for each destination: how far its far side has said that it has come.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "edge-agent/spool/disk.hpp"
#include "edge-agent/spool/segment.hpp"

namespace sallyport::spool {

class CursorTable {
public:
    CursorTable() = default;
    /// A cursor for each of `destinations`: the stored one, or one at the very start. Stored
    /// cursors of others are freed.
    CursorTable(std::span<const std::string> destinations, std::span<const Cursor> stored);
    /// Those that do not have it yet count from here.
    void count_from(record::Seq seq);

    const std::vector<Cursor>& all() const { return cursors_; }
    const std::vector<Cursor>& freed() const { return freed_; }
    const Cursor* find(std::string_view destination) const;
    /// Counts changes, so that a save knows what it saved.
    std::uint64_t version() const { return version_; }

    /// Moves a cursor forward. False: the position is beyond the log, or not ahead, and is ignored.
    /// One of a segment that is gone by now counts: its entry was sent before, or is a kept one.
    bool advance(std::string_view destination, std::uint64_t store,
                 const tunnel::Position& position, const SegmentTable& segments,
                 record::Seq synced);
    /// The seq that every cursor has reached; 0 where there are none.
    record::Seq delivered() const;
    /// Every cursor has passed this seq; `synced` where there are none.
    record::Seq passed(const SegmentTable& segments, record::Seq synced) const;

private:
    std::vector<Cursor> cursors_, freed_;
    std::uint64_t version_ = 0;
};

}  // namespace sallyport::spool
