#include "edge-agent/spool/recovery.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "common/base/mutants.hpp"
#include "edge-agent/spool/entry_scanner.hpp"
#include "edge-agent/spool/tail_keeper.hpp"

namespace sallyport::spool {
namespace {

constexpr unsigned kReadTriesMax = 3;
constexpr std::size_t kPieceBytes = 4096;
/// So many pieces of one segment are passed over as unreadable before the search in it ends.
constexpr unsigned kBadPiecesMax = 16;
/// Ids kept out of use for tags that an unreadable piece may have defined.
constexpr record::TagId kTagsKeptOut = 16384;

class Recovery {
public:
    Recovery(const SpoolOptions& options, Disk& disk, record::Epoch epoch, std::uint64_t seed,
             base::WallTime now)
        : options_(options), disk_(disk), epoch_(epoch), seed_(seed), now_(now) {}

    base::Result<RecoveredLog, DiskError> run();

private:
    base::Result<void, DiskError> load_checkpoint();
    void take_file(const FileInfo& file, const SegmentName& name);
    void set_aside(const FileInfo& file, const SegmentName& name);
    bool is_blank(const FileInfo& file);
    void drop_void_segments();
    void drop_gone_segments();
    void find_tail();
    void scan_for_tags();
    void place_next_record();
    void note_torn_tail();
    bool save_torn_tail();
    base::Result<void, DiskError> secure_tail();
    base::Result<void, DiskError> begin_segment();
    bool has_room_for_a_segment() const;
    void rename_damaged();
    void write_ledger();

    ScannedTail scan(Segment& segment, record::Seq void_from);
    void take_entry(const EntryScanner::Found& found);
    std::optional<base::Bytes> read(const std::string& name, std::uint64_t offset,
                                    std::size_t length);
    base::Bytes read_in_pieces(const std::string& name, const EntryScanner::NeedBytes& what,
                               unsigned& bad_pieces);

    const SpoolOptions& options_;
    Disk& disk_;
    record::Epoch epoch_;
    std::uint64_t seed_;
    base::WallTime now_;
    std::vector<Segment> found_;        // oldest first, in the end without those that hold nothing
    std::vector<std::string> damaged_;  // not segments, whatever their names say
    ScannedTail tail_;                  // of the last of found_
    record::Seq seqs_in_doubt_ = 0;     // files that cannot be read may hold seqs up to here
    record::TagId last_used_tag_ = 0;
    std::vector<tunnel::BatchRecord> records_;
    bool has_checkpoint_ = false, noted_torn_tail_ = false, torn_tail_is_saved_ = true;
    std::vector<Cursor> cursors_;  // as they are in the checkpoint
    LocalPart local_;
    std::vector<Receipt> receipts_;        // that may be open
    record::Seq receipts_from_ = kSeqEnd;  // those of older records are in the checkpoint, if open
    RecoveredLog log_;
};

/// Without its tags records could be given wrong topics: a checkpoint that cannot be read at the
/// moment is no reason to begin without one. One that is lost is empty: then the whole log is
/// scanned.
base::Result<void, DiskError> Recovery::load_checkpoint() {
    auto stored = disk_.load();
    for (unsigned i = 1; !stored && i < kReadTriesMax; ++i) stored = disk_.load();
    if (!stored) return stored.error();
    log_.cursors = CursorTable(options_.destinations, stored->cursors);
    log_.ledger = Ledger(std::move(stored->ledger.put));
    log_.kept = KeptRuns(stored->kept_runs);
    log_.saved.gone_below = std::min(stored->gone_below, kSeqEnd);
    seqs_in_doubt_ = std::max(seqs_in_doubt_, log_.saved.gone_below - 1);
    log_.saved.tags_complete_below = std::min(stored->tags_complete_below, kSeqEnd);
    // Where it is lost nobody can tell which receipts of the log were released. One that was would
    // swallow another message; without one a message that is sent again becomes a second record.
    if (stored->exists) receipts_from_ = log_.saved.tags_complete_below;
    has_checkpoint_ = stored->exists;
    receipts_ = std::move(stored->receipts);
    for (const auto& cursor : stored->cursors)
        if (cursor.position.seq < kSeqEnd)
            seqs_in_doubt_ = std::max(seqs_in_doubt_, cursor.position.seq);
    for (const auto& tag : stored->tags) log_.tags.restore(tag);
    log_.tags.keep_out(stored->last_tag);
    cursors_ = std::move(stored->cursors);
    while (log_.tags.topic(log_.saved.last_tag + 1)) ++log_.saved.last_tag;
    return {};
}

std::optional<base::Bytes> Recovery::read(const std::string& name, std::uint64_t offset,
                                          std::size_t length) {
    for (unsigned i = 0; i < kReadTriesMax; ++i)
        if (auto bytes = disk_.read(name, offset, length)) return std::move(*bytes);
    return std::nullopt;
}

base::Bytes Recovery::read_in_pieces(const std::string& name, const EntryScanner::NeedBytes& what,
                                     unsigned& bad_pieces) {
    if (auto bytes = read(name, what.offset, what.length)) return std::move(*bytes);
    base::Bytes all;
    while (all.size() < what.length && bad_pieces < kBadPiecesMax) {
        const auto length = std::min(kPieceBytes, what.length - all.size());
        const auto piece = read(name, what.offset + all.size(), length);
        if (!piece) ++bad_pieces;
        if (piece)
            base::append(all, *piece);
        else
            all.resize(all.size() + length);
        if (piece && piece->size() < length) break;
    }
    return all;
}

/// Cannot be read as a segment: kept for a person, and what it may have held is never numbered
/// again.
void Recovery::set_aside(const FileInfo& file, const SegmentName& name) {
    ++log_.report.damaged_segments;
    seqs_in_doubt_ =
        std::max(seqs_in_doubt_, std::min(name.first + file.size / kRecordBytesMin, kSeqEnd - 1));
}

bool Recovery::is_blank(const FileInfo& file) {
    for (std::uint64_t offset = 0; offset < file.size; offset += kReadChunkBytes) {
        const auto bytes = read(file.name, offset, kReadChunkBytes);
        if (!bytes || !is_zero(*bytes)) return false;
    }
    return true;
}

void Recovery::take_file(const FileInfo& file, const SegmentName& name) {
    // Whatever is in it: its name is not used again, and it is not written over.
    log_.writer.next_ordinal = std::max(log_.writer.next_ordinal, name.ordinal + 1);
    const auto page = read(file.name, 0, kSegmentHeaderBytes);
    const auto header = page ? decode_segment_header(*page) : std::nullopt;
    if (page && !header) {
        if (is_blank(file)) {
            log_.leftovers.push_back(file);  // its making was cut short
            return;
        }
        set_aside(file, name);
        damaged_.push_back(file.name);
        return;
    }
    if (!header && (name.first == 0 || name.first >= kSeqEnd)) return;
    // Where the header cannot be read now, its name says what it says: whoever comes to the segment
    // tries again.
    Segment segment;
    segment.name = file.name;
    segment.epoch = name.epoch;
    segment.first = name.first;
    segment.ordinal = name.ordinal;
    segment.seed.reset();
    segment.size = file.size / 8 * 8;
    segment.end = segment.size;
    if (header) {
        segment.epoch = header->epoch;
        segment.first = header->first;
        segment.ordinal = header->ordinal;
        segment.seed = header->seed;
        const auto bytes = read(file.name, kSegmentHeaderBytes, kEntryHeaderBytes);
        const auto entry = bytes ? decode_entry_header(*bytes, header->seed) : std::nullopt;
        if (entry) segment.first_arrival = entry->first_arrival;
    }
    log_.writer.next_ordinal = std::max(log_.writer.next_ordinal, segment.ordinal + 1);
    // The next segment must not begin before this one, even if this one is empty: its entries would
    // be void as soon as this one is taken for the later.
    seqs_in_doubt_ = std::max(seqs_in_doubt_, segment.first - 1);
    found_.push_back(std::move(segment));
}

/// Entries at or above a later segment's first seq are void: they were appended again there.
void Recovery::drop_void_segments() {
    std::sort(found_.begin(), found_.end(), [](const Segment& a, const Segment& b) {
        return std::pair(a.first, a.ordinal) < std::pair(b.first, b.ordinal);
    });
    std::vector<Segment> kept;
    for (std::size_t i = 0; i < found_.size(); ++i) {
        if (i + 1 < found_.size() && found_[i + 1].first == found_[i].first) {
            log_.leftovers.push_back({found_[i].name, found_[i].size});
            continue;
        }
        if (i + 1 < found_.size()) found_[i].last = found_[i + 1].first - 1;
        if (!found_[i].seed && !kept.empty()) found_[i].first_arrival = kept.back().first_arrival;
        kept.push_back(std::move(found_[i]));
    }
    found_ = std::move(kept);
}

/// The checkpoint says that they are gone: the process ended before their files went.
void Recovery::drop_gone_segments() {
    std::size_t gone = 0;
    while (gone + 1 < found_.size() && found_[gone + 1].first <= log_.saved.gone_below) {
        log_.leftovers.push_back({found_[gone].name, found_[gone].size});
        ++gone;
    }
    found_.erase(found_.begin(), found_.begin() + static_cast<std::ptrdiff_t>(gone));
}

void Recovery::take_entry(const EntryScanner::Found& found) {
    ++log_.report.entries_scanned;
    local_ = {};
    if (base::mutant(base::Mutant::tag_id_reused)) return;
    (void)decode_local(found.local, local_);
    for (const auto& tag : local_.new_tags) log_.tags.restore(tag);
    for (const auto& receipt : local_.receipts)
        if (receipt.seq >= receipts_from_) receipts_.push_back(receipt);
    if (!tunnel::decode_batch(found.body, records_)) return;
    for (const auto& record : records_) {
        last_used_tag_ = std::max(last_used_tag_, record.tag);
        log_.newest.restore(record);
    }
}

ScannedTail Recovery::scan(Segment& segment, record::Seq void_from) {
    ScannedTail scan;
    unsigned bad_pieces = 0;
    record::Seq expected = segment.first;
    EntryScanner scanner(segment.seed, kSegmentHeaderBytes, segment.size);
    for (;;) {
        const auto step = scanner.next();
        if (const auto* need = std::get_if<EntryScanner::NeedBytes>(&step)) {
            scanner.supply(need->offset, read_in_pieces(segment.name, *need, bad_pieces),
                           need->length);
            continue;
        }
        const auto* found = std::get_if<EntryScanner::Found>(&step);
        if (found == nullptr || found->header.first >= void_from) break;
        if (found->header.first != expected) ++log_.report.damaged_entries;
        if (scan.last == 0) segment.first_arrival = found->header.first_arrival;
        segment.add_index_point(found->header.first, found->offset);
        expected = found->header.last + 1;
        scan.last = found->header.last;
        scan.end = scanner.offset();
        if (!scan.doubtful_from && found->header.last >= log_.saved.tags_complete_below)
            scan.doubtful_from = found->offset;
        take_entry(*found);
    }
    scan.garbage_behind = scanner.met_garbage();
    segment.seed = scanner.seed();
    scan.unreadable = bad_pieces > 0 || !segment.seed;
    if (scan.unreadable)
        last_used_tag_ = std::max(last_used_tag_, log_.tags.last_id() + kTagsKeptOut);
    return scan;
}

/// The newest segment that holds something; newer ones that hold nothing are left over from starts
/// that accepted nothing.
void Recovery::find_tail() {
    auto void_from = kSeqEnd;
    while (!found_.empty()) {
        auto& segment = found_.back();
        tail_ = scan(segment, void_from);
        log_.report.torn_tail = log_.report.torn_tail || tail_.garbage_behind;
        if (tail_.unreadable) {
            set_aside({segment.name, segment.size}, {segment.first, segment.epoch, 0});
            if (void_from < kSeqEnd) seqs_in_doubt_ = std::max(seqs_in_doubt_, void_from - 1);
        }
        if (tail_.last != 0 || tail_.unreadable) break;
        void_from = segment.first;
        log_.writer.voiding.push_back({segment.name, segment.size});
        found_.pop_back();
    }
    if (found_.empty()) return;
    if (!tail_.unreadable && tail_.last < log_.saved.gone_below) {
        log_.leftovers.push_back({found_.back().name, found_.back().size});
        found_.pop_back();
        return;
    }
    found_.back().last = tail_.last;
    log_.report.last_seq = tail_.last;
    if (!tail_.unreadable) found_.back().end = tail_.end;
}

void Recovery::scan_for_tags() {
    for (std::size_t i = 0; i + 1 < found_.size(); ++i)
        if (found_[i].last >= log_.saved.tags_complete_below) scan(found_[i], found_[i + 1].first);
    log_.tags.keep_out(last_used_tag_);
    log_.tags.mark_all_defined();
}

/// Behind everything that was ever numbered, as far as anything here tells.
void Recovery::place_next_record() {
    const auto tail_last = found_.empty() ? 0 : found_.back().last;
    log_.writer.first =
        std::max({tail_last, seqs_in_doubt_, log_.saved.tags_complete_below - 1}) + 1;
    if (base::mutant(base::Mutant::seq_reused_after_damage)) log_.writer.first = tail_last + 1;
    if (!found_.empty() && tail_.unreadable) found_.back().last = log_.writer.first - 1;
}

/// An earlier start, which ended before it was through, may have noted it.
void Recovery::note_torn_tail() {
    if (!log_.report.torn_tail || std::exchange(noted_torn_tail_, true)) return;
    record::LedgerEntry entry;
    entry.since = entry.until = now_;
    entry.reason = record::LedgerReason::torn_tail;
    if (!found_.empty()) entry.epoch = found_.back().epoch;
    entry.first = log_.report.last_seq + 1;
    entry.last = 0;  // nobody knows how many: perhaps none of them was acknowledged
    entry.records = 0;
    const auto notes_it = [&](const record::LedgerRow& row) {
        return row.entry.reason == entry.reason && row.entry.epoch == entry.epoch &&
               row.entry.first == entry.first;
    };
    if (std::ranges::none_of(log_.ledger.rows(), notes_it)) log_.ledger.add_note(entry);
}

/// The file shows that something was cut off until it is rewritten, or a new segment begins in its
/// place: this start may end before it is through, and the next one sees nothing of it. (A
/// checkpoint that is lost is not made here: that it is missing says more.)
bool Recovery::save_torn_tail() {
    note_torn_tail();
    if (!has_checkpoint_) return true;
    Checkpoint checkpoint;
    checkpoint.last_tag = log_.tags.last_id();
    checkpoint.cursors = cursors_;
    checkpoint.tags_complete_below = log_.saved.tags_complete_below;
    checkpoint.gone_below = log_.saved.gone_below;
    checkpoint.ledger = log_.ledger.take_change();
    const bool saved = disk_.save(checkpoint).has_value();
    if (saved)
        log_.ledger.saved();
    else
        log_.ledger.save_failed();
    return saved;
}

base::Result<void, DiskError> Recovery::secure_tail() {
    if (found_.empty() || base::mutant(base::Mutant::tail_not_secured)) return {};
    return TailKeeper(disk_, options_.edge, log_.writer.next_ordinal, log_.leftovers)
        .secure(found_.back(), tail_, torn_tail_is_saved_);
}

bool Recovery::has_room_for_a_segment() const {
    auto bytes = log_.segments.bytes() + segment_bytes(options_);
    for (const auto& file : log_.leftovers) bytes += file.size;
    for (const auto& file : log_.writer.voiding) bytes += file.size;
    return bytes <= options_.max_bytes;
}

/// Proves that the directory can be written in. In a full log the first commit does it, when there
/// is room.
base::Result<void, DiskError> Recovery::begin_segment() {
    if (log_.segments.size() > 1 && !has_room_for_a_segment()) return {};
    Segment segment;
    segment.epoch = epoch_;
    segment.first = log_.writer.first;
    segment.last = segment.first - 1;
    segment.ordinal = log_.writer.next_ordinal++;
    segment.seed = segment_seed(seed_, segment.ordinal);
    segment.name = to_string(SegmentName{segment.first, epoch_, segment.ordinal});
    segment.size = segment_bytes(options_);
    segment.end = kSegmentHeaderBytes;
    const SegmentHeader header{options_.edge, epoch_, segment.first, segment.ordinal,
                               *segment.seed};

    auto done = disk_.create(segment.name, segment.size);
    if (done) done = disk_.write(segment.name, 0, encode(header));
    if (done) done = disk_.sync(segment.name);
    if (done) done = disk_.sync_directory();
    if (done) {
        log_.writer.active = true;
        log_.segments.push_back(std::move(segment));
        for (auto& file : std::exchange(log_.writer.voiding, {}))
            log_.leftovers.push_back(std::move(file));
        return {};
    }
    log_.leftovers.push_back({segment.name, segment.size});
    log_.writer.failing = done.error();
    const bool hopeless = done.error() == DiskError::denied || done.error() == DiskError::read_only;
    return hopeless ? done : base::Result<void, DiskError>{};
}

/// Only when a segment behind all that such a file may have held is durable: until then its name is
/// the only thing that says which seqs were in use.
void Recovery::rename_damaged() {
    if (!log_.writer.active) return;
    for (const auto& name : damaged_) (void)disk_.rename(name, name + ".damaged");
}

/// What the start itself decides: cursors that are freed, and a tail that is cut off.
void Recovery::write_ledger() {
    note_torn_tail();
    const auto synced = log_.writer.first - 1;
    log_.cursors.count_from(log_.segments.empty() ? synced + 1 : log_.segments.front().first);
    record::LedgerEntry entry;
    entry.since = entry.until = now_;
    entry.reason = record::LedgerReason::cursor_freed;
    for (const auto& cursor : log_.cursors.freed()) {
        entry.peer = cursor.destination;
        entry.epoch = cursor.position.epoch;
        entry.first = std::max(cursor.position.seq + 1, cursor.counted_from);
        entry.last = synced;
        entry.records = entry.last + 1 > entry.first ? entry.last + 1 - entry.first : 0;
        log_.ledger.add_note(entry);
        log_.report.freed_cursors.push_back(cursor.destination);
    }
}

base::Result<RecoveredLog, DiskError> Recovery::run() {
    const auto files = disk_.list();
    if (!files) return files.error();
    log_.writer.epoch = epoch_;
    log_.writer.seed = seed_;
    log_.writer.next_ordinal = 1;
    if (const auto done = load_checkpoint(); !done) return done.error();
    for (const auto& file : *files) {
        if (is_unfinished_name(file.name)) log_.leftovers.push_back(file);
        if (const auto name = parse_segment_name(file.name)) take_file(file, *name);
    }
    drop_void_segments();
    drop_gone_segments();
    find_tail();
    scan_for_tags();
    place_next_record();
    if (log_.report.torn_tail) torn_tail_is_saved_ = save_torn_tail();
    if (const auto done = secure_tail(); !done) return done.error();
    // A new log has one from the first record on. (Where this fails, none of its receipts counts.)
    if (found_.empty() && !has_checkpoint_) (void)disk_.save({});
    log_.report.segments = found_.size();
    for (auto& segment : found_) log_.segments.push_back(std::move(segment));
    if (const auto done = begin_segment(); !done) return done.error();
    rename_damaged();
    log_.receipts = Receipts(std::move(receipts_));
    write_ledger();
    return std::move(log_);
}

}  // namespace

base::Result<RecoveredLog, DiskError> recover_log(const SpoolOptions& options, Disk& disk,
                                                  record::Epoch epoch, std::uint64_t seed,
                                                  base::WallTime now) {
    return Recovery(options, disk, epoch, seed, now).run();
}

}  // namespace sallyport::spool
