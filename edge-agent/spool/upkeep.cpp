#include "edge-agent/spool/upkeep.hpp"

#include <algorithm>
#include <utility>

#include "common/base/assert.hpp"
#include "common/base/mutants.hpp"

namespace sallyport::spool {

Upkeep::Upkeep(const SpoolOptions& options, const Saved& saved, const Parts& parts, SentTo sent_to,
               base::Now now)
    : options_(options),
      saved_(saved),
      parts_(parts),
      sent_to_(std::move(sent_to)),
      last_save_(now.instant) {}

/// The newest segment stays in any case.
bool Upkeep::is_gone_on_disk() const {
    return saved_.gone_below >= parts_.segments[1].first;
}

void Upkeep::move_front() {
    const auto& front = parts_.segments.front();
    if (!mover_ || mover_->ordinal() != front.ordinal) mover_.emplace(front);
}

bool Upkeep::let_front_go() {
    if (!is_gone_on_disk()) {
        move_front();
        leave_wanted_ = true;
        return false;
    }
    doom_front();
    return true;
}

void Upkeep::doom_front() {
    const auto& oldest = parts_.segments.front();
    const auto passed = parts_.cursors.passed(parts_.segments, parts_.writer.synced());
    const auto dropped_from = std::max(oldest.first, passed + 1);
    if (dropped_from <= oldest.last) dropped_records_ += oldest.last - dropped_from + 1;
    auto segment = parts_.segments.pop_front();
    mover_.reset();
    doomed_bytes_ += segment.size;
    doomed_.push_back({std::move(segment.name), segment.size});
}

bool Upkeep::make_room(std::uint64_t bytes) {
    // The newest segment stays: where a single record is larger than the whole log, it goes on top.
    // A disk that stays full is a full log: it goes on in the room that it has.
    auto& segments = parts_.segments;
    const bool drops =
        options_.when_full == WhenFull::drop_oldest && !parts_.receipts.awaits_delivery();
    const auto is_over = [&] {
        const bool is_full = segments.bytes() + bytes > options_.max_bytes ||
                             (parts_.writer.is_starved() && doomed_.empty());
        // What is older than the runs that a session can name could never be sent.
        return segments.run_count() >= kLogRunsMax || (drops && is_full);
    };
    while (segments.size() > 1 && is_over()) {
        if (!let_front_go()) return false;
        parts_.writer.room_was_made();
    }
    // Its newest records are put by in time, so that nothing waits for that once it must go.
    if (segments.size() > 1 &&
        segments.bytes() + bytes + segment_bytes(options_) > options_.max_bytes)
        move_front();
    return has_room(bytes) || (doomed_.empty() && (drops || segments.size() <= 1));
}

bool Upkeep::has_room(std::uint64_t bytes) const {
    return parts_.segments.bytes() + doomed_bytes_ + bytes <= options_.max_bytes;
}

void Upkeep::begin_turn(bool may_go) {
    const auto& segments = parts_.segments;
    if (may_go && segments.size() > 1 && is_gone_on_disk()) doom_front();
    leave_wanted_ = segments.size() > 1 && leaving_below_ > segments.front().first;
}

void Upkeep::trim(record::Seq passed) {
    if (base::mutant(base::Mutant::drop_though_not_full)) passed = ~record::Seq{0};
    while (parts_.segments.size() > 1 && parts_.segments.front().last <= passed)
        if (!let_front_go()) return;
}

void Upkeep::remove(std::vector<FileInfo> files) {
    for (auto& file : files) {
        doomed_bytes_ += file.size;
        doomed_.push_back(std::move(file));
    }
}

bool Upkeep::save_due(base::Now now) const {
    if (save_retry_at_ && now.instant < *save_retry_at_) return false;
    if (save_wanted_ || parts_.receipts.must_save() || (mover_ && mover_->must_save())) return true;
    if (leave_wanted_ && mover_ && mover_->has_read_all() && !is_gone_on_disk()) return true;
    return parts_.cursors.version() != saved_.cursors_version &&
           now.instant >= last_save_ + options_.cursor_save_interval;
}

/// What of the oldest segment each destination has not had.
void Upkeep::ledger_front() {
    const auto& segments = parts_.segments;
    record::LedgerEntry dropped;
    dropped.reason = record::LedgerReason::dropped;
    dropped.epoch = segments.front().epoch;
    dropped.last = segments[1].first - 1;
    dropped.since = segments.front().first_arrival;
    dropped.until = std::max(segments[1].first_arrival, dropped.since);
    for (const auto& cursor : parts_.cursors.all()) {
        dropped.peer = cursor.destination;
        dropped.first =
            std::max({segments.front().first, cursor.position.seq + 1, cursor.counted_from});
        if (dropped.first <= dropped.last)
            parts_.ledger.add_range(dropped, sent_to_(cursor.destination));
    }
}

DiskJob Upkeep::save(std::uint64_t job) {
    // The table holds every tag of every sealed entry, so all that is synced is complete.
    Saved saving{parts_.tags.last_id(), parts_.writer.synced() + 1, parts_.cursors.version(),
                 saved_.gone_below};
    if (leave_wanted_ && mover_ && mover_->has_read_all()) {
        ledger_front();
        saving.gone_below = leaving_below_ = parts_.segments[1].first;
    }
    under_way_ = Work{job, saving};
    save_wanted_ = false;
    Checkpoint checkpoint;
    checkpoint.tags = parts_.tags.tags_after(saved_.last_tag);
    checkpoint.last_tag = parts_.tags.last_id();
    checkpoint.cursors = parts_.cursors.all();
    checkpoint.tags_complete_below = saving.tags_complete_below;
    checkpoint.gone_below = saving.gone_below;
    checkpoint.ledger = parts_.ledger.take_change();
    parts_.receipts.take_change(checkpoint);
    if (mover_ && mover_->must_save()) {
        under_way_->saves_kept = true;
        checkpoint.kept = mover_->records();
        parts_.kept.note(checkpoint.kept);
    }
    DiskJob work;
    work.id = job;
    work.ops.emplace_back(SaveCheckpoint{std::move(checkpoint)});
    return work;
}

DiskJob Upkeep::remove_file(std::uint64_t job) {
    under_way_ = Work{job};
    DiskJob work;
    work.id = job;
    if (!front_removed_) work.ops.emplace_back(RemoveFile{doomed_.front().name});
    work.ops.emplace_back(SyncDirectory{});
    return work;
}

std::optional<DiskJob> Upkeep::next_move(std::uint64_t job, base::Now now) {
    if (!mover_ || (move_retry_at_ && now.instant < *move_retry_at_)) return std::nullopt;
    move_retry_at_.reset();
    auto read = mover_->next_read();
    if (!read) return std::nullopt;
    under_way_ = Work{job};
    under_way_->is_move = true;
    DiskJob work;
    work.id = job;
    work.ops.emplace_back(std::move(*read));
    return work;
}

std::optional<DiskJob> Upkeep::next_job(std::uint64_t job, base::Now now) {
    if (under_way_) return std::nullopt;
    if (save_due(now)) return save(job);
    if (!doomed_.empty() && !(remove_retry_at_ && now.instant < *remove_retry_at_))
        return remove_file(job);
    return next_move(job, now);
}

void Upkeep::complete(DiskDone done, base::Now now) {
    SALLYPORT_ASSERT(is_upkeep(done.id));
    const auto work = *std::exchange(under_way_, std::nullopt);
    if (work.saving)
        complete_save(work, done, now);
    else if (work.is_move)
        complete_move(std::move(done), now);
    else
        complete_removal(done, now);
}

void Upkeep::complete_save(const Work& work, const DiskDone& done, base::Now now) {
    last_save_ = now.instant;
    save_error_ = done.error;
    if (done.error) {
        ++disk_errors_;
        parts_.ledger.save_failed();
        parts_.receipts.save_failed();
        save_wanted_ = true;
        save_retry_at_ = now.instant + options_.retry_after_error;
        return;
    }
    parts_.ledger.saved();
    parts_.receipts.saved();
    if (mover_ && work.saves_kept) mover_->saved();
    save_retry_at_.reset();
    saved_ = *work.saving;
}

void Upkeep::complete_move(DiskDone done, base::Now now) {
    if (!mover_) return;
    if (!done.error) return mover_->supply(std::move(done.reads.front()));
    ++disk_errors_;
    // While the disk refuses writes too, it is the disk and not the block that is bad: patience.
    mover_->failed(*done.error == DiskError::not_found, !parts_.writer.failing() && !save_error_);
    move_retry_at_ = now.instant + options_.retry_after_error;
}

void Upkeep::complete_removal(const DiskDone& done, base::Now now) {
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
    const bool save_waits = save_wanted_ || leave_wanted_ || (mover_ && mover_->must_save());
    if (save_waits && save_retry_at_)
        deadline = save_retry_at_;
    else if (parts_.cursors.version() != saved_.cursors_version)
        deadline = last_save_ + options_.cursor_save_interval;
    if (!doomed_.empty()) deadline = base::earlier(deadline, remove_retry_at_);
    if (mover_) deadline = base::earlier(deadline, move_retry_at_);
    return deadline;
}

}  // namespace sallyport::spool
