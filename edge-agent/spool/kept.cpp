#include "edge-agent/spool/kept.hpp"

#include <algorithm>
#include <utility>

#include "edge-agent/spool/open_entry.hpp"

namespace sallyport::spool {
namespace {

/// So often is a read tried before its bytes count as damaged.
constexpr unsigned kReadTriesMax = 10;
/// A Batch spans no more seqs than it may hold records.
constexpr record::Seq kBatchSpanMax = tunnel::kBatchRecordsMax - 1;

}  // namespace

std::uint8_t carries(const record::Record& record) {
    unsigned bits = 0;
    if ((record.flags & record::kHasValue) != 0) bits |= kCarriesValue;
    if ((record.flags & record::kRetain) != 0) bits |= kCarriesRetain;
    return static_cast<std::uint8_t>(bits);
}

std::size_t NewestRecords::bytes_of(const Held& held) {
    return sizeof(Held) + held.value.size() + held.properties.size();
}

void NewestRecords::hold(record::Epoch epoch, record::TagId tag,
                         const tunnel::BatchRecord& record) {
    const auto bits = carries(record);
    auto& of_tag = held_[tag];
    for (unsigned other = 0; other < kCombinations; ++other) {
        if (other == bits || (other & ~unsigned{bits}) != 0 || !of_tag[other]) continue;
        bytes_ -= bytes_of(*of_tag[other]);  // superseded
        of_tag[other].reset();
    }
    auto& held = of_tag[bits];
    if (held) bytes_ -= bytes_of(*held);
    if (!held) held.emplace();
    held->epoch = epoch;
    held->value.assign(record.value.begin(), record.value.end());
    held->properties.assign(record.properties.begin(), record.properties.end());
    held->record = {static_cast<const record::Record&>(record), {}};
    held->record.tag = tag;
    bytes_ += bytes_of(*held);
}

void NewestRecords::add(record::Epoch epoch, const tunnel::BatchRecord& record) {
    hold(epoch, record.tag, record);
    for (const auto tag : record.also_tags) hold(epoch, tag, record);
}

std::vector<KeptRecord> NewestRecords::records() const {
    std::vector<KeptRecord> records;
    for (const auto& [tag, of_tag] : held_) {
        for (const auto& held : of_tag) {
            if (!held) continue;
            auto record = held->record;
            record.value = held->value;
            record.properties = held->properties;
            records.push_back(
                {tag, carries(record), held->epoch, record.seq,
                 tunnel::encode_batch({held->epoch, record.seq, record.seq}, {&record, 1})});
        }
    }
    std::ranges::sort(records, {}, &KeptRecord::seq);
    return records;
}

void NewestRecords::clear() {
    held_.clear();
    bytes_ = 0;
}

SegmentMover::SegmentMover(const Segment& segment)
    : name_(segment.name),
      ordinal_(segment.ordinal),
      epoch_(segment.epoch),
      last_(segment.last),
      scanner_(segment.seed, kSegmentHeaderBytes, segment.end) {
    scan();
}

void SegmentMover::scan() {
    while (!ended_) {
        const auto step = scanner_.next();
        if (const auto* need = std::get_if<EntryScanner::NeedBytes>(&step)) {
            needed_ = *need;
            return;
        }
        const auto* found = std::get_if<EntryScanner::Found>(&step);
        // Entries from the next segment's first seq on are void.
        ended_ = found == nullptr || found->header.first > last_;
        if (ended_ || !tunnel::decode_batch(found->body, records_)) continue;
        for (const auto& record : records_) newest_.add(epoch_, record);
    }
}

std::optional<ReadBytes> SegmentMover::next_read() {
    if (ended_ || must_save()) return std::nullopt;
    return ReadBytes{name_, needed_.offset, needed_.length};
}

void SegmentMover::supply(base::Bytes bytes) {
    failed_reads_ = 0;
    scanner_.supply(needed_.offset, std::move(bytes), needed_.length);
    scan();
}

void SegmentMover::failed(bool gone, bool count) {
    if (gone) {
        ended_ = true;
        return;
    }
    if (count) ++failed_reads_;
    if (failed_reads_ >= kReadTriesMax) supply(base::Bytes(needed_.length));
}

KeptRuns::KeptRuns(const std::vector<tunnel::Run>& stored) {
    for (const auto& run : stored) runs_[run.last] = run;
}

void KeptRuns::note(const std::vector<KeptRecord>& saved) {
    for (const auto& record : saved) {
        const auto known = std::ranges::find_if(
            runs_, [&](const auto& each) { return each.second.epoch == record.epoch; });
        tunnel::Run run{record.epoch, record.seq, record.seq};
        if (known != runs_.end()) {
            run.first = std::min(run.first, known->second.first);
            run.last = std::max(run.last, known->second.last);
            if (run == known->second) continue;
            runs_.erase(known);
        }
        runs_[run.last] = run;
    }
}

std::vector<tunnel::Run> KeptRuns::all() const {
    std::vector<tunnel::Run> all;
    all.reserve(runs_.size());
    for (const auto& [last, run] : runs_) all.push_back(run);
    if (all.size() > kKeptRunsMax)
        all.erase(all.begin(), all.end() - static_cast<std::ptrdiff_t>(kKeptRunsMax));
    return all;
}

bool KeptRuns::may_have(record::Seq from, record::Seq below) const {
    const auto run = runs_.lower_bound(std::max(from, oldest()));
    return run != runs_.end() && run->second.first < below;
}

record::Seq KeptRuns::oldest() const {
    if (runs_.empty()) return 0;
    auto oldest = runs_.begin();
    if (runs_.size() > kKeptRunsMax)
        oldest = std::prev(runs_.end(), static_cast<std::ptrdiff_t>(kKeptRunsMax));
    return oldest->second.first;
}

namespace {

KeptEntry encode_entry(record::Epoch epoch, const std::vector<tunnel::BatchRecord>& records) {
    KeptEntry kept;
    kept.entry.epoch = epoch;
    kept.entry.first = records.front().seq;
    kept.entry.last = records.back().seq;
    auto body = tunnel::encode_batch({epoch, kept.entry.first, kept.entry.last}, records);
    body.resize(padded(body.size()));
    kept.entry.body = std::make_shared<const base::Bytes>(std::move(body));
    for (const auto& record : records) kept.seqs.push_back(record.seq);
    kept.first_arrival = records.front().arrival_time;
    return kept;
}

}  // namespace

std::vector<KeptEntry> pack(const std::vector<KeptRecord>& kept, std::size_t entry_bytes_max) {
    std::vector<KeptEntry> entries;
    std::vector<tunnel::BatchRecord> open, one;
    record::Epoch epoch = 0;
    std::size_t bytes = 0;
    for (const auto& each : kept) {
        if (!tunnel::decode_batch(each.body, one) || one.size() != 1) continue;
        auto& record = one.front();
        if (!open.empty() && epoch == each.epoch && open.back().seq == record.seq) {
            open.back().also_tags.push_back(record.tag);  // one change of many tags' quality
            continue;
        }
        const auto more = OpenEntry::encoded_bytes(record);
        const bool full = !open.empty() && (epoch != each.epoch || bytes + more > entry_bytes_max ||
                                            open.size() == tunnel::kBatchRecordsMax ||
                                            record.seq - open.front().seq > kBatchSpanMax);
        if (full) {
            entries.push_back(encode_entry(epoch, open));
            open.clear();
            bytes = 0;
        }
        epoch = each.epoch;
        bytes += more;
        open.push_back(std::move(record));
    }
    if (!open.empty()) entries.push_back(encode_entry(epoch, open));
    return entries;
}

}  // namespace sallyport::spool
