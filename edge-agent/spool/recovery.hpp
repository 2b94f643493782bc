// What a start does with the log it finds: reads the checkpoint and what lies behind it, sets
// damage aside, makes the tail durable and gives it no more room than it needs, and begins a new
// segment.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "edge-agent/spool/cursor_table.hpp"
#include "edge-agent/spool/kept.hpp"
#include "edge-agent/spool/ledger.hpp"
#include "edge-agent/spool/log_writer.hpp"
#include "edge-agent/spool/newest_index.hpp"
#include "edge-agent/spool/segment.hpp"
#include "edge-agent/spool/spool.hpp"
#include "edge-agent/spool/tag_table.hpp"
#include "edge-agent/spool/upkeep.hpp"

namespace sallyport::spool {

struct RecoveredLog {
    SegmentTable segments;
    TagTable tags;
    CursorTable cursors;
    Ledger ledger;
    KeptRuns kept;
    Receipts receipts;
    NewestIndex newest;
    Upkeep::Saved saved;
    LogWriter::Start writer;
    std::vector<FileInfo> leftovers;  // no part of the log; to be removed
    RecoveryReport report;
};

/// The error makes any start impossible; everything else is in the result.
base::Result<RecoveredLog, DiskError> recover_log(const SpoolOptions& options, Disk& disk,
                                                  record::Epoch epoch, std::uint64_t seed,
                                                  base::WallTime now);

}  // namespace sallyport::spool
