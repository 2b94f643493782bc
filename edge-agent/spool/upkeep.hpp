// What keeps the log within its bounds: saves the checkpoint, removes segments that nobody needs,
// and drops the oldest ones when the log is full.
//
// Order is kept: a segment goes only when the saved checkpoint holds its tags, and one removal is
// durable before the next begins, so that a crash leaves no hole in the log.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <variant>
#include <vector>

#include "edge-agent/spool/cursor_table.hpp"
#include "edge-agent/spool/log_writer.hpp"
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
        record::Seq passed = 0;  // by every saved cursor
    };

    Upkeep(const SpoolOptions& options, const Saved& saved, SegmentTable& segments,
           const CursorTable& cursors, const TagTable& tags, const LogWriter& writer,
           base::Now now);

    /// Drops segments until `bytes` more fit; false while that needs jobs that are not done yet.
    bool make_room(std::uint64_t bytes);
    /// Takes out of the log what every cursor and every open reader has passed. The cursors must
    /// say so on disk first: after a crash an older cursor would take what is gone for lost.
    void trim(record::Seq passed);
    /// Files that are no part of the log: to be removed.
    void remove(std::vector<FileInfo> files);
    void save_soon() { save_wanted_ = true; }

    std::optional<DiskJob> next_job(std::uint64_t job, base::Now now);
    bool is_upkeep(std::uint64_t job) const { return under_way_ && under_way_->job == job; }
    void complete(const DiskDone& done, base::Now now);
    std::optional<base::Instant> next_deadline() const;

    /// Of files that are out of the log but still on the disk.
    std::uint64_t doomed_bytes() const { return doomed_bytes_; }
    std::uint64_t dropped_records() const { return dropped_records_; }
    std::uint64_t disk_errors() const { return disk_errors_; }
    std::optional<DiskError> failing() const { return save_error_ ? save_error_ : remove_error_; }

private:
    struct Work {
        std::uint64_t job = 0;
        std::optional<Saved> saving;  // nothing: the first of doomed_ is being removed
    };

    bool may_go(const Segment& segment);
    void doom_front();
    bool save_due(base::Now now) const;
    DiskJob save(std::uint64_t job);

    const SpoolOptions& options_;
    Saved saved_;
    SegmentTable& segments_;
    const CursorTable& cursors_;
    const TagTable& tags_;
    const LogWriter& writer_;
    bool save_wanted_ = false;
    base::Instant last_save_;
    std::optional<base::Instant> save_retry_at_, remove_retry_at_;
    std::optional<DiskError> save_error_, remove_error_;
    std::deque<FileInfo> doomed_;
    std::uint64_t doomed_bytes_ = 0;
    bool front_removed_ = false;  // though not durably yet
    std::optional<Work> under_way_;
    std::uint64_t dropped_records_ = 0;
    std::uint64_t disk_errors_ = 0;
};

}  // namespace sallyport::spool
