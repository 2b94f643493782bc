// What an uplink says of itself: states and since when, ages, rates, drains.
#include "tests/unit/edge/uplink_fixture.hpp"

namespace sallyport::uplink {
namespace {

class UplinkStatusTest : public UplinkTest {};

TEST_F(UplinkStatusTest, AMessageAfterAQuietTimeDoesNotLookStalled) {
    connect_to_hq();
    publish("a", "1");
    const auto since = status_of().since;
    pass(10min);
    far().acknowledges_ = false;
    publish("a", "2");
    EXPECT_EQ(status_of().state, PathState::live);
    EXPECT_EQ(status_of().since, since);
    pass(6100ms);
    EXPECT_EQ(status_of().state, PathState::stalled);
}

TEST_F(UplinkStatusTest, SaysSinceWhenAStateHolds) {
    start({"hq"});
    const auto started = now_.wall;
    EXPECT_EQ(status_of().since, started);
    connect();
    open("acme/hq", {"#"});
    const auto live = now_.wall;
    pass(30s);
    EXPECT_EQ(status_of().state, PathState::live);
    EXPECT_EQ(status_of().since, live);
    far().acknowledges_ = false;
    publish("a", "1");
    const auto sent = now_.wall;
    pass(60s);
    EXPECT_EQ(status_of().state, PathState::stalled);
    EXPECT_EQ(status_of().since, sent + 6s) << "to the moment, though nobody asked";
    EXPECT_NE(status_of().reason.find("6 s"), std::string::npos) << status_of().reason;
    hang_up(base::CloseCause::reset);
    EXPECT_EQ(status_of().state, PathState::lost);
    EXPECT_EQ(status_of().since, now_.wall);
    EXPECT_EQ(status_of().reason, "reset");
}

TEST_F(UplinkStatusTest, SaysHowOldTheOldestUnacknowledgedRecordIs) {
    connect_to_hq();
    EXPECT_EQ(status_of().oldest_unacknowledged, std::nullopt);
    EXPECT_EQ(status_of().behind, 0s);
    far().acknowledges_ = false;
    publish("a", "1");
    pass(2s);
    publish("a", "2");
    pass(1s);
    EXPECT_EQ(status_of().oldest_unacknowledged, 3s);
    hang_up(base::CloseCause::reset);
    pass(1s);
    EXPECT_EQ(status_of().oldest_unacknowledged, 4s) << "remembered over the loss";
    EXPECT_EQ(status_of().behind, 4s) << "all of it is to be sent again";
    connect();
    far().acknowledges_ = false;
    open("acme/hq", {"#"});
    EXPECT_EQ(status_of().oldest_unacknowledged, 5s);
}

TEST_F(UplinkStatusTest, TheFirstRecordAfterALossIsTheOldest) {
    connect_to_hq();
    publish("a", "1");
    hang_up(base::CloseCause::reset);
    pass(10s);
    EXPECT_EQ(status_of().oldest_unacknowledged, std::nullopt);
    publish("a", "2");
    pass(7s);
    publish("a", "3");
    EXPECT_EQ(status_of().oldest_unacknowledged, 7s);
    EXPECT_EQ(status_of().waiting_records, 2U);
}

TEST_F(UplinkStatusTest, ABacklogHasAPeakAndADrainAProgress) {
    start({"hq"});
    for (int i = 0; i < 20; ++i) publish("a", std::string(10'000, 'x'));
    EXPECT_EQ(status_of().drain->progress, 0.0);
    connect();
    far().acknowledges_ = false;
    auto& session = open("acme/hq", {"#"});
    pass(1s);
    for (std::size_t i = 0; i < 5; ++i) {
        const auto entry = session.entries.at(i);
        far().acknowledge(session, entry, now_);
    }
    drain();
    ASSERT_TRUE(status_of().drain);
    EXPECT_NEAR(status_of().drain->progress, 0.25, 1e-9);
    EXPECT_NEAR(*status_of().out_per_s, 5.0, 1.0);
    EXPECT_EQ(status_of().waiting_records, 15U);
}

TEST_F(UplinkStatusTest, DamageAtTheLogsEndIsNamedAndDoesNotWaitForTheNextRecord) {
    cache_bytes_max_ = 0;
    start({"hq"});
    publish("a", "1");
    publish("a", "damaged");
    const auto segment = disk_.names().at(0);
    const auto& bytes = disk_.contents(segment);
    const auto value = base::as_bytes("damaged");
    const auto at = std::ranges::search(bytes, value).begin() - bytes.begin();
    disk_.flip_bit(segment, static_cast<std::uint64_t>(at), 0);
    EXPECT_EQ(status_of().waiting_records, 2U);
    connect();
    auto* session = &open("acme/hq", {"#"});
    ASSERT_EQ(session->gaps.size(), 1U);
    EXPECT_EQ(session->gaps[0].from, 2U);
    EXPECT_EQ(status_of().state, PathState::live);
    EXPECT_EQ(status_of().waiting_records, 0U);
    EXPECT_EQ(status_of().acknowledged, 1U);
    EXPECT_EQ(cursor().seq, 1U) << "only an Ack moves it, and a gap has none";
    pass(2s);
    EXPECT_EQ(session->beats.back().spooled_records, 0U);
    hang_up(base::CloseCause::reset);
    EXPECT_EQ(status_of().waiting_records, 0U);
    connect();
    far().resume_at_ = cursor();
    session = &open("acme/hq", {"#"});
    EXPECT_EQ(session->gaps.size(), 1U) << "named again: the far side's position is before it";
    EXPECT_EQ(status_of().waiting_records, 0U);
    publish("a", "3");
    EXPECT_EQ(cursor().seq, 3U);
    EXPECT_EQ(status_of().waiting_records, 0U);
}

TEST_F(UplinkStatusTest, TheLinkSaysSinceWhenAndWhatFailedLast) {
    start({"hq"});
    EXPECT_FALSE(uplink().status(now_).link.is_up);
    connect();
    const auto up = now_.wall;
    pass(5s);
    EXPECT_TRUE(uplink().status(now_).link.is_up);
    EXPECT_EQ(uplink().status(now_).link.since, up);
    EXPECT_EQ(uplink().status(now_).link.last_failure_at, std::nullopt);
    hang_up(base::CloseCause::reset);
    const auto down = now_.wall;
    EXPECT_EQ(uplink().status(now_).link.since, down);
    pass(1s);
    uplink().closed(base::CloseCause::refused, now_);
    EXPECT_EQ(uplink().status(now_).link.since, down) << "lost since the first, not the last";
    EXPECT_EQ(uplink().status(now_).link.last_failure, "refused");
    EXPECT_EQ(uplink().status(now_).link.last_failure_at, now_.wall);
}

}  // namespace
}  // namespace sallyport::uplink
