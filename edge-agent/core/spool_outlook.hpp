// How long the disk still lasts: the spool's room at the rate at which it fills now.
#pragma once

#include <cstdint>
#include <optional>

#include "common/base/time.hpp"
#include "edge-agent/spool/spool.hpp"
#include "edge-agent/uplink/uplink.hpp"

namespace sallyport::edge_core {

struct SpoolOutlook {
    std::optional<double> bytes_per_s;             // written to the log
    std::optional<std::uint64_t> disk_free_bytes;  // of the file system, as the runtime last saw it
    std::uint64_t room_bytes = 0;                  // until the oldest records are dropped
    /// Nothing where nothing accumulates: every destination keeps up, or nothing comes in.
    std::optional<base::Duration> until_full;
};

/// New segments are taken whole, from what max_bytes leaves and the file system has.
std::uint64_t room_bytes(const spool::SpoolStats& spool,
                         std::optional<std::uint64_t> disk_free_bytes);

/// The share of what comes in that stays, 0..1, because the slowest destination does not take it.
double kept_share(const uplink::UplinkStatus& uplink);

SpoolOutlook outlook(const spool::SpoolStats& spool, const uplink::UplinkStatus& uplink,
                     std::optional<double> bytes_per_s,
                     std::optional<std::uint64_t> disk_free_bytes);

}  // namespace sallyport::edge_core
