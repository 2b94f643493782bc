#include "edge-agent/spool/spool.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "common/base/assert.hpp"
#include "edge-agent/spool/log_reader.hpp"
#include "edge-agent/spool/log_writer.hpp"
#include "edge-agent/spool/recovery.hpp"
#include "edge-agent/spool/upkeep.hpp"

namespace sallyport::spool {
namespace {

class SpoolCore final : public Spool {
public:
    SpoolCore(const SpoolOptions& options, RecoveredLog recovered, base::Now now)
        : options_(options),
          report_(recovered.report),
          epoch_(recovered.writer.epoch),
          segments_(std::move(recovered.segments)),
          tags_(std::move(recovered.tags)),
          cursors_(std::move(recovered.cursors)),
          writer_(options_, recovered.writer, segments_, tags_, now),
          upkeep_(options_, recovered.saved, segments_, cursors_, tags_, writer_, now) {
        upkeep_.remove(std::move(recovered.leftovers));
        upkeep_.save_soon();
    }

    const RecoveryReport& report() const override { return report_; }

    record::TagId tag(std::string_view topic) override { return tags_.intern(topic); }
    std::optional<std::string_view> topic(record::TagId tag) const override {
        return tags_.topic(tag);
    }
    std::size_t tag_count() const override { return tags_.size(); }

    bool has_room() const override { return writer_.has_room(); }
    std::optional<record::Seq> append(const tunnel::BatchRecord& record,
                                      base::Now /*now*/) override {
        if (!writer_.has_room()) return std::nullopt;
        return writer_.append(record);
    }

    std::optional<DiskJob> next_job(base::Now now) override;
    void complete(DiskDone done, base::Now now) override;
    std::optional<base::Instant> next_deadline() const override;
    record::Seq synced() const override { return writer_.synced(); }

    record::Epoch epoch() const override { return epoch_; }
    std::vector<tunnel::Run> runs() const override;
    std::vector<Cursor> cursors() const override { return cursors_.all(); }
    const SpoolStats& stats() const override;

    void open_reader(const std::string& destination, const tunnel::Resume& resume) override;
    void close_reader(const std::string& destination) override { readers_.erase(destination); }
    ReadResult read(const std::string& destination) override;
    std::optional<base::WallTime> oldest_unread(const std::string& destination) const override;

    void advance_cursor(const std::string& destination, std::uint64_t store,
                        const tunnel::Position& position) override {
        cursors_.advance(destination, store, position, segments_, writer_.synced());
    }

private:
    LogView view() const { return {options_, epoch_, segments_, writer_}; }
    std::optional<DiskJob> next_commit(base::Now now);
    /// Every cursor and every open reader is past this seq.
    record::Seq passed() const;

    const SpoolOptions options_;
    const RecoveryReport report_;
    const record::Epoch epoch_;
    SegmentTable segments_;
    TagTable tags_;
    CursorTable cursors_;
    LogWriter writer_;
    Upkeep upkeep_;
    std::map<std::string, LogReader, std::less<>> readers_;
    std::uint64_t next_job_ = 1;
    bool waits_for_room_ = false;  // the next commit, for segments to go
    std::uint64_t read_errors_ = 0;
    mutable SpoolStats stats_;
};

std::optional<DiskJob> SpoolCore::next_commit(base::Now now) {
    const auto wanted = writer_.wanted_segment(now);
    waits_for_room_ = wanted && !upkeep_.make_room(*wanted);
    if (waits_for_room_) return std::nullopt;
    return writer_.next_commit(next_job_, now);
}

std::vector<tunnel::Run> SpoolCore::runs() const {
    auto runs = segments_.runs(epoch_, writer_.synced());
    // A run that is gone because a far side has all of it is named, empty, so that the far side
    // finds its position again.
    for (const auto& cursor : cursors_.all()) {
        const auto& [epoch, seq, checksum] = cursor.position;
        const bool named = std::ranges::find(runs, epoch, &tunnel::Run::epoch) != runs.end();
        if (epoch == 0 || named || seq >= runs.front().first || runs.size() >= tunnel::kRunsMax)
            continue;
        runs.insert(runs.begin(), tunnel::Run{epoch, seq + 1, seq});
    }
    return runs;
}

record::Seq SpoolCore::passed() const {
    auto passed = cursors_.passed(segments_, writer_.synced());
    for (const auto& [destination, reader] : readers_)
        passed = std::min(passed, reader.next_seq() - 1);
    return passed;
}

std::optional<DiskJob> SpoolCore::next_job(base::Now now) {
    upkeep_.trim(passed());
    upkeep_.make_room(0);
    auto job = next_commit(now);
    for (auto reader = readers_.begin(); !job && reader != readers_.end(); ++reader)
        job = reader->second.next_read(next_job_, now);
    if (!job) job = upkeep_.next_job(next_job_, now);
    if (job) ++next_job_;
    return job;
}

void SpoolCore::complete(DiskDone done, base::Now now) {
    if (writer_.is_commit(done.id)) {
        writer_.complete(std::move(done), now);
        upkeep_.remove(writer_.take_leftovers());
        if (writer_.take_rolled()) upkeep_.save_soon();
        return;
    }
    if (upkeep_.is_upkeep(done.id)) return upkeep_.complete(done, now);
    for (auto& [destination, reader] : readers_) {
        if (!reader.is_read(done.id)) continue;
        if (done.error) ++read_errors_;
        return reader.complete(std::move(done), now);
    }
    // A read for a reader that was closed or opened again meanwhile.
}

std::optional<base::Instant> SpoolCore::next_deadline() const {
    auto deadline = upkeep_.next_deadline();
    if (!waits_for_room_) deadline = base::earlier(deadline, writer_.next_deadline());
    for (const auto& [destination, reader] : readers_)
        deadline = base::earlier(deadline, reader.next_deadline());
    return deadline;
}

const SpoolStats& SpoolCore::stats() const {
    const auto& counters = writer_.counters();
    stats_.segments = segments_.size();
    stats_.bytes = segments_.bytes() + upkeep_.doomed_bytes();
    stats_.first = view().first();
    stats_.synced = writer_.synced();
    stats_.pending_bytes = writer_.pending_bytes();
    stats_.commits = counters.commits;
    stats_.entries = counters.entries;
    stats_.records = counters.records;
    stats_.dropped_records = upkeep_.dropped_records();
    stats_.disk_errors = counters.disk_errors + upkeep_.disk_errors() + read_errors_;
    stats_.failing = writer_.failing() ? writer_.failing() : upkeep_.failing();
    return stats_;
}

void SpoolCore::open_reader(const std::string& destination, const tunnel::Resume& resume) {
    readers_.erase(destination);
    const auto* cursor = cursors_.find(destination);
    SALLYPORT_ASSERT(cursor != nullptr);  // sessions of others are refused before they get here
    readers_.emplace(destination, LogReader(view(), resume, *cursor));
}

ReadResult SpoolCore::read(const std::string& destination) {
    const auto reader = readers_.find(destination);
    if (reader == readers_.end()) return NotYet{.at_end = true};
    return reader->second.read();
}

std::optional<base::WallTime> SpoolCore::oldest_unread(const std::string& destination) const {
    const auto reader = readers_.find(destination);
    if (reader == readers_.end()) return std::nullopt;
    return reader->second.oldest_unread();
}

}  // namespace

base::Result<std::unique_ptr<Spool>, DiskError> Spool::recover(const SpoolOptions& options,
                                                               Disk& disk, record::Epoch epoch,
                                                               std::uint64_t seed, base::Now now) {
    SALLYPORT_ASSERT(epoch != 0);
    auto recovered = recover_log(options, disk, epoch, seed);
    if (!recovered) return recovered.error();
    return std::unique_ptr<Spool>(std::make_unique<SpoolCore>(options, std::move(*recovered), now));
}

}  // namespace sallyport::spool
