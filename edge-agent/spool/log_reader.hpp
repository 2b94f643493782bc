// One destination's way through the log: newest entries from memory, older ones from the disk, and
// a Gap for whatever will not come.
//
// Where the log begins behind the place to go on from, the kept records between come first, then
// the log's own.
//
// A Gap's epoch is one that the session's Log names: of the run that goes on behind it, or, for
// damage, of the run that it lies in. After Gap{unknown_position} all begins again at `to` + 1:
// nothing is missing where that is 1.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "edge-agent/spool/entry_scanner.hpp"
#include "edge-agent/spool/kept.hpp"
#include "edge-agent/spool/log_writer.hpp"
#include "edge-agent/spool/segment.hpp"
#include "edge-agent/spool/spool.hpp"

namespace sallyport::spool {

/// What readers see of the log.
struct LogView {
    const SpoolOptions& options;
    record::Epoch epoch;
    const SegmentTable& segments;
    const LogWriter& writer;
    const KeptRuns& kept;

    record::Seq first() const {
        return segments.empty() ? writer.synced() + 1 : segments.front().first;
    }
    record::Epoch first_epoch() const { return segments.empty() ? epoch : segments.front().epoch; }
};

class LogReader {
public:
    /// `cursor` is the destination's own: it vouches for a position that the log can not show any
    /// more.
    LogReader(const LogView& log, const tunnel::Resume& resume, const Cursor& cursor);

    ReadResult read();
    std::optional<base::WallTime> oldest_unread() const;
    /// The seq of the next record to give; nothing before it is needed any more.
    record::Seq next_seq() const { return next_; }
    /// Goes on with the check of the position, as far as that needs no more bytes.
    void check() {
        if (unchecked_) check_position();
    }
    bool is_unchecked() const { return unchecked_.has_value(); }
    /// Once, when it is settled where the session goes on: the position that is confirmed, 0 where
    /// none is.
    std::optional<record::Seq> take_place() { return std::exchange(place_, std::nullopt); }
    /// The seqs of the kept records that the last read() gave; empty: an entry of the log.
    const std::vector<record::Seq>& kept_seqs() const { return kept_seqs_; }

    /// The read that read() waits for, once.
    std::optional<DiskJob> next_read(std::uint64_t job, base::Now now);
    bool is_read(std::uint64_t job) const { return under_way_ && under_way_->job == job; }
    void complete(DiskDone done, base::Now now);
    std::optional<base::Instant> next_deadline() const;

private:
    /// What the log holds at a seq: an entry that covers it, bytes that must be read first, or the
    /// last seq of a stretch that cannot be read.
    struct Waiting {};
    struct Lost {
        record::Epoch epoch = 0;
        record::Seq last = 0;
    };
    using Located = std::variant<Entry, Waiting, Lost>;
    struct Read {
        std::uint64_t job = 0;
        record::Seq segment = 0;
        EntryScanner::NeedBytes what;
        std::optional<KeptRange> kept;  // then it is of the table, not of a segment
    };

    void start_behind(const tunnel::Position& position);
    void start_at_first();
    void start_over();
    /// True once the position has been checked, either way; false while bytes are needed.
    bool check_position();
    Located locate(record::Seq seq);
    Located locate_on_disk(const Segment& segment, record::Seq seq, record::Seq span_last);
    void enter(const Segment& segment, record::Seq seq);
    /// From `next_` up to the log's first record: kept records, and gaps around them.
    ReadResult read_before_log();
    std::optional<base::WallTime> oldest_before_log() const;
    std::optional<DiskJob> next_kept_read(std::uint64_t job);
    void complete_kept(const DiskDone& done, const KeptRange& range, base::Now now);

    LogView log_;
    tunnel::Position cursor_;
    std::optional<tunnel::Position> unchecked_;
    std::optional<record::Seq> place_;
    record::Seq next_ = 1;
    tunnel::GapReason missing_ = tunnel::GapReason::dropped;  // what lies before the log
    bool restart_ = false;  // the far side's position is not known here: that is said first
    std::deque<KeptEntry> kept_;
    std::vector<record::Seq> kept_seqs_;
    record::Seq kept_read_below_ = 0;  // all kept records below are in kept_ or have been given
    bool kept_needed_ = false;
    base::WallTime last_arrival_;

    record::Seq segment_ = 0;  // first seq of the segment that scanner_ walks
    std::optional<EntryScanner> scanner_;
    std::optional<Entry> ahead_;                  // found behind a gap that was given first
    std::optional<base::WallTime> next_arrival_;  // of the entry that is being read
    std::optional<EntryScanner::NeedBytes> needed_;
    std::optional<Read> under_way_;
    unsigned failed_reads_ = 0;  // in a row
    std::optional<base::Instant> retry_at_;
};

}  // namespace sallyport::spool
