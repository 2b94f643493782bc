// The spool's segment files read from outside, without a lock and without changing anything: for
// `spool verify` and `spool export`, also while the agent runs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "common/tunnel/frame.hpp"
#include "edge-agent/spool/entry_scanner.hpp"

namespace sallyport::edge_agent {

/// Seqs that no intact entry covers.
struct Hole {
    record::Seq first = 0, last = 0;
    std::string file;  // where they should be
};

struct SpoolWalk {
    std::uint64_t segments = 0, entries = 0, records = 0;
    record::Seq first = 0, last = 0;
    std::vector<Hole> holes;
    std::vector<std::string> unreadable;  // segment files without a sound header
    /// Bytes behind the last entry that are no entry: what is being written, or a torn tail.
    bool unfinished_tail = false;
};

struct WalkedEntry {
    record::Epoch epoch = 0;
    spool::EntryHeader header;
    spool::LocalPart local;
    const std::vector<tunnel::BatchRecord>& records;  // until the call returns
};

/// Every intact entry of the log in order, each checksum checked. An entry that a later segment
/// makes void is left out. A segment that goes meanwhile counts as gone. Throws ops::Failure where
/// the directory cannot be read.
SpoolWalk walk_spool(const std::filesystem::path& directory,
                     const std::function<void(const WalkedEntry&)>& visit);

}  // namespace sallyport::edge_agent
