// The edge's durable log: records in, group-committed entries on disk, entries out to each
// destination. A core: it gives DiskJobs and is told their results; it never waits. Formats:
// spool/README.md.
//
// Invariants. Seqs rise by one and are never reused within an epoch. synced() covers a record only
// when the fdatasync that covers it has returned. A reader gives only synced entries. A segment is
// removed only when every cursor has passed it, or the ledger names what is dropped; and the
// checkpoint holds its tags, and `kept` the newest records it had of each. What a destination does
// not get is in the ledger, durably, before it is left out.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/base/time.hpp"
#include "common/tunnel/frame.hpp"
#include "edge-agent/spool/disk.hpp"
#include "edge-agent/spool/ledger.hpp"
#include "edge-agent/spool/newest_index.hpp"

namespace sallyport::spool {

enum class WhenFull { drop_oldest, refuse };

struct SpoolOptions {
    std::string edge;  // "<plant>/<name>", stands in every segment header
    std::vector<std::string> destinations;
    std::uint64_t max_bytes = 8ULL << 30U;         // all segments together
    std::uint64_t segment_bytes_max = 64U << 20U;  // the smaller of this and max_bytes / 8
    WhenFull when_full = WhenFull::drop_oldest;
    std::size_t entry_bytes_max = 32U << 10U;  // a larger single record stands alone
    std::size_t commit_bytes_max = 1U << 20U;
    std::size_t commit_records_max = 4096;
    std::size_t pending_bytes_max = 8U << 20U;  // accepted but not yet synced; beyond: no room
    std::size_t cache_bytes_max = 4U << 20U;    // newest synced entries kept in memory for readers
    base::Duration retry_after_error = std::chrono::seconds(1);
    /// With drop_oldest: a disk that has had no room for so long is a full log.
    base::Duration full_disk_patience = std::chrono::seconds(10);
    base::Duration cursor_save_interval = std::chrono::seconds(1);
};

/// One durable entry. `body` is a schema::Batch, aligned, as it goes on the wire.
struct Entry {
    record::Epoch epoch = 0;
    record::Seq first = 0, last = 0;
    std::shared_ptr<const base::Bytes> body;
};
/// Nothing to give yet: a disk read is under way, or everything synced has been given.
struct NotYet {
    bool at_end = false;
};
using ReadResult = std::variant<Entry, tunnel::Gap, NotYet>;

/// What a start found, for the log and the status.
struct RecoveryReport {
    std::size_t segments = 0;
    std::uint64_t entries_scanned = 0;
    std::uint64_t damaged_entries = 0;  // a bad entry with a good one behind it
    bool torn_tail = false;             // a bad last entry, dropped: possibly unacknowledged
    std::size_t damaged_segments = 0;   // files that could not be read as segments, set aside
    record::Seq last_seq = 0;
    std::vector<std::string> freed_cursors;  // of destinations that are configured no more
};

struct SpoolStats {
    std::uint64_t segments = 0, bytes = 0;  // on disk, allocated
    record::Seq first = 0, synced = 0;      // first seq still in the log
    std::uint64_t pending_bytes = 0;
    std::uint64_t commits = 0, entries = 0, records = 0;
    std::uint64_t entry_bytes = 0;  // of all entries committed since the start
    std::uint64_t max_bytes = 0, segment_bytes = 0;
    std::uint64_t active_room_bytes = 0;  // not yet written of the segment that takes entries
    std::uint64_t dropped_records = 0;    // with when_full = drop-oldest
    std::uint64_t disk_errors = 0;
    std::optional<DiskError> failing;  // set while the disk refuses
    bool full = false;                 // when_full = refuse: see Spool::is_full
};

/// What became of the records since a destination was configured. In records that have a seq:
/// accepted = delivered + left out (settled and pending) + in flight.
struct DestinationCounts {
    std::string destination;
    record::Seq counted_from = 0;
    std::uint64_t accepted = 0, delivered = 0, in_flight = 0;
    LedgerSums left_out;
};

class Spool {
public:
    /// Reads the checkpoint and what lies behind it, syncs the recovered tail, and opens a new
    /// segment in the new `epoch`. `seed` (random) protects the checksums of the new segments
    /// against payloads that imitate entries. The error is one that makes any start impossible
    /// (directory not there, not writable); damage to the log is not: it is quarantined and
    /// reported.
    static base::Result<std::unique_ptr<Spool>, DiskError> recover(const SpoolOptions& options,
                                                                   Disk& disk, record::Epoch epoch,
                                                                   std::uint64_t seed,
                                                                   base::Now now);
    virtual ~Spool() = default;

    virtual const RecoveryReport& report() const = 0;

    /// The tag of a topic, made if new; a new tag becomes durable with the next entry. 0, which is
    /// no tag, where the topic is empty or kTagsMax (tag_table.hpp) are in use.
    virtual record::TagId tag(std::string_view topic) = 0;
    /// Nothing for a number that was never given out. Valid until the next tag().
    virtual std::optional<std::string_view> topic(record::TagId tag) const = 0;
    virtual std::size_t tag_count() const = 0;
    /// The largest id that is or was in use; not every id below it has a topic.
    virtual record::TagId last_tag() const = 0;

    virtual bool has_room() const = 0;
    /// With when_full = refuse, and while a record awaits delivery: the log, or its disk, takes no
    /// more until the destinations have taken some of it. What comes is to be refused, or to wait.
    virtual bool is_full() const = 0;
    /// append() would give nothing for that reason. `must_stay`: its receipt awaits delivery.
    virtual bool refuses(const tunnel::BatchRecord& record, bool must_stay = false) const = 0;
    /// Gives the record its seq (its own `seq` is ignored) and copies it into the open entry.
    /// Nothing where there is no room (see has_room).
    /// `receipt` (its `seq` is ignored), where there is one, is durable with the record.
    virtual std::optional<record::Seq> append(const tunnel::BatchRecord& record, base::Now now,
                                              const std::optional<Receipt>& receipt = {}) = 0;

    virtual std::optional<DiskJob> next_job(base::Now now) = 0;
    virtual void complete(DiskDone done, base::Now now) = 0;
    virtual std::optional<base::Instant> next_deadline() const = 0;
    /// Everything up to here is on disk.
    virtual record::Seq synced() const = 0;

    /// Of publishes whose records are on disk and that are not released; at a start, what the one
    /// before left. At most kOpenReceiptsMax (receipts.hpp), the newest.
    virtual std::vector<Receipt> receipts() const = 0;
    /// The publish is over. is_released() tells for the ticket when that is durable.
    virtual std::uint64_t release(std::uint64_t session, std::uint16_t packet_id) = 0;
    virtual bool is_released(std::uint64_t ticket) const = 0;
    /// Every destination has passed what is up to here; where there are none, all that is synced.
    virtual record::Seq delivered() const = 0;
    /// Of a record with an open receipt that awaited this: one has passed it without it.
    virtual bool is_left_out(record::Seq seq) const = 0;

    virtual record::Epoch epoch() const = 0;
    /// The runs in the log, oldest first, at most tunnel::kRunsMax, the current one last.
    virtual std::vector<tunnel::Run> runs() const = 0;
    virtual std::vector<Cursor> cursors() const = 0;
    virtual const SpoolStats& stats() const = 0;
    /// Over all starts, exact: README, "Ledger".
    virtual std::vector<DestinationCounts> counts() const = 0;
    virtual std::vector<record::LedgerRow> ledger_rows() const = 0;

    /// A reader for one destination's session, starting behind `resume.position` if the log or the
    /// cursor agrees with its checksum, else at the log's first record; what is skipped or missing
    /// comes as Gaps first. One reader a destination; opening again starts over.
    virtual void open_reader(const std::string& destination, const tunnel::Resume& resume) = 0;
    virtual void close_reader(const std::string& destination) = 0;
    virtual ReadResult read(const std::string& destination) = 0;
    /// While a destination is behind, it is read in passes: of the entries that read() gives then
    /// may be left out what the pass supersedes.
    virtual void set_behind(const std::string& destination, bool behind) = 0;
    /// By which to judge the entry that read() gave last, until the next read(); null: all of it is
    /// to be sent.
    virtual const Pass* pass(const std::string& destination) const = 0;
    /// Ledgers that of an entry which read() gave these records will not be sent: an entry a tag.
    /// Nothing of the entry may be sent before is_ledgered(ticket).
    virtual std::uint64_t leave_out(const std::string& destination, const Entry& entry,
                                    std::vector<record::LedgerEntry> left_out) = 0;
    virtual bool is_ledgered(std::uint64_t ticket) const = 0;
    /// False while too much of what was left out is not acknowledged yet: read no more.
    virtual bool may_leave_out(const std::string& destination) const = 0;
    /// Arrival time of the oldest record that the reader has not given; nothing where there is
    /// none.
    virtual std::optional<base::WallTime> oldest_unread(const std::string& destination) const = 0;

    /// The far side has everything up to `position`. Frees segments; asserts nothing about order: a
    /// position behind the cursor is ignored.
    virtual void advance_cursor(const std::string& destination, std::uint64_t store,
                                const tunnel::Position& position) = 0;
};

}  // namespace sallyport::spool
