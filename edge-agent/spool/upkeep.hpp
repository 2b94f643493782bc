// What keeps the log within its bounds: saves the checkpoint, removes segments that nobody needs,
// and drops the oldest ones when the log is full.
//
// Order is kept: a segment is read once more and its newest records go into `kept`; one save holds
// its tags, what the ledger says of it and that it is gone; then its file goes, durably before the
// next, so that a crash leaves no hole in the log.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "edge-agent/spool/cursor_table.hpp"
#include "edge-agent/spool/kept.hpp"
#include "edge-agent/spool/ledger.hpp"
#include "edge-agent/spool/log_writer.hpp"
#include "edge-agent/spool/receipts.hpp"
#include "edge-agent/spool/segment.hpp"
#include "edge-agent/spool/tag_table.hpp"

namespace sallyport::spool {

class Upkeep {
public:
    /// What the saved checkpoint holds.
    struct Saved {
        record::TagId last_tag = 0;
        record::Seq tags_complete_below = 1;
        std::uint64_t cursors_version = 0;
        record::Seq gone_below = 1;
    };
    /// What it works on.
    struct Parts {
        SegmentTable& segments;
        const CursorTable& cursors;
        const TagTable& tags;
        LogWriter& writer;
        Ledger& ledger;
        KeptRuns& kept;
        Receipts& receipts;
    };
    /// The newest seq that a destination's open session has been given; 0: there is none.
    using SentTo = std::function<record::Seq(const std::string& destination)>;

    Upkeep(const SpoolOptions& options, const Saved& saved, const Parts& parts, SentTo sent_to,
           base::Now now);

    /// Drops segments, where it may, until `bytes` more fit; false while they do not, or that needs
    /// jobs that are not done yet.
    bool make_room(std::uint64_t bytes);
    /// Whether they fit as it is.
    bool has_room(std::uint64_t bytes) const;
    /// Takes out of the log what every cursor and every open reader has passed.
    void trim(record::Seq passed);
    /// Before trim() and make_room(): what they wanted of the turn before is forgotten, but for a
    /// segment that is in the ledger already. Its file goes once it may.
    void begin_turn(bool may_go);
    /// What is below has been decided to go: no reader may begin with it any more.
    record::Seq leaving_below() const { return leaving_below_; }
    /// Files that are no part of the log: to be removed.
    void remove(std::vector<FileInfo> files);
    void save_soon() { save_wanted_ = true; }

    std::optional<DiskJob> next_job(std::uint64_t job, base::Now now);
    bool is_upkeep(std::uint64_t job) const { return under_way_ && under_way_->job == job; }
    void complete(DiskDone done, base::Now now);
    std::optional<base::Instant> next_deadline() const;

    /// Of files that are out of the log but still on the disk.
    std::uint64_t doomed_bytes() const { return doomed_bytes_; }
    std::uint64_t dropped_records() const { return dropped_records_; }
    std::uint64_t disk_errors() const { return disk_errors_; }
    std::optional<DiskError> failing() const { return save_error_ ? save_error_ : remove_error_; }

private:
    struct Work {
        std::uint64_t job = 0;
        std::optional<Saved> saving{};
        bool saves_kept = false;
        bool is_move = false;  // a read for mover_; neither: the first of doomed_ is being removed
    };

    /// True once the oldest segment is out of the log; until then works towards it.
    bool let_front_go();
    void move_front();
    bool is_gone_on_disk() const;
    void ledger_front();
    void doom_front();
    bool save_due(base::Now now) const;
    DiskJob save(std::uint64_t job);
    DiskJob remove_file(std::uint64_t job);
    std::optional<DiskJob> next_move(std::uint64_t job, base::Now now);
    void complete_save(const Work& work, const DiskDone& done, base::Now now);
    void complete_move(DiskDone done, base::Now now);
    void complete_removal(const DiskDone& done, base::Now now);

    const SpoolOptions& options_;
    Saved saved_;
    Parts parts_;
    SentTo sent_to_;
    bool save_wanted_ = false;
    base::Instant last_save_;
    std::optional<base::Instant> save_retry_at_, remove_retry_at_, move_retry_at_;
    std::optional<DiskError> save_error_, remove_error_;
    std::optional<SegmentMover> mover_;  // of the oldest segment
    bool leave_wanted_ = false;          // the oldest segment is to go
    record::Seq leaving_below_ = 0;
    std::deque<FileInfo> doomed_;
    std::uint64_t doomed_bytes_ = 0;
    bool front_removed_ = false;  // though not durably yet
    std::optional<Work> under_way_;
    std::uint64_t dropped_records_ = 0;
    std::uint64_t disk_errors_ = 0;
};

}  // namespace sallyport::spool
