#include "edge-agent/spool/log_reader.hpp"

#include <algorithm>
#include <utility>

#include "common/base/assert.hpp"
#include "common/base/mutants.hpp"

namespace sallyport::spool {
namespace {

/// After a failed read only this much is asked for at a time, so that one bad block costs little.
constexpr std::size_t kCautiousReadBytes = 4096;
/// So often is a read tried before its bytes count as damaged.
constexpr unsigned kReadTriesMax = 10;

}  // namespace

LogReader::LogReader(const LogView& log, const tunnel::Resume& resume, const Cursor& cursor)
    : log_(log), cursor_(cursor.position) {
    if (resume.position.epoch == 0 || resume.position.seq == 0)
        start_at_first();
    else
        start_behind(resume.position);
}

/// A far side that has no position in any run that the session names has nothing, whatever the
/// cursor says: the cursor's own run is among them, so its store is another or an older copy.
void LogReader::start_at_first() {
    next_ = 1;
    missing_ = tunnel::GapReason::before_log;
    place_ = 0;
}

void LogReader::start_behind(const tunnel::Position& position) {
    const auto run = log_.segments.find_run(position.epoch, log_.writer.synced());
    const bool beyond = run && position.seq > run->span_last;
    if (beyond && position.epoch != log_.epoch) {
        next_ =
            run->span_last + 1;  // the log was restored from an older copy: on with the next run
        place_ = 0;
    } else if (!beyond && run && position.seq >= run->first) {
        unchecked_ = position;
        next_ = position.seq;
    } else if (!beyond && position.seq < log_.first() && cursor_ == position) {
        next_ = position.seq + 1;  // no longer in the log, but this is what the far side last said
        place_ = position.seq;
    } else {
        start_over();
    }
}

void LogReader::start_over() {
    scanner_.reset();
    ahead_.reset();
    needed_.reset();
    last_arrival_ = {};
    next_ = 1;
    restart_ = true;
    missing_ = tunnel::GapReason::before_log;
    place_ = 0;
}

ReadResult LogReader::read_before_log() {
    const auto first = log_.first();
    if (kept_.empty() && kept_read_below_ < first && log_.kept.may_have(next_, first)) {
        kept_needed_ = !under_way_ || !under_way_->kept;  // what is read twice would come twice
        return NotYet{};
    }
    const auto target = kept_.empty() ? first : kept_.front().entry.first;
    if (restart_ || next_ < target) {
        const auto epoch = kept_.empty() ? log_.first_epoch() : kept_.front().entry.epoch;
        const auto why =
            std::exchange(restart_, false) ? tunnel::GapReason::unknown_position : missing_;
        if (kept_.empty() && !log_.segments.empty())
            last_arrival_ = log_.segments.front().first_arrival;
        return tunnel::Gap{epoch, std::exchange(next_, target), target - 1, why};
    }
    auto kept = std::move(kept_.front());
    kept_.pop_front();
    kept_seqs_ = std::move(kept.seqs);
    next_ = kept.entry.last + 1;
    last_arrival_ = kept.first_arrival;
    return std::move(kept.entry);
}

bool LogReader::check_position() {
    const auto located = locate(unchecked_->seq);
    if (std::holds_alternative<Waiting>(located)) return false;
    const auto* entry = std::get_if<Entry>(&located);
    bool agrees = cursor_ == *unchecked_;  // counts where the log cannot tell
    if (entry != nullptr && entry->last == unchecked_->seq)
        agrees = tunnel::batch_checksum(entry->epoch, *entry->body) == unchecked_->checksum;
    const auto checked = *std::exchange(unchecked_, std::nullopt);
    if (!agrees) {
        start_over();
        return true;
    }
    next_ = checked.seq + 1;
    place_ = checked.seq;
    if (entry != nullptr && entry->last >= next_ && scanner_) ahead_ = *entry;
    return true;
}

ReadResult LogReader::read() {
    if (unchecked_ && !check_position()) return NotYet{};
    kept_seqs_.clear();
    if (restart_ || next_ < log_.first()) return read_before_log();
    missing_ = tunnel::GapReason::dropped;  // from here on only what goes while this is read
    const bool early =
        base::mutant(base::Mutant::send_before_sync) && log_.writer.recent().find(next_) != nullptr;
    if (next_ > log_.writer.synced() && !early) return NotYet{.at_end = true};
    auto located = locate(next_);
    if (std::holds_alternative<Waiting>(located)) return NotYet{};
    if (const auto* lost = std::get_if<Lost>(&located)) {
        const auto from = std::exchange(next_, lost->last + 1);
        return tunnel::Gap{lost->epoch, from, lost->last, tunnel::GapReason::damaged};
    }
    auto& entry = std::get<Entry>(located);
    next_ = entry.last + 1;
    if (base::mutant(base::Mutant::reader_skips_an_entry) && entry.last % 64 == 0) return NotYet{};
    return std::move(entry);
}

LogReader::Located LogReader::locate(record::Seq seq) {
    if (const auto* recent = log_.writer.recent().find(seq)) {
        scanner_.reset();
        ahead_.reset();
        needed_.reset();
        last_arrival_ = recent->first_arrival;
        return Entry{log_.epoch, recent->first, recent->last, recent->body};
    }
    const auto synced = log_.writer.synced();
    const auto at = log_.segments.find(seq);
    if (!at) return Lost{log_.epoch, std::min(log_.first() - 1, synced)};
    const auto& segment = log_.segments[*at];
    const auto span_last = log_.segments.span_last(*at, synced);
    if (seq > segment.last) return Lost{segment.epoch, span_last};
    return locate_on_disk(segment, seq, span_last);
}

void LogReader::enter(const Segment& segment, record::Seq seq) {
    if (scanner_ && segment_ == segment.first) return;
    std::uint64_t offset = kSegmentHeaderBytes;
    for (const auto& point : segment.index)
        if (point.first <= seq) offset = point.offset;
    segment_ = segment.first;
    scanner_.emplace(segment.seed, offset, segment.end);
    ahead_.reset();
    needed_.reset();
    next_arrival_.reset();
    last_arrival_ = std::max(last_arrival_, segment.first_arrival);
}

LogReader::Located LogReader::locate_on_disk(const Segment& segment, record::Seq seq,
                                             record::Seq span_last) {
    enter(segment, seq);
    scanner_->set_limit(segment.end);
    for (;;) {
        if (ahead_ && ahead_->last >= seq) {
            if (ahead_->first > seq) return Lost{segment.epoch, ahead_->first - 1};
            return *std::exchange(ahead_, std::nullopt);
        }
        const auto step = scanner_->next();
        if (const auto* need = std::get_if<EntryScanner::NeedBytes>(&step)) {
            needed_ = *need;
            if (const auto header = scanner_->peek()) next_arrival_ = header->first_arrival;
            return Waiting{};
        }
        needed_.reset();
        next_arrival_.reset();
        const auto* found = std::get_if<EntryScanner::Found>(&step);
        // Entries from the next segment's first seq on are void.
        if (found == nullptr || found->header.first > segment.last)
            return Lost{segment.epoch, span_last};
        if (found->header.last < seq) continue;
        last_arrival_ = found->header.first_arrival;
        ahead_ = Entry{segment.epoch, found->header.first, found->header.last,
                       std::make_shared<const base::Bytes>(found->body.begin(), found->body.end())};
    }
}

std::optional<base::WallTime> LogReader::oldest_unread() const {
    if (next_ >= log_.writer.next_seq()) return std::nullopt;
    if (restart_ || next_ < log_.first()) return oldest_before_log();
    if (const auto* recent = log_.writer.recent().find(next_)) return recent->first_arrival;
    if (next_ > log_.writer.synced()) return log_.writer.open_entry().first_arrival();
    if (log_.segments.empty()) return std::nullopt;
    const auto& segment = log_.segments[log_.segments.find(next_).value_or(0)];
    if (!scanner_ || segment_ != segment.first) return segment.first_arrival;
    // What was given last is not newer than what comes next.
    return next_arrival_.value_or(std::max(last_arrival_, segment.first_arrival));
}

/// Of kept records, and of what a gap is to name: when that arrived nobody knows any more, but what
/// was given last is not newer.
std::optional<base::WallTime> LogReader::oldest_before_log() const {
    const bool kept_is_next = !kept_.empty() && kept_.front().entry.first == next_;
    if (kept_is_next) return kept_.front().first_arrival;
    return last_arrival_;
}

std::optional<DiskJob> LogReader::next_read(std::uint64_t job, base::Now now) {
    if (under_way_ || (retry_at_ && now.instant < *retry_at_)) return std::nullopt;
    if (kept_needed_) return next_kept_read(job);
    if (!needed_) return std::nullopt;
    const auto at = log_.segments.find(segment_);
    if (!at || log_.segments[*at].first != segment_) {
        needed_.reset();  // removed meanwhile: the next read() says so
        return std::nullopt;
    }
    retry_at_.reset();
    auto what = *std::exchange(needed_, std::nullopt);
    if (failed_reads_ > 0) {
        const auto header = scanner_->peek();
        const auto least = header ? header->size() : kCautiousReadBytes;
        what.length = std::min<std::size_t>(what.length, least);
    }
    under_way_ = Read{job, segment_, what, std::nullopt};
    DiskJob work;
    work.id = job;
    work.ops.emplace_back(ReadBytes{log_.segments[*at].name, what.offset, what.length});
    return work;
}

std::optional<DiskJob> LogReader::next_kept_read(std::uint64_t job) {
    retry_at_.reset();
    kept_needed_ = false;
    const auto from = std::max(next_, log_.kept.oldest());
    under_way_ = Read{job, 0, {}, KeptRange{from - 1, log_.first(), kKeptReadBytesMax}};
    DiskJob work;
    work.id = job;
    work.ops.emplace_back(ReadKept{*under_way_->kept});
    return work;
}

void LogReader::complete_kept(const DiskDone& done, const KeptRange& range, base::Now now) {
    if (!done.error) {
        failed_reads_ = 0;
        for (auto& entry : pack(done.kept, log_.options.entry_bytes_max))
            kept_.push_back(std::move(entry));
        if (kept_.empty()) kept_read_below_ = range.below;
        return;
    }
    if (!log_.writer.failing()) ++failed_reads_;
    if (failed_reads_ >= kReadTriesMax) {
        kept_read_below_ = range.below;
        failed_reads_ = 0;
        return;
    }
    kept_needed_ = true;
    retry_at_ = now.instant + log_.options.retry_after_error;
}

void LogReader::complete(DiskDone done, base::Now now) {
    SALLYPORT_ASSERT(is_read(done.id));
    const auto read = *std::exchange(under_way_, std::nullopt);
    if (read.kept) return complete_kept(done, *read.kept, now);
    if (!scanner_ || segment_ != read.segment) return;
    if (!done.error) {
        failed_reads_ = 0;
        needed_.reset();
        scanner_->supply(read.what.offset, std::move(done.reads.front()), read.what.length);
        return;
    }
    if (*done.error == DiskError::not_found) {
        needed_.reset();
        scanner_->supply(read.what.offset, {}, read.what.length);  // the file is gone: it ends here
        return;
    }
    // While the disk refuses writes too, it is the disk and not the block that is bad: patience.
    if (!log_.writer.failing()) ++failed_reads_;
    if (failed_reads_ >= kReadTriesMax) {
        scanner_->supply(read.what.offset, base::Bytes(read.what.length), read.what.length);
        needed_.reset();
        failed_reads_ = 1;  // still cautious
        return;
    }
    needed_ = read.what;
    retry_at_ = now.instant + log_.options.retry_after_error;
}

std::optional<base::Instant> LogReader::next_deadline() const {
    return (needed_ || kept_needed_) && !under_way_ ? retry_at_ : std::nullopt;
}

}  // namespace sallyport::spool
