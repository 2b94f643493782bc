#include "edge-agent/spool/open_entry.hpp"

#include <algorithm>
#include <utility>

#include "common/base/assert.hpp"
#include "edge-agent/spool/entry_format.hpp"

namespace sallyport::spool {
namespace {

// A Cap'n Proto record: four words of numbers, three pointers, and a tag word where a list follows.
constexpr std::size_t kRecordBytes = 64;

}  // namespace

std::size_t SealedEntry::disk_bytes() const {
    return kEntryHeaderBytes + body->size() + local.size();
}

std::size_t OpenEntry::encoded_bytes(const tunnel::BatchRecord& record) {
    return kRecordBytes + padded(record.value.size()) + padded(record.properties.size()) +
           padded(record.also_tags.size() * sizeof(record::TagId));
}

void OpenEntry::add(record::Seq seq, const tunnel::BatchRecord& record) {
    SALLYPORT_ASSERT(count_ < tunnel::kBatchRecordsMax);
    SALLYPORT_ASSERT(count_ == 0 || records_[count_ - 1].seq + 1 == seq);
    if (count_ == records_.size()) {
        records_.emplace_back();
        places_.emplace_back();
    }
    places_[count_] = {arena_.size(), arena_.size() + record.value.size()};
    base::append(arena_, record.value);
    base::append(arena_, record.properties);
    auto& kept = records_[count_];
    kept = record;  // the views are set when the arena no longer moves
    kept.seq = seq;
    ++count_;
    bytes_ += encoded_bytes(record);
}

void OpenEntry::add_receipt(const Receipt& receipt) {
    receipts_.push_back(receipt);
    bytes_ += kReceiptBytes;
}

SealedEntry OpenEntry::seal(record::Epoch epoch, std::span<const record::Tag> new_tags) {
    SALLYPORT_ASSERT(count_ > 0);
    for (std::size_t i = 0; i < count_; ++i) {
        auto& record = records_[i];
        record.value = base::ByteView(arena_).subspan(places_[i].value, record.value.size());
        record.properties =
            base::ByteView(arena_).subspan(places_[i].properties, record.properties.size());
    }
    SealedEntry sealed;
    sealed.first = records_.front().seq;
    sealed.last = records_[count_ - 1].seq;
    sealed.first_arrival = records_.front().arrival_time;
    auto body =
        tunnel::encode_batch({epoch, sealed.first, sealed.last}, std::span(records_).first(count_));
    body.resize(padded(body.size()));
    sealed.body = std::make_shared<const base::Bytes>(std::move(body));
    sealed.local = encode_local(new_tags, receipts_);
    sealed.receipts = std::exchange(receipts_, {});
    sealed.accepted_bytes = bytes_;
    arena_.clear();
    count_ = 0;
    bytes_ = 0;
    return sealed;
}

const SealedEntry& RecentEntries::unsynced(std::size_t i) const {
    SALLYPORT_ASSERT(i < unsynced_);
    return entries_[entries_.size() - unsynced_ + i];
}

const SealedEntry* RecentEntries::find(record::Seq seq) const {
    const auto at = std::lower_bound(
        entries_.begin(), entries_.end(), seq,
        [](const SealedEntry& entry, record::Seq value) { return entry.last < value; });
    return at != entries_.end() && at->first <= seq ? &*at : nullptr;
}

void RecentEntries::push(SealedEntry entry) {
    SALLYPORT_ASSERT(entry.first == (entries_.empty() ? synced_ : entries_.back().last) + 1);
    entries_.push_back(std::move(entry));
    ++unsynced_;
}

std::size_t RecentEntries::mark_synced(std::size_t count, std::vector<Receipt>& receipts) {
    SALLYPORT_ASSERT(count <= unsynced_);
    std::size_t accepted_bytes = 0;
    for (; count > 0; --count, --unsynced_) {
        auto& entry = entries_[entries_.size() - unsynced_];
        SALLYPORT_ASSERT(entry.first == synced_ + 1);
        synced_ = entry.last;
        accepted_bytes += entry.accepted_bytes;
        entry.local = {};
        receipts.insert(receipts.end(), entry.receipts.begin(), entry.receipts.end());
        entry.receipts = {};
        cached_bytes_ += entry.memory_bytes();
    }
    while (entries_.size() > unsynced_ && cached_bytes_ > cache_bytes_max_) {
        cached_bytes_ -= entries_.front().memory_bytes();
        entries_.pop_front();
    }
    return accepted_bytes;
}

}  // namespace sallyport::spool
