#include "edge-agent/spool/upkeep.hpp"

#include <algorithm>
#include <utility>

#include "common/base/assert.hpp"

namespace sallyport::spool {

Upkeep::Upkeep(const SpoolOptions& options, const Saved& saved, SegmentTable& segments,
               const CursorTable& cursors, const TagTable& tags, const LogWriter& writer,
               base::Now now)
    : options_(options),
      saved_(saved),
      segments_(segments),
      cursors_(cursors),
      tags_(tags),
      writer_(writer),
      last_save_(now.instant) {}

bool Upkeep::may_go(const Segment& segment) {
    if (segment.last < saved_.tags_complete_below) return true;
    save_wanted_ = true;  // its tags must be in the checkpoint first
    return false;
}

void Upkeep::doom_front() {
    auto segment = segments_.pop_front();
    doomed_bytes_ += segment.size;
    doomed_.push_back({std::move(segment.name), segment.size});
}

bool Upkeep::make_room(std::uint64_t bytes) {
    // The newest segment stays: where a single record is larger than the whole log, it goes on top.
    // A session can name only so many runs: what is older could never be sent.
    while (segments_.size() > 1 && (segments_.bytes() + bytes > options_.max_bytes ||
                                    segments_.run_count() >= tunnel::kRunsMax)) {
        const auto& oldest = segments_.front();
        if (!may_go(oldest)) return false;
        const auto passed = cursors_.passed(segments_, writer_.synced());
        const auto kept_from = std::max(oldest.first, passed + 1);
        if (kept_from <= oldest.last) dropped_records_ += oldest.last - kept_from + 1;
        doom_front();
    }
    return doomed_.empty() || segments_.bytes() + doomed_bytes_ + bytes <= options_.max_bytes;
}

void Upkeep::trim(record::Seq passed) {
    while (segments_.size() > 1 && segments_.front().last <= passed) {
        if (segments_.front().last > saved_.passed) {
            save_wanted_ = true;
            return;
        }
        if (!may_go(segments_.front())) return;
        doom_front();
    }
}

void Upkeep::remove(std::vector<FileInfo> files) {
    for (auto& file : files) {
        doomed_bytes_ += file.size;
        doomed_.push_back(std::move(file));
    }
}

bool Upkeep::save_due(base::Now now) const {
    if (save_retry_at_ && now.instant < *save_retry_at_) return false;
    return save_wanted_ || (cursors_.version() != saved_.cursors_version &&
                            now.instant >= last_save_ + options_.cursor_save_interval);
}

DiskJob Upkeep::save(std::uint64_t job) {
    // The table holds every tag of every sealed entry, so all that is synced is complete.
    const Saved saving{tags_.last_id(), writer_.synced() + 1, cursors_.version(),
                       cursors_.passed(segments_, writer_.synced())};
    under_way_ = Work{job, saving};
    save_wanted_ = false;
    DiskJob work;
    work.id = job;
    work.ops.emplace_back(SaveCheckpoint{
        {tags_.tags_after(saved_.last_tag), cursors_.all(), saving.tags_complete_below}});
    return work;
}

std::optional<DiskJob> Upkeep::next_job(std::uint64_t job, base::Now now) {
    if (under_way_) return std::nullopt;
    if (save_due(now)) return save(job);
    if (doomed_.empty() || (remove_retry_at_ && now.instant < *remove_retry_at_))
        return std::nullopt;
    under_way_ = Work{job, std::nullopt};
    DiskJob work;
    work.id = job;
    if (!front_removed_) work.ops.emplace_back(RemoveFile{doomed_.front().name});
    work.ops.emplace_back(SyncDirectory{});
    return work;
}

void Upkeep::complete(const DiskDone& done, base::Now now) {
    SALLYPORT_ASSERT(is_upkeep(done.id));
    const auto work = *std::exchange(under_way_, std::nullopt);
    if (work.saving) {
        last_save_ = now.instant;
        save_error_ = done.error;
        if (done.error) {
            ++disk_errors_;
            save_wanted_ = true;
            save_retry_at_ = now.instant + options_.retry_after_error;
        } else {
            save_retry_at_.reset();
            saved_ = *work.saving;
        }
        return;
    }
    if (done.error && *done.error != DiskError::not_found) {
        ++disk_errors_;
        remove_error_ = done.error;
        front_removed_ = front_removed_ || done.failed_op > 0;
        remove_retry_at_ = now.instant + options_.retry_after_error;
        return;
    }
    front_removed_ = false;
    remove_error_.reset();
    remove_retry_at_.reset();
    doomed_bytes_ -= doomed_.front().size;
    doomed_.pop_front();
}

std::optional<base::Instant> Upkeep::next_deadline() const {
    if (under_way_) return std::nullopt;
    std::optional<base::Instant> deadline;
    if (save_wanted_ && save_retry_at_)
        deadline = save_retry_at_;
    else if (cursors_.version() != saved_.cursors_version)
        deadline = last_save_ + options_.cursor_save_interval;
    if (!doomed_.empty()) deadline = base::earlier(deadline, remove_retry_at_);
    return deadline;
}

}  // namespace sallyport::spool
