#include "edge-agent/core/spool_outlook.hpp"

#include <gtest/gtest.h>

namespace sallyport::edge_core {
namespace {

using uplink::PathState;

constexpr std::uint64_t kSegment = 1000;

spool::SpoolStats spool_of(std::uint64_t segments, std::uint64_t active_room) {
    spool::SpoolStats stats;
    stats.max_bytes = 8 * kSegment;
    stats.segment_bytes = kSegment;
    stats.bytes = segments * kSegment;
    stats.active_room_bytes = active_room;
    return stats;
}

uplink::UplinkStatus uplink_of(double in, PathState state, double out) {
    uplink::UplinkStatus uplink;
    uplink.in_per_s = in;
    auto& destination = uplink.destinations.emplace_back();
    destination.state = state;
    destination.out_per_s = out;
    return uplink;
}

std::optional<double> seconds_until_full(const uplink::UplinkStatus& uplink,
                                         std::optional<std::uint64_t> disk_free = {}) {
    const auto left = outlook(spool_of(2, 500), uplink, 100.0, disk_free).until_full;
    if (!left) return std::nullopt;
    return std::chrono::duration<double>(*left).count();
}

TEST(SpoolOutlook, RoomIsWhatTheActiveSegmentAndNewOnesHave) {
    EXPECT_EQ(room_bytes(spool_of(2, 500), std::nullopt), 6500U);
    EXPECT_EQ(room_bytes(spool_of(8, 500), std::nullopt), 500U);
    EXPECT_EQ(room_bytes(spool_of(9, 500), std::nullopt), 500U) << "one large record on top";
}

TEST(SpoolOutlook, RoomIsBoundedByTheFileSystemInWholeSegments) {
    EXPECT_EQ(room_bytes(spool_of(2, 500), 2999), 2500U);
    EXPECT_EQ(room_bytes(spool_of(2, 500), 999), 500U);
    EXPECT_EQ(room_bytes(spool_of(2, 500), 1'000'000), 6500U);
}

TEST(SpoolOutlook, LastsAsLongAsTheRateThatStaysAllows) {
    EXPECT_NEAR(*seconds_until_full(uplink_of(10, PathState::lost, 10)), 65.0, 1e-6);
    EXPECT_NEAR(*seconds_until_full(uplink_of(10, PathState::behind, 5)), 130.0, 1e-6);
    EXPECT_NEAR(*seconds_until_full(uplink_of(10, PathState::lost, 0), 2000), 25.0, 1e-6);
}

TEST(SpoolOutlook, IsNotToldWhereNothingAccumulates) {
    EXPECT_EQ(seconds_until_full(uplink_of(10, PathState::live, 1)), std::nullopt);
    EXPECT_EQ(seconds_until_full(uplink_of(10, PathState::behind, 50)), std::nullopt);
    EXPECT_EQ(seconds_until_full(uplink_of(0, PathState::lost, 0)), std::nullopt);
    EXPECT_EQ(seconds_until_full({}), std::nullopt) << "no destination: nothing is kept";
}

TEST(SpoolOutlook, TheSlowestDestinationCounts) {
    auto uplink = uplink_of(10, PathState::live, 10);
    uplink.destinations.push_back(uplink_of(10, PathState::lost, 0).destinations.front());
    EXPECT_NEAR(*seconds_until_full(uplink), 65.0, 1e-6);
}

}  // namespace
}  // namespace sallyport::edge_core
