#include "edge-agent/spool/log_writer.hpp"

#include <algorithm>
#include <utility>

#include "common/base/assert.hpp"
#include "common/base/mutants.hpp"
#include "edge-agent/spool/entry_format.hpp"

namespace sallyport::spool {
namespace {

constexpr std::uint64_t kSegmentsPerLog = 8;

}  // namespace

std::uint64_t segment_bytes(const SpoolOptions& options) {
    const auto share = std::min(options.segment_bytes_max, options.max_bytes / kSegmentsPerLog);
    return std::max<std::uint64_t>(share / 8 * 8, kSegmentHeaderBytes + kEntryHeaderBytes);
}

LogWriter::LogWriter(const SpoolOptions& options, const Start& start, SegmentTable& segments,
                     TagTable& tags, base::Now now)
    : options_(options),
      epoch_(start.epoch),
      seed_(start.seed),
      segments_(segments),
      tags_(tags),
      recent_(options.cache_bytes_max, start.first - 1),
      next_seq_(start.first),
      next_ordinal_(start.next_ordinal),
      active_(start.active),
      failing_(start.failing),
      retry_at_(now.instant + options.retry_after_error),
      voiding_(start.voiding) {}

record::Seq LogWriter::append(const tunnel::BatchRecord& record, std::optional<Receipt> receipt) {
    const auto bytes = OpenEntry::encoded_bytes(record) + (receipt ? kReceiptBytes : 0);
    const auto with_tags = bytes + tags_.undefined_bytes();
    if (!open_.empty() && (open_.bytes() + with_tags > options_.entry_bytes_max ||
                           open_.records() == tunnel::kBatchRecordsMax))
        seal();
    open_.add(next_seq_, record);
    if (receipt) {
        receipt->seq = next_seq_;
        receipt->tag = record.tag;
        open_.add_receipt(*receipt);
    }
    pending_bytes_ += bytes;
    ++counters_.records;
    return next_seq_++;
}

void LogWriter::seal() {
    recent_.push(open_.seal(epoch_, tags_.take_undefined()));
    ++counters_.entries;
}

bool LogWriter::can_commit(base::Now now) const {
    if (commit_ || (failing_ && now.instant < retry_at_)) return false;
    return recent_.unsynced_count() > 0 || !open_.empty();
}

bool LogWriter::has_segment_for(const SealedEntry& entry) const {
    return active_ && segments_.back().end + entry.disk_bytes() <= segments_.back().size;
}

std::optional<std::uint64_t> LogWriter::wanted_segment(base::Now now) {
    if (!can_commit(now)) return std::nullopt;
    if (recent_.unsynced_count() == 0) seal();
    const auto& entry = recent_.unsynced(0);
    if (has_segment_for(entry)) return std::nullopt;
    return std::max<std::uint64_t>(segment_bytes(options_),
                                   kSegmentHeaderBytes + entry.disk_bytes());
}

Segment LogWriter::new_segment(const SealedEntry& first_entry) {
    Segment segment;
    segment.epoch = epoch_;
    segment.first = first_entry.first;
    segment.last = first_entry.first - 1;
    segment.ordinal = next_ordinal_++;
    segment.seed = segment_seed(seed_, segment.ordinal);
    segment.name = to_string(SegmentName{segment.first, segment.epoch, segment.ordinal});
    segment.size = std::max<std::uint64_t>(segment_bytes(options_),
                                           kSegmentHeaderBytes + first_entry.disk_bytes());
    segment.end = kSegmentHeaderBytes;
    segment.first_arrival = first_entry.first_arrival;
    return segment;
}

void LogWriter::fill(Commit& commit, base::Bytes& bytes) {
    auto& segment = commit.segment;
    std::size_t records = 0;
    const auto takes = [&](const SealedEntry& entry) {
        if (segment.end + entry.disk_bytes() > segment.size) return false;
        return commit.entries == 0 ||
               (bytes.size() + entry.disk_bytes() <= options_.commit_bytes_max &&
                records + entry.records() <= options_.commit_records_max);
    };
    for (;;) {
        if (commit.entries == recent_.unsynced_count()) {
            // Everything sealed is in: what has been collected so far goes along.
            if (open_.empty() || bytes.size() + open_.bytes() > options_.commit_bytes_max ||
                records + open_.records() > options_.commit_records_max)
                return;
            seal();
        }
        const auto& entry = recent_.unsynced(commit.entries);
        if (!takes(entry)) return;
        if (segment.last < segment.first) segment.first_arrival = entry.first_arrival;
        segment.add_index_point(entry.first, segment.end);
        EntryHeader header;
        header.records = static_cast<std::uint16_t>(entry.records());
        header.first = entry.first;
        header.last = entry.last;
        header.first_arrival = entry.first_arrival;
        append_entry(bytes, *segment.seed, header, *entry.body, entry.local);
        segment.end += entry.disk_bytes();
        segment.last = entry.last;
        records += entry.records();
        ++commit.entries;
    }
}

std::optional<DiskJob> LogWriter::next_commit(std::uint64_t job, base::Now now) {
    if (!can_commit(now)) return std::nullopt;
    if (recent_.unsynced_count() == 0) seal();
    const auto& first_entry = recent_.unsynced(0);

    Commit commit;
    commit.job = job;
    commit.begins_segment = !has_segment_for(first_entry);
    commit.segment = commit.begins_segment ? new_segment(first_entry) : segments_.back();
    const auto name = commit.segment.name;
    const auto offset = commit.segment.end;

    DiskJob work;
    work.id = job;
    if (commit.begins_segment) {
        // The header is durable before the first entry is written: a segment without one is empty.
        SegmentHeader header{options_.edge, epoch_, commit.segment.first, commit.segment.ordinal,
                             *commit.segment.seed};
        work.ops.emplace_back(CreateFile{name, commit.segment.size});
        work.ops.emplace_back(WriteBytes{name, 0, encode(header)});
        work.ops.emplace_back(SyncFile{name});
        if (!base::mutant(base::Mutant::directory_not_synced))
            work.ops.emplace_back(SyncDirectory{});
    }
    auto bytes = write_buffer();
    fill(commit, bytes);
    SALLYPORT_ASSERT(commit.entries > 0);
    work.ops.emplace_back(WriteBytes{name, offset, std::move(bytes)});
    work.ops.emplace_back(SyncFile{name});
    commit_ = std::move(commit);
    return work;
}

base::Bytes LogWriter::write_buffer() {
    spare_.clear();
    return std::exchange(spare_, {});
}

void LogWriter::complete(DiskDone done, base::Now now) {
    SALLYPORT_ASSERT(is_commit(done.id));
    const auto commit = *std::exchange(commit_, std::nullopt);
    if (!done.spent.empty() && done.spent.back().capacity() <= 2 * options_.commit_bytes_max)
        spare_ = std::move(done.spent.back());
    if (done.error && !base::mutant(base::Mutant::failed_sync_ignored))
        fail(commit, *done.error, now);
    else
        finish(commit);
}

void LogWriter::finish(const Commit& commit) {
    const auto began_at = commit.begins_segment ? kSegmentHeaderBytes : segments_.back().end;
    counters_.entry_bytes += commit.segment.end - began_at;
    if (commit.begins_segment) {
        segments_.push_back(commit.segment);
        rolled_ = true;
        active_ = true;
        for (auto& file : std::exchange(voiding_, {})) leftovers_.push_back(std::move(file));
    } else {
        segments_.back() = commit.segment;
    }
    pending_bytes_ -= recent_.mark_synced(commit.entries, synced_receipts_);
    failing_.reset();
    no_space_since_.reset();
    if (commit.begins_segment) {
        const bool made = std::exchange(room_made_, false);
        patience_is_over_ = patience_is_over_ && made;
    }
    ++counters_.commits;
}

void LogWriter::fail(const Commit& commit, DiskError error, base::Now now) {
    ++counters_.disk_errors;
    failing_ = error;
    room_made_ = false;
    if (error != DiskError::no_space)
        no_space_since_.reset();
    else if (!no_space_since_)
        no_space_since_ = now.instant;
    else if (now.instant - *no_space_since_ >= options_.full_disk_patience)
        patience_is_over_ = true;
    retry_at_ = now.instant + options_.retry_after_error;
    if (commit.begins_segment) {
        leftovers_.push_back({commit.segment.name, commit.segment.size});
    } else if (segments_.back().last < segments_.back().first) {
        const auto empty = segments_.pop_back();
        leftovers_.push_back({empty.name, empty.size});
    }
    active_ = false;
}

std::optional<base::Instant> LogWriter::next_deadline() const {
    if (!failing_ || commit_ || (recent_.unsynced_count() == 0 && open_.empty()))
        return std::nullopt;
    return retry_at_;
}

bool LogWriter::take_rolled() {
    return std::exchange(rolled_, false);
}

std::vector<FileInfo> LogWriter::take_leftovers() {
    return std::exchange(leftovers_, {});
}

}  // namespace sallyport::spool
