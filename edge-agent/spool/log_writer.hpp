// Takes records in, gives commit jobs out: entries are collected, sealed, written and synced in
// groups, one commit under way at a time while the next one fills.
//
// A commit that fails ends its segment: the disk may hold any part of it, and a failed fdatasync
// must never be tried again. After a pause everything that is not synced is appended to a new
// segment, from memory, under the same seqs; that segment's first seq voids what the failed one may
// hold of them.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "edge-agent/spool/open_entry.hpp"
#include "edge-agent/spool/segment.hpp"
#include "edge-agent/spool/spool.hpp"
#include "edge-agent/spool/tag_table.hpp"

namespace sallyport::spool {

/// Size of a segment file, where the first entry does not ask for more.
std::uint64_t segment_bytes(const SpoolOptions& options);

class LogWriter {
public:
    struct Start {
        record::Epoch epoch = 0;
        std::uint64_t seed = 0;
        record::Seq first = 0;  // of the next record
        std::uint64_t next_ordinal = 0;
        bool active = false;  // the table's last segment is to be written
        std::optional<DiskError> failing;
        /// Empty segments that void what older ones hold: they go when the next segment, which does
        /// so too, is there.
        std::vector<FileInfo> voiding;
    };
    struct Counters {
        std::uint64_t commits = 0, entries = 0, records = 0, disk_errors = 0;
        std::uint64_t entry_bytes = 0;  // committed
    };

    LogWriter(const SpoolOptions& options, const Start& start, SegmentTable& segments,
              TagTable& tags, base::Now now);

    bool has_room() const { return pending_bytes_ < options_.pending_bytes_max; }
    /// `receipt`, where there is one, is durable with the record.
    record::Seq append(const tunnel::BatchRecord& record, std::optional<Receipt> receipt);
    /// Where the next commit must begin a segment: how large. Nothing where it fits the active one,
    /// and where no commit can begin now.
    std::optional<std::uint64_t> wanted_segment(base::Now now);
    /// The next commit, if there is something to write and none is under way.
    std::optional<DiskJob> next_commit(std::uint64_t job, base::Now now);
    bool is_commit(std::uint64_t job) const { return commit_ && commit_->job == job; }
    void complete(DiskDone done, base::Now now);
    std::optional<base::Instant> next_deadline() const;

    const RecentEntries& recent() const { return recent_; }
    /// Of the segment that takes entries; 0 where the next commit begins one.
    std::uint64_t active_room_bytes() const {
        return active_ ? segments_.back().size - segments_.back().end : 0;
    }
    const OpenEntry& open_entry() const { return open_; }
    record::Seq synced() const { return recent_.synced(); }
    record::Seq next_seq() const { return next_seq_; }
    std::size_t pending_bytes() const { return pending_bytes_; }
    std::optional<DiskError> failing() const { return failing_; }
    /// The disk has had no room for full_disk_patience, or lately had none without a removal.
    bool is_starved() const {
        return failing_ == DiskError::no_space && patience_is_over_ && !room_made_;
    }
    /// Something was removed for it: the next attempt tells.
    void room_was_made() { room_made_ = true; }
    /// Of the active segment: what is not written yet.
    std::uint64_t active_room() const {
        return active_ ? segments_.back().size - segments_.back().end : 0;
    }
    const Counters& counters() const { return counters_; }
    /// True once after a new segment was begun.
    bool take_rolled();
    /// Of the records that were synced since it was asked last.
    std::vector<Receipt> take_receipts() { return std::exchange(synced_receipts_, {}); }
    /// Segments that hold nothing, or failed before anything in them was synced: to be removed.
    std::vector<FileInfo> take_leftovers();

private:
    struct Commit {
        std::uint64_t job = 0;
        std::size_t entries = 0;
        bool begins_segment = false;
        Segment segment;  // as it is once the commit is done
    };

    bool can_commit(base::Now now) const;
    bool has_segment_for(const SealedEntry& entry) const;
    void seal();
    /// Puts unsynced entries into `bytes` and into the commit's segment, as many as limits allow.
    void fill(Commit& commit, base::Bytes& bytes);
    Segment new_segment(const SealedEntry& first_entry);
    base::Bytes write_buffer();
    void finish(const Commit& commit);
    void fail(const Commit& commit, DiskError error, base::Now now);

    const SpoolOptions& options_;
    record::Epoch epoch_;
    std::uint64_t seed_;
    SegmentTable& segments_;
    TagTable& tags_;
    OpenEntry open_;
    RecentEntries recent_;
    record::Seq next_seq_;
    std::uint64_t next_ordinal_;
    bool active_;  // the table's last segment takes more
    std::size_t pending_bytes_ = 0;
    std::optional<Commit> commit_;
    std::optional<DiskError> failing_;
    base::Instant retry_at_;
    bool rolled_ = false;
    std::vector<Receipt> synced_receipts_;
    std::optional<base::Instant> no_space_since_;
    bool patience_is_over_ = false, room_made_ = false;
    std::vector<FileInfo> leftovers_, voiding_;
    base::Bytes spare_;
    Counters counters_;
};

}  // namespace sallyport::spool
