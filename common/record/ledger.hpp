// What is not delivered, and why: one line of a side's ledger. Each side ledgers what it decides,
// before it acts on it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/time.hpp"
#include "common/record/record.hpp"

namespace sallyport::record {

enum class LedgerReason : std::uint8_t {
    dropped = 1,       // the log was full
    damaged = 2,       // bytes that cannot be read any more
    torn_tail = 3,     // an unfinished last entry; its records were perhaps never acknowledged
    refused = 4,       // the route's topics do not hold the tag
    cursor_freed = 5,  // the destination was taken out of the configuration
    conflated = 6,     // superseded by a newer value of a `latest` tag
    expired = 7,
    parked = 8,  // the sink refused the record for good
    kept = 9,    // sent though its segment is gone, and not acknowledged yet
    // What only an it-agent's ledger has, as an edge's Gap tells it:
    before_log = 10,        // trimmed, or written by a spool that is gone
    unknown_position = 11,  // this it-agent's position is not in the edge's log
};
/// "dropped", "torn-tail", …; "?" for a number that is none of them.
std::string_view to_string(LedgerReason reason);

struct LedgerEntry {
    std::string peer;  // the destination; on the it side the edge. Empty: all of them
    LedgerReason reason = LedgerReason::dropped;
    TagId tag = 0;                // 0: every tag with a record in the range
    Epoch epoch = 0;              // 0: of more than one run
    Seq first = 0, last = 0;      // last < first: not known
    std::uint64_t records = 0;    // identities left out; one that stands for many tags counts once
    base::WallTime since, until;  // arrival of the oldest and the newest of them, at least and most
    friend bool operator==(const LedgerEntry&, const LedgerEntry&) = default;
};

/// An entry as it is stored.
struct LedgerRow {
    std::uint64_t id = 0;  // never used again
    LedgerEntry entry;
    std::uint64_t pass = 0;  // lines of one tag and reason are merged within a pass
    /// The far side's position has passed it; until then it may still be taken back.
    bool settled = false;
    /// Up to here its records had been sent when it was written: an acknowledgement takes them out.
    Seq sent_to = 0;
    friend bool operator==(const LedgerRow&, const LedgerRow&) = default;
};

/// What is to be made durable at once.
struct LedgerChange {
    std::vector<LedgerRow> put;  // new, or in the place of the row with that id
    std::vector<std::uint64_t> erased;

    bool empty() const { return put.empty() && erased.empty(); }
};

}  // namespace sallyport::record
