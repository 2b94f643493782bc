// What a start finds in the newest segment it makes durable before it counts, and gives it no more
// room than it needs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.hpp"
#include "edge-agent/spool/disk.hpp"
#include "edge-agent/spool/entry_format.hpp"
#include "edge-agent/spool/segment.hpp"

namespace sallyport::spool {

/// What reading a segment showed of it.
struct ScannedTail {
    record::Seq last = 0;                        // 0: it holds nothing
    std::uint64_t end = kSegmentHeaderBytes;     // behind its last entry
    std::optional<std::uint64_t> doubtful_from;  // of entries that are perhaps not on the disk yet
    bool garbage_behind = false, unreadable = false;
};

class TailKeeper {
public:
    TailKeeper(Disk& disk, const std::string& edge, std::uint64_t& next_ordinal,
               std::vector<FileInfo>& leftovers)
        : disk_(disk), edge_(edge), next_ordinal_(next_ordinal), leftovers_(leftovers) {}

    /// The error: `tail` cannot be made durable. It may be another file afterwards, if `may_move`.
    base::Result<void, DiskError> secure(Segment& tail, const ScannedTail& scanned, bool may_move);

private:
    base::Result<void, DiskError> write_again(const Segment& tail, const ScannedTail& scanned);
    base::Result<Segment, DiskError> move(const Segment& tail, std::uint64_t end);
    base::Result<void, DiskError> copy(const Segment& from, std::uint64_t end,
                                       const std::string& to);
    base::Result<void, DiskError> copy_bytes(const std::string& from, const std::string& to,
                                             std::uint64_t begin, std::uint64_t end);

    Disk& disk_;
    const std::string& edge_;
    std::uint64_t& next_ordinal_;
    std::vector<FileInfo>& leftovers_;
};

}  // namespace sallyport::spool
