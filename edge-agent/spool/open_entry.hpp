// The entry that is being filled: each record is copied once, into an arena, and encoded when the
// entry is sealed. A sealed entry stays in memory until it is synced, and for readers while the
// cache has room.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "common/base/bytes.hpp"
#include "common/tunnel/frame.hpp"
#include "edge-agent/spool/disk.hpp"

namespace sallyport::spool {

/// An entry as it will lie on disk, but for its segment's checksum.
struct SealedEntry {
    record::Seq first = 0, last = 0;
    base::WallTime first_arrival;
    std::shared_ptr<const base::Bytes> body;
    base::Bytes local;
    std::vector<Receipt> receipts;   // which `local` holds, until it is synced
    std::size_t accepted_bytes = 0;  // what its records counted as pending

    std::size_t records() const { return static_cast<std::size_t>(last - first + 1); }
    std::size_t disk_bytes() const;
    std::size_t memory_bytes() const { return body->size() + local.size() + sizeof(SealedEntry); }
};

class OpenEntry {
public:
    /// What a record adds to the entry, at most.
    static std::size_t encoded_bytes(const tunnel::BatchRecord& record);

    bool empty() const { return count_ == 0; }
    std::size_t records() const { return count_; }
    std::size_t bytes() const { return bytes_; }
    base::WallTime first_arrival() const { return records_.front().arrival_time; }

    void add(record::Seq seq, const tunnel::BatchRecord& record);
    /// Of the record that was added last.
    void add_receipt(const Receipt& receipt);
    SealedEntry seal(record::Epoch epoch, std::span<const record::Tag> new_tags);

private:
    struct Place {
        std::size_t value = 0, properties = 0;  // offsets in the arena
    };
    std::vector<tunnel::BatchRecord>
        records_;  // the first count_ are in use; the rest keep their memory
    std::vector<Place> places_;
    std::vector<Receipt> receipts_;
    base::Bytes arena_;
    std::size_t count_ = 0;
    std::size_t bytes_ = 0;
};

/// The sealed entries in memory: first those that are synced and kept for readers, then those that
/// are not synced yet. They tile the sequence and are all of the current epoch.
class RecentEntries {
public:
    RecentEntries(std::size_t cache_bytes_max, record::Seq synced)
        : cache_bytes_max_(cache_bytes_max), synced_(synced) {}

    record::Seq synced() const { return synced_; }
    std::size_t unsynced_count() const { return unsynced_; }
    /// The i-th entry that is not synced.
    const SealedEntry& unsynced(std::size_t i) const;
    /// The entry that holds `seq`, synced or not; null where it is not in memory.
    const SealedEntry* find(record::Seq seq) const;

    void push(SealedEntry entry);
    /// The first `count` unsynced entries are synced; gives the accepted bytes they stood for, and
    /// adds their receipts to `receipts`.
    std::size_t mark_synced(std::size_t count, std::vector<Receipt>& receipts);

private:
    std::deque<SealedEntry> entries_;
    std::size_t unsynced_ = 0;
    std::size_t cached_bytes_ = 0;  // of the synced ones
    std::size_t cache_bytes_max_;
    record::Seq synced_;
};

}  // namespace sallyport::spool
