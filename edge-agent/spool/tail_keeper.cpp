#include "edge-agent/spool/tail_keeper.hpp"

#include <algorithm>
#include <utility>

#include "edge-agent/spool/entry_scanner.hpp"

namespace sallyport::spool {

base::Result<void, DiskError> TailKeeper::copy_bytes(const std::string& from, const std::string& to,
                                                     std::uint64_t begin, std::uint64_t end) {
    for (auto at = begin; at < end; at += kReadChunkBytes) {
        const auto length = std::min<std::uint64_t>(kReadChunkBytes, end - at);
        const auto bytes = disk_.read(from, at, static_cast<std::size_t>(length));
        if (!bytes) return bytes.error();
        if (const auto done = disk_.write(to, at, *bytes); !done) return done;
    }
    return {};
}

/// Where a sync of the process before failed, the kernel holds for clean what never reached the
/// disk: another sync would return, and write nothing. So all that the checkpoint does not know as
/// synced is written once more, as it was read.
base::Result<void, DiskError> TailKeeper::write_again(const Segment& tail,
                                                      const ScannedTail& scanned) {
    if (scanned.unreadable || !scanned.doubtful_from) return {};
    return copy_bytes(tail.name, tail.name, *scanned.doubtful_from, scanned.end);
}

base::Result<void, DiskError> TailKeeper::copy(const Segment& from, std::uint64_t end,
                                               const std::string& to) {
    const SegmentHeader header{edge_, from.epoch, from.first, next_ordinal_, from.seed.value_or(0)};
    if (const auto done = disk_.create(to, end); !done) return done;
    if (const auto done = disk_.write(to, 0, encode(header)); !done) return done;
    if (const auto done = copy_bytes(from.name, to, kSegmentHeaderBytes, end); !done) return done;
    return disk_.sync(to);
}

/// The tail's entries, byte for byte, in a file without room to spare. It counts from its rename
/// on, when all of it is durable; the old file is void from then.
base::Result<Segment, DiskError> TailKeeper::move(const Segment& tail, std::uint64_t end) {
    const SegmentName name{tail.first, tail.epoch, next_ordinal_};
    const auto unfinished = unfinished_name(name);
    const auto copied = copy(tail, end, unfinished);
    if (!copied) {
        leftovers_.push_back({unfinished, end});
        return copied.error();
    }
    auto moved = tail;
    moved.name = to_string(name);
    moved.ordinal = next_ordinal_++;
    moved.size = moved.end = end;
    auto done = disk_.rename(unfinished, moved.name);
    if (done) done = disk_.sync_directory();
    if (done) return moved;
    leftovers_.push_back({unfinished, end});
    leftovers_.push_back({moved.name, end});
    return done.error();
}

/// What survived only in the page cache must be durable before it counts. A sync that fails is not
/// tried again: the entries are written afresh. So they are where the file is mostly empty, or
/// every start would cost the log a whole segment of its room.
base::Result<void, DiskError> TailKeeper::secure(Segment& tail, const ScannedTail& scanned,
                                                 bool may_move) {
    auto synced = write_again(tail, scanned);
    // On a file system that copies on write this, too, takes room.
    if (!synced && synced.error() == DiskError::no_space) synced = {};
    if (synced) synced = disk_.sync(tail.name);
    // Its name too may be no further than the page cache, where the process died before it counted.
    if (synced) synced = disk_.sync_directory();
    // Where nothing of it was read nothing of it counts, either.
    if (scanned.unreadable && scanned.last == 0) return {};
    if (scanned.unreadable) return synced;
    if (synced && scanned.end > tail.size / 2) return {};
    if (!may_move) return synced;
    auto moved = move(tail, scanned.end);
    if (!moved) return synced ? base::Result<void, DiskError>{} : synced;
    leftovers_.push_back({tail.name, tail.size});
    tail = std::move(*moved);
    return {};
}

}  // namespace sallyport::spool
