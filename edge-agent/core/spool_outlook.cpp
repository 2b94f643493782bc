#include "edge-agent/core/spool_outlook.hpp"

#include <algorithm>

namespace sallyport::edge_core {
namespace {

/// Less than this share of what comes in is within the rates' error.
constexpr double kRateError = 0.02;
/// Beyond ten years nobody waits for it.
constexpr double kTellWithinSeconds = 10 * 365.25 * 86400;

}  // namespace

std::uint64_t room_bytes(const spool::SpoolStats& spool,
                         std::optional<std::uint64_t> disk_free_bytes) {
    auto unused = spool.max_bytes - std::min(spool.max_bytes, spool.bytes);
    if (disk_free_bytes) unused = std::min(unused, *disk_free_bytes);
    if (spool.segment_bytes != 0) unused -= unused % spool.segment_bytes;
    return spool.active_room_bytes + unused;
}

double kept_share(const uplink::UplinkStatus& uplink) {
    const auto in = uplink.in_per_s.value_or(0);
    double kept = 0;
    for (const auto& destination : uplink.destinations) {
        if (destination.state == uplink::PathState::live) continue;
        // What is acknowledged of a session that is gone was acknowledged before.
        const bool takes = destination.state != uplink::PathState::lost;
        const auto out = takes ? destination.out_per_s.value_or(0) : 0.0;
        kept = std::max(kept, in <= 0 ? 0.0 : 1.0 - out / in);
    }
    return kept < kRateError ? 0.0 : kept;
}

SpoolOutlook outlook(const spool::SpoolStats& spool, const uplink::UplinkStatus& uplink,
                     std::optional<double> bytes_per_s,
                     std::optional<std::uint64_t> disk_free_bytes) {
    SpoolOutlook outlook{bytes_per_s, disk_free_bytes, room_bytes(spool, disk_free_bytes), {}};
    const auto growth = bytes_per_s.value_or(0) * kept_share(uplink);
    if (growth <= 0) return outlook;
    const auto left = static_cast<double>(outlook.room_bytes) / growth;
    if (left > kTellWithinSeconds) return outlook;
    outlook.until_full =
        std::chrono::duration_cast<base::Duration>(std::chrono::duration<double>(left));
    return outlook;
}

}  // namespace sallyport::edge_core
