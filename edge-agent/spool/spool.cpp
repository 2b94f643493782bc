#include "edge-agent/spool/spool.hpp"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "common/base/assert.hpp"
#include "edge-agent/spool/kept.hpp"
#include "edge-agent/spool/ledger.hpp"
#include "edge-agent/spool/log_reader.hpp"
#include "edge-agent/spool/log_writer.hpp"
#include "edge-agent/spool/receipts.hpp"
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
          ledger_(std::move(recovered.ledger)),
          kept_(std::move(recovered.kept)),
          receipts_(std::move(recovered.receipts)),
          newest_(std::move(recovered.newest)),
          writer_(options_, recovered.writer, segments_, tags_, now),
          upkeep_(
              options_, recovered.saved,
              {segments_, cursors_, tags_, writer_, ledger_, kept_, receipts_},
              [this](const std::string& destination) { return sent_to(destination); }, now),
          synced_at_start_(writer_.synced()) {
        receipts_.passed(delivered());
        upkeep_.remove(std::move(recovered.leftovers));
        upkeep_.save_soon();
    }

    const RecoveryReport& report() const override { return report_; }

    record::TagId tag(std::string_view topic) override { return tags_.intern(topic); }
    std::optional<std::string_view> topic(record::TagId tag) const override {
        return tags_.topic(tag);
    }
    std::size_t tag_count() const override { return tags_.size(); }
    record::TagId last_tag() const override { return tags_.last_id(); }

    bool has_room() const override { return writer_.has_room() && !is_full(); }
    bool is_full() const override { return is_full_for(options_.entry_bytes_max, false); }
    bool refuses(const tunnel::BatchRecord& record, bool must_stay) const override {
        // A small record is not let past a larger one that was refused.
        const auto bytes = std::max(OpenEntry::encoded_bytes(record), options_.entry_bytes_max);
        return is_full_for(bytes, must_stay);
    }
    std::optional<record::Seq> append(const tunnel::BatchRecord& record, base::Now /*now*/,
                                      const std::optional<Receipt>& receipt) override {
        const bool must_stay = receipt && receipt->awaits_delivery;
        if (!writer_.has_room() || refuses(record, must_stay)) return std::nullopt;
        const auto seq = writer_.append(record, receipt);
        newest_.accepted(seq, record);
        return seq;
    }

    std::optional<DiskJob> next_job(base::Now now) override;
    void complete(DiskDone done, base::Now now) override;
    std::optional<base::Instant> next_deadline() const override;
    record::Seq synced() const override { return writer_.synced(); }
    std::vector<Receipt> receipts() const override { return receipts_.open(); }
    std::uint64_t release(std::uint64_t session, std::uint16_t packet_id) override {
        return receipts_.release(session, packet_id);
    }
    bool is_released(std::uint64_t ticket) const override { return receipts_.is_released(ticket); }
    record::Seq delivered() const override {
        return cursors_.all().empty() ? writer_.synced() : cursors_.delivered();
    }
    bool is_left_out(record::Seq seq) const override { return receipts_.is_left_out(seq); }

    record::Epoch epoch() const override { return epoch_; }
    std::vector<tunnel::Run> runs() const override;
    std::vector<Cursor> cursors() const override { return cursors_.all(); }
    const SpoolStats& stats() const override;
    std::vector<DestinationCounts> counts() const override;
    std::vector<record::LedgerRow> ledger_rows() const override { return ledger_.rows(); }

    void open_reader(const std::string& destination, const tunnel::Resume& resume) override;
    void close_reader(const std::string& destination) override;
    ReadResult read(const std::string& destination) override;
    void set_behind(const std::string& destination, bool behind) override;
    const Pass* pass(const std::string& destination) const override;
    std::uint64_t leave_out(const std::string& destination, const Entry& entry,
                            std::vector<record::LedgerEntry> left_out) override;
    bool is_ledgered(std::uint64_t ticket) const override { return ledger_.durable() >= ticket; }
    bool may_leave_out(const std::string& destination) const override {
        return ledger_.pending_rows(destination) < kPendingRowsMax;
    }
    std::optional<base::WallTime> oldest_unread(const std::string& destination) const override;

    void advance_cursor(const std::string& destination, std::uint64_t store,
                        const tunnel::Position& position) override;

private:
    /// A session's way through the log, and what of it waits.
    struct Reading {
        LogReader log;
        /// Where the far side says that it is, until that is confirmed or not: meanwhile its
        /// acknowledgement waits, and one of a place that is not confirmed moves nothing.
        tunnel::Position claimed{};
        bool claim_acknowledged = false;
        std::uint64_t store = 0;
        std::optional<ReadResult> held{};  // until the ledger has it
        std::uint64_t held_for = 0, resumed_for = 0;
        std::optional<base::WallTime> held_arrival{};  // of what is held
        bool behind = false;
        bool in_pass = false;  // the entry that was given last
    };

    LogView view() const { return {options_, epoch_, segments_, writer_, kept_}; }
    bool is_full_for(std::size_t bytes, bool must_stay) const;
    record::Seq sent_to(const std::string& destination) const;
    void find_place(const std::string& destination, Reading& reading);
    /// A session's position is being looked up: until it is found nothing goes.
    bool is_finding_place() const;
    void move_cursor(const std::string& destination, std::uint64_t store,
                     const tunnel::Position& position);
    bool must_hold(const std::string& destination, const tunnel::Gap& gap);
    bool must_hold_kept(const std::string& destination, const Reading& reading, const Entry& entry);
    bool is_in_pass(const std::string& destination, const Reading& reading, const Entry& entry);
    std::optional<DiskJob> next_commit(base::Now now);
    /// Every cursor and every open reader is past this seq.
    record::Seq passed() const;

    const SpoolOptions options_;
    const RecoveryReport report_;
    const record::Epoch epoch_;
    SegmentTable segments_;
    TagTable tags_;
    CursorTable cursors_;
    Ledger ledger_;
    KeptRuns kept_;
    Receipts receipts_;
    NewestIndex newest_;
    LogWriter writer_;
    Upkeep upkeep_;
    std::map<std::string, Reading, std::less<>> readers_;
    /// How far the last session of each destination got: its far side may well have all of that.
    /// What earlier starts sent, nobody knows: perhaps all of it.
    std::map<std::string, record::Seq> sent_before_;
    record::Seq synced_at_start_;
    std::uint64_t next_job_ = 1;
    bool waits_for_room_ = false;  // the next commit, for segments to go
    std::uint64_t read_errors_ = 0;
    mutable SpoolStats stats_;
};

std::optional<DiskJob> SpoolCore::next_commit(base::Now now) {
    const auto wanted = writer_.wanted_segment(now);
    const auto fits = [&] {  // while a session finds its place nothing goes for it
        return is_finding_place() ? upkeep_.has_room(*wanted) : upkeep_.make_room(*wanted);
    };
    waits_for_room_ = wanted && !fits();
    if (waits_for_room_) return std::nullopt;
    return writer_.next_commit(next_job_, now);
}

/// What is pending may not fill the rest of the log: a part of each segment's end stays empty, and
/// entries have headers. Where this is too little after all, what is accepted waits in memory.
bool SpoolCore::is_full_for(std::size_t bytes, bool must_stay) const {
    const bool drops = options_.when_full == WhenFull::drop_oldest && !receipts_.awaits_delivery();
    if (drops && !must_stay) return false;
    if (writer_.failing() == DiskError::no_space) return true;
    const auto used = segments_.bytes() + upkeep_.doomed_bytes();
    const auto left = options_.max_bytes - std::min(used, options_.max_bytes);
    const auto segment = segment_bytes(options_);
    const auto usable = segment - kSegmentHeaderBytes;
    const auto room = writer_.active_room() + left / segment * usable;
    const auto pending = writer_.pending_bytes() + bytes;
    return room < pending + pending / 8 + 2 * options_.entry_bytes_max;
}

std::vector<tunnel::Run> SpoolCore::runs() const {
    auto runs = segments_.runs(epoch_, writer_.synced());
    const auto log_first = runs.front().first;
    const auto name = [&](const tunnel::Run& run, bool has_records) {
        const auto known = std::ranges::find(runs, run.epoch, &tunnel::Run::epoch);
        if (known != runs.end()) {
            if (has_records) known->first = std::min(known->first, run.first);
        } else if (runs.size() < tunnel::kRunsMax) {
            runs.insert(runs.begin(), run);
        }
    };
    for (const auto& run : kept_.all()) name(run, true);
    // A run that is gone because a far side has all of it is named, empty, so that the far side
    // finds its position again.
    for (const auto& cursor : cursors_.all()) {
        const auto& [epoch, seq, checksum] = cursor.position;
        if (epoch != 0 && seq < log_first) name({epoch, seq + 1, seq}, false);
        for (const auto& [sent_epoch, sent] : ledger_.possible_positions(cursor.destination))
            name({sent_epoch, sent + 1, sent}, false);
    }
    // Of two that end alike the empty one, of the older epoch, stands first.
    std::ranges::sort(runs, {}, [this](const tunnel::Run& run) {
        return std::tuple(run.last, run.epoch == epoch_, ~run.first);
    });
    return runs;
}

record::Seq SpoolCore::passed() const {
    auto passed = cursors_.passed(segments_, writer_.synced());
    for (const auto& [destination, reading] : readers_)
        passed = std::min(passed, reading.log.next_seq() - 1);
    return passed;
}

bool SpoolCore::is_finding_place() const {
    return std::ranges::any_of(readers_,
                               [](const auto& each) { return each.second.log.is_unchecked(); });
}

record::Seq SpoolCore::sent_to(const std::string& destination) const {
    const auto reading = readers_.find(destination);
    if (reading != readers_.end() && !reading->second.log.is_unchecked())
        return reading->second.log.next_seq() - 1;
    const auto sent = sent_before_.find(destination);
    return sent == sent_before_.end() ? synced_at_start_ : sent->second;
}

std::optional<DiskJob> SpoolCore::next_job(base::Now now) {
    const bool may_go = !is_finding_place();
    upkeep_.begin_turn(may_go);
    if (may_go) {
        upkeep_.trim(passed());
        upkeep_.make_room(0);
    }
    auto job = next_commit(now);
    for (auto reader = readers_.begin(); !job && reader != readers_.end(); ++reader)
        job = reader->second.log.next_read(next_job_, now);
    if (!job) job = upkeep_.next_job(next_job_, now);
    if (job) ++next_job_;
    return job;
}

void SpoolCore::complete(DiskDone done, base::Now now) {
    if (writer_.is_commit(done.id)) {
        writer_.complete(std::move(done), now);
        receipts_.add(writer_.take_receipts());
        newest_.synced(writer_.synced());
        upkeep_.remove(writer_.take_leftovers());
        if (writer_.take_rolled()) upkeep_.save_soon();
        return;
    }
    if (upkeep_.is_upkeep(done.id)) return upkeep_.complete(std::move(done), now);
    for (auto& [destination, reading] : readers_) {
        if (!reading.log.is_read(done.id)) continue;
        if (done.error) ++read_errors_;
        reading.log.complete(std::move(done), now);
        return find_place(destination, reading);
    }
    // A read for a reader that was closed or opened again meanwhile.
}

std::optional<base::Instant> SpoolCore::next_deadline() const {
    auto deadline = upkeep_.next_deadline();
    if (!waits_for_room_) deadline = base::earlier(deadline, writer_.next_deadline());
    for (const auto& [destination, reading] : readers_)
        deadline = base::earlier(deadline, reading.log.next_deadline());
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
    stats_.entry_bytes = counters.entry_bytes;
    stats_.max_bytes = options_.max_bytes;
    stats_.segment_bytes = segment_bytes(options_);
    stats_.active_room_bytes = writer_.active_room_bytes();
    stats_.dropped_records = upkeep_.dropped_records();
    stats_.disk_errors = counters.disk_errors + upkeep_.disk_errors() + read_errors_;
    stats_.failing = writer_.failing() ? writer_.failing() : upkeep_.failing();
    stats_.full = is_full();
    return stats_;
}

std::vector<DestinationCounts> SpoolCore::counts() const {
    std::vector<DestinationCounts> counts;
    const auto synced = writer_.synced();
    for (const auto& cursor : cursors_.all()) {
        const auto from = cursor.counted_from;
        const auto settled = ledger_.settled(cursor.destination);
        const auto pending = ledger_.pending(cursor.destination);
        auto& count = counts.emplace_back();
        count.destination = cursor.destination;
        count.counted_from = from;
        count.accepted = synced + 1 > from ? synced + 1 - from : 0;
        const auto passed = std::min(cursor.position.seq, synced);
        const auto behind = passed + 1 > from ? passed + 1 - from : 0;
        count.delivered = behind - std::min(behind, settled.all());
        const auto ahead = count.accepted - behind;
        count.in_flight = ahead - std::min(ahead, pending.all());
        count.left_out = settled;
        count.left_out.add(pending);
    }
    return counts;
}

void SpoolCore::open_reader(const std::string& destination, const tunnel::Resume& resume) {
    close_reader(destination);
    const auto* cursor = cursors_.find(destination);
    SALLYPORT_ASSERT(cursor != nullptr);  // sessions of others are refused before they get here
    // What was sent and is gone since, its far side may well have.
    auto vouching = *cursor;
    const auto& claimed = resume.position;
    if (claimed.seq < view().first() && ledger_.may_be_at(destination, claimed.epoch, claimed.seq))
        vouching.position = claimed;
    const auto opened = readers_.emplace(
        destination, Reading{LogReader(view(), resume, vouching), resume.position});
    find_place(destination, opened.first->second);
}

void SpoolCore::close_reader(const std::string& destination) {
    if (!readers_.contains(destination)) return;
    sent_before_[destination] = sent_to(destination);
    newest_.end_pass(destination);
    readers_.erase(destination);
}

ReadResult SpoolCore::read(const std::string& destination) {
    const auto reader = readers_.find(destination);
    if (reader == readers_.end()) return NotYet{.at_end = true};
    auto& reading = reader->second;
    // What is about to go was ledgered as far as it had not been given.
    const auto leaving_below = upkeep_.leaving_below();
    if (leaving_below > std::max(reading.log.next_seq(), view().first())) return NotYet{};
    if (!reading.held) {
        const auto oldest = reading.log.oldest_unread();
        auto result = reading.log.read();
        find_place(destination, reading);
        const auto* entry = std::get_if<Entry>(&result);
        const auto* gap = std::get_if<tunnel::Gap>(&result);
        if (entry != nullptr) reading.in_pass = is_in_pass(destination, reading, *entry);
        if (entry == nullptr && gap == nullptr) return result;
        const bool waits = entry != nullptr ? must_hold_kept(destination, reading, *entry)
                                            : must_hold(destination, *gap);
        if (!waits && is_ledgered(reading.resumed_for)) return result;
        reading.held = std::move(result);
        reading.held_for = ledger_.version();
        reading.held_arrival = oldest;
        upkeep_.save_soon();
    }
    if (!is_ledgered(reading.held_for)) return NotYet{};
    return *std::exchange(reading.held, std::nullopt);
}

void SpoolCore::set_behind(const std::string& destination, bool behind) {
    const auto reader = readers_.find(destination);
    if (reader != readers_.end()) reader->second.behind = behind;
}

const Pass* SpoolCore::pass(const std::string& destination) const {
    const auto reader = readers_.find(destination);
    const bool in_pass = reader != readers_.end() && reader->second.in_pass;
    return in_pass ? newest_.pass(destination) : nullptr;
}

/// A pass begins where the one before has come to its horizon. What the destination's count does
/// not hold, and what comes out of `kept`, is not in one: the ledger would not name it.
bool SpoolCore::is_in_pass(const std::string& destination, const Reading& reading,
                           const Entry& entry) {
    const auto* cursor = cursors_.find(destination);
    if (!reading.log.kept_seqs().empty() || entry.first <= cursor->position.seq ||
        entry.first < cursor->counted_from)
        return false;
    const auto* pass = newest_.pass(destination);
    const bool goes_on = pass != nullptr && entry.last <= pass->horizon();
    if (!goes_on && reading.behind)
        newest_.begin_pass(destination, writer_.synced());
    else if (!goes_on)
        newest_.end_pass(destination);
    return goes_on || reading.behind;
}

void SpoolCore::find_place(const std::string& destination, Reading& reading) {
    reading.log.check();
    const auto place = reading.log.take_place();  // the position that is confirmed, or 0
    if (!place) return;
    const auto* cursor = cursors_.find(destination);
    // What is about to go is not read again, so that nothing of it is decided anew.
    const auto first = std::max(view().first(), upkeep_.leaving_below());
    const auto before = ledger_.version();
    ledger_.resume(destination, std::max(cursor->position.seq, *place), first);
    // What is decided anew was to be left out, and may be sent now: the far side's position must
    // not meet a row that says otherwise.
    if (ledger_.version() != before) reading.resumed_for = ledger_.version();
    if (*place == 0 || *place != reading.claimed.seq) return;
    const auto confirmed = std::exchange(reading.claimed, {});
    if (reading.claim_acknowledged) move_cursor(destination, reading.store, confirmed);
}

/// Ledgers what a gap names, but for what is there already: damage, and files that are not there
/// any more though nothing says that they were to go. True: the gap waits for that.
bool SpoolCore::must_hold(const std::string& destination, const tunnel::Gap& gap) {
    const auto* cursor = cursors_.find(destination);
    record::LedgerEntry range;
    range.peer = destination;
    range.reason = record::LedgerReason::damaged;
    range.epoch = gap.epoch;
    range.first = std::max({gap.from, cursor->position.seq + 1, cursor->counted_from});
    range.last = gap.to;
    if (range.first > range.last) return false;
    if (const auto at = segments_.find(range.first)) {
        range.since = segments_[*at].first_arrival;
        range.until = *at + 1 < segments_.size() ? segments_[*at + 1].first_arrival : range.since;
    }
    const auto before = ledger_.version();
    ledger_.add_range(range, 0);
    return ledger_.version() != before || !is_ledgered(before);
}

/// Kept records count as dropped until they are acknowledged. That they are sent is on disk first:
/// if the acknowledgement is lost, the far side's position tells.
bool SpoolCore::must_hold_kept(const std::string& destination, const Reading& reading,
                               const Entry& entry) {
    const auto& seqs = reading.log.kept_seqs();
    const auto* cursor = cursors_.find(destination);
    const auto from = std::max(cursor->position.seq + 1, cursor->counted_from);
    const auto counted = seqs.end() - std::ranges::lower_bound(seqs, from);
    if (counted == 0) return false;
    record::LedgerEntry sent;
    sent.peer = destination;
    sent.epoch = entry.epoch;
    sent.first = entry.first;
    sent.last = entry.last;
    sent.records = static_cast<std::uint64_t>(counted);
    ledger_.add_kept(std::move(sent));
    return true;
}

std::uint64_t SpoolCore::leave_out(const std::string& destination, const Entry& entry,
                                   std::vector<record::LedgerEntry> left_out) {
    const auto* cursor = cursors_.find(destination);
    // What the cursor has passed has been counted.
    if (entry.last > cursor->position.seq && entry.last >= cursor->counted_from) {
        for (auto& each : left_out) {
            each.peer = destination;
            each.epoch = entry.epoch;
            ledger_.add_records(std::move(each));
        }
        upkeep_.save_soon();
    }
    return ledger_.version();
}

std::optional<base::WallTime> SpoolCore::oldest_unread(const std::string& destination) const {
    const auto reader = readers_.find(destination);
    if (reader == readers_.end()) return std::nullopt;
    const auto& reading = reader->second;
    return reading.held ? reading.held_arrival : reading.log.oldest_unread();
}

void SpoolCore::advance_cursor(const std::string& destination, std::uint64_t store,
                               const tunnel::Position& position) {
    const auto reading = readers_.find(destination);
    if (reading != readers_.end() && position == reading->second.claimed) {
        reading->second.claim_acknowledged = true;
        reading->second.store = store;
        return;
    }
    move_cursor(destination, store, position);
}

void SpoolCore::move_cursor(const std::string& destination, std::uint64_t store,
                            const tunnel::Position& position) {
    if (!cursors_.advance(destination, store, position, segments_, writer_.synced())) return;
    for (const auto& entry : ledger_.settle(destination, position.seq)) receipts_.leave_out(entry);
    receipts_.passed(delivered());
}

}  // namespace

base::Result<std::unique_ptr<Spool>, DiskError> Spool::recover(const SpoolOptions& options,
                                                               Disk& disk, record::Epoch epoch,
                                                               std::uint64_t seed, base::Now now) {
    SALLYPORT_ASSERT(epoch != 0);
    auto recovered = recover_log(options, disk, epoch, seed, now.wall);
    if (!recovered) return recovered.error();
    return std::unique_ptr<Spool>(std::make_unique<SpoolCore>(options, std::move(*recovered), now));
}

}  // namespace sallyport::spool
