#include "tests/unit/edge/uplink_fixture.hpp"

namespace sallyport::uplink {
namespace {

TEST_F(UplinkTest, DoesNotDialWithoutADestination) {
    start({});
    EXPECT_EQ(uplink().next_deadline(), std::nullopt);
    pass(10s);
    EXPECT_FALSE(dialled_);
}

TEST_F(UplinkTest, SpeaksOnlyToARelay) {
    start({"hq"});
    connect({"acme", base::Role::it, "hq"});
    EXPECT_FALSE(link_);
    EXPECT_EQ(status_of().state, PathState::lost);
    EXPECT_NE(uplink().status(now_).link.last_failure.find("relay"), std::string::npos);
}

TEST_F(UplinkTest, RefusesASessionOfWhoIsNotADestination) {
    start({"hq"});
    connect();
    publish("a", "secret");
    auto& session = open("acme/spy", {"#"});
    ASSERT_EQ(far().closed().size(), 1U);
    EXPECT_EQ(far().closed()[0].session, session.receiver.id());
    EXPECT_EQ(far().closed()[0].reason, SessionEnd::not_wanted);
    EXPECT_TRUE(session.log.runs.empty());
    EXPECT_TRUE(session.entries.empty());
    EXPECT_TRUE(noticed("acme/spy"));
    EXPECT_TRUE(link_) << "only the session is refused";
}

TEST_F(UplinkTest, ADestinationOfAnotherPlantIsNamedWithIt) {
    start({"central/hq"});
    connect();
    auto& stranger = open("acme/hq", {"#"});
    EXPECT_TRUE(stranger.log.runs.empty());
    auto& session = open("central/hq", {"#"});
    EXPECT_EQ(session.log.runs.size(), 1U);
}

TEST_F(UplinkTest, SendsWhatIsSyncedAndNothingElse) {
    auto& session = connect_to_hq();
    append("a", "1");
    uplink().pump(now_);
    EXPECT_TRUE(session.entries.empty());
    sync();
    EXPECT_EQ(session.story(), Lines{"a=1"});
    EXPECT_EQ(session.defined, Lines{"a"});
}

TEST_F(UplinkTest, TheCursorMovesByAnAckAndNothingElse) {
    auto& session = connect_to_hq();
    far().acknowledges_ = false;
    publish("a", "1");
    publish("a", "2");
    pass(5s);  // Beats are echoed, pings answered
    ASSERT_EQ(session.entries.size(), 2U);
    EXPECT_GE(session.beats.size(), 2U);
    EXPECT_EQ(cursor(), tunnel::Position{});
    EXPECT_EQ(uplink().acknowledged("hq"), 0U);
    far().acknowledge(session, session.entries[0], now_);
    drain();
    EXPECT_EQ(cursor(), session.entries[0].end);
    EXPECT_EQ(uplink().acknowledged("hq"), 1U);
    EXPECT_EQ(status_of().waiting_records, 1U);
    EXPECT_EQ(spool().cursors()[0].store, far().store_);
}

TEST_F(UplinkTest, LeavesOutWhatTheRouteDoesNotHold) {
    start({"hq", "archive"});
    connect();
    auto& whole = open("acme/archive", {"#"});
    auto& part = open("acme/hq", {"plant/#"});
    append("plant/a", "1");
    append("office/b", "2");
    append("plant/a", "3");
    sync();
    EXPECT_EQ(whole.story(), (Lines{"plant/a=1", "office/b=2", "plant/a=3"}));
    EXPECT_EQ(part.story(), (Lines{"plant/a=1", "plant/a=3"}));
    EXPECT_EQ(part.defined, Lines{"plant/a"}) << "not even its name leaves";
    // The position is the whole entry's, so that the log can confirm it.
    ASSERT_EQ(part.entries.size(), 1U);
    EXPECT_EQ(part.entries[0].end, whole.entries.at(0).end);
    EXPECT_EQ(part.entries[0].whole_checksum, whole.entries[0].end.checksum);
    EXPECT_EQ(whole.entries[0].whole_checksum, 0U);
    EXPECT_EQ(status_of(0).refused_records, 1U);
    EXPECT_EQ(status_of(1).refused_records, 0U);
    EXPECT_EQ(cursor(), part.entries[0].end);
    EXPECT_TRUE(noticed("office/b"));
}

TEST_F(UplinkTest, AnEntryOfWhichNothingMayPassStillMovesTheCursor) {
    auto& session = connect_to_hq({"plant/#"});
    publish("office/b", "1");
    EXPECT_EQ(session.story(), Lines{});
    EXPECT_EQ(session.entries.size(), 1U);
    EXPECT_EQ(cursor().seq, 1U);
    EXPECT_EQ(status_of().refused_records, 1U);
}

TEST_F(UplinkTest, LeavesTagsOutOfAChangeOfManyQualities) {
    auto& session = connect_to_hq({"plant/#"});
    append_quality(record::Quality::bad_not_connected, {"office/b", "plant/a", "plant/c", "x"});
    append_quality(record::Quality::uncertain_last_usable, {"office/b"});
    sync();
    EXPECT_EQ(session.story(), Lines{"plant/c,plant/a:Bad.NotConnected"});
    EXPECT_EQ(status_of().refused_records, 3U);
}

TEST_F(UplinkTest, WhatIsLeftOutIsInTheLedgerBeforeItsFrameLeaves) {
    auto& session = connect_to_hq({"plant/#"});
    disk_.fail(simulation::ModelDisk::Kind::save, 1, spool::DiskError::no_space, 3);
    publish("plant/a", "0");
    append("office/b", "1");
    append("plant/a", "2");
    sync();
    publish("plant/a", "3");
    EXPECT_EQ(session.story(), Lines{"plant/a=0"}) << "the order stands: nothing overtakes";
    pass(10s);
    EXPECT_EQ(session.story(), (Lines{"plant/a=0", "plant/a=2", "plant/a=3"}));
    const auto rows = spool().ledger_rows();
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(rows[0].entry.peer, "hq");
    EXPECT_EQ(rows[0].entry.reason, record::LedgerReason::refused);
    EXPECT_EQ(spool().topic(rows[0].entry.tag), "office/b");
    EXPECT_EQ(rows[0].entry.first, 2U);
    EXPECT_EQ(rows[0].entry.records, 1U);
    EXPECT_TRUE(rows[0].settled);
    EXPECT_EQ(spool().counts().at(0).delivered, 3U);
}

TEST_F(UplinkTest, IsNotLiveWhileWhatItHasReadWaitsForALedgerThatCannotBeWritten) {
    auto& session = connect_to_hq({"plant/#"});
    disk_.fail(simulation::ModelDisk::Kind::save, 1, spool::DiskError::no_space, 1'000);
    append("office/b", "1");
    append("plant/a", "2");
    sync();
    pass(15s);
    EXPECT_EQ(session.story(), Lines{});
    EXPECT_GE(session.beats.back().behind, 13s);
    EXPECT_EQ(status_of().state, PathState::stalled);
}

TEST_F(UplinkTest, WhatIsRefusedAgainAfterAReconnectCountsOnce) {
    connect_to_hq({"plant/#"});
    far().acknowledges_ = false;
    publish("office/b", "1");
    publish("plant/a", "2");
    EXPECT_EQ(spool().counts().at(0).left_out.all(), 1U);
    for (int i = 0; i < 3; ++i) {
        hang_up(base::CloseCause::reset);
        pass(2s);
        connect();
        far().acknowledges_ = false;
        open("acme/hq", {"plant/#"});
    }
    EXPECT_EQ(spool().counts().at(0).left_out.all(), 1U);
    EXPECT_EQ(spool().counts().at(0).in_flight, 1U);
    hang_up(base::CloseCause::reset);
    pass(2s);
    connect();
    open("acme/hq", {"#"});
    EXPECT_EQ(spool().counts().at(0).left_out.all(), 0U) << "the route holds it now";
    EXPECT_EQ(spool().counts().at(0).delivered, 2U);
}

TEST_F(UplinkTest, GoesOnBehindAPartlySentEntryAfterAReconnect) {
    auto& session = connect_to_hq({"plant/#"});
    append("office/b", "1");
    append("plant/a", "2");
    sync();
    const auto had = session.entries.at(0).end;
    hang_up(base::CloseCause::reset);
    publish("plant/a", "3");
    connect();
    far().resume_at_ = had;
    auto& again = open("acme/hq", {"plant/#"});
    EXPECT_TRUE(again.gaps.empty()) << "the log confirms the position";
    EXPECT_EQ(again.story(), Lines{"plant/a=3"});
}

TEST_F(UplinkTest, SendsAgainWhatWasNotAcknowledged) {
    auto& session = connect_to_hq();
    far().acknowledges_ = false;
    publish("a", "1");
    publish("a", "2");
    ASSERT_EQ(session.entries.size(), 2U);
    far().acknowledge(session, session.entries[0], now_);
    drain();
    const auto had = cursor();
    hang_up(base::CloseCause::closed);
    EXPECT_EQ(status_of().state, PathState::lost);
    connect();
    far().resume_at_ = had;
    auto& again = open("acme/hq", {"#"});
    EXPECT_EQ(again.story(), Lines{"a=2"});
    EXPECT_EQ(again.defined, Lines{"a"}) << "defined anew in each session";
}

TEST_F(UplinkTest, KeepsWithinTheCreditItWasGiven) {
    auto& session = connect_to_hq();
    far().acknowledges_ = false;
    for (int i = 0; i < 20; ++i) publish("a", std::string(10'000, 'x'));
    std::size_t bytes = 0;
    for (const auto& entry : session.entries) bytes += entry.bytes;
    EXPECT_GE(bytes, tunnel::kWindowBytesFirst);
    EXPECT_LE(bytes, tunnel::kWindowBytesFirst + session.entries.back().bytes);
    far().acknowledges_ = true;
    const auto sent = session.entries.size();
    for (std::size_t i = 0; i < sent; ++i) {
        const auto entry = session.entries[i];
        far().acknowledge(session, entry, now_);
    }
    drain();
    EXPECT_EQ(session.entries.size(), 20U);
    EXPECT_EQ(cursor().seq, 20U);
}

TEST_F(UplinkTest, ClosesASessionWhoseFarSideAcknowledgesWhatWasNeverSent) {
    auto& session = connect_to_hq();
    publish("a", "1");
    far().send(encode(session.receiver.id(), tunnel::Ack{{100, 7, 8}, 1, 0}));
    drain();
    ASSERT_EQ(far().closed().size(), 1U);
    EXPECT_EQ(far().closed()[0].reason, SessionEnd::protocol);
    EXPECT_EQ(cursor().seq, 1U);
    EXPECT_TRUE(link_);
}

TEST_F(UplinkTest, ClosesASessionThatIsNeverResumed) {
    start({"hq"});
    connect();
    far().resumes_ = false;
    open("acme/hq", {"#"});
    pass(9900ms);
    EXPECT_TRUE(far().closed().empty());
    EXPECT_EQ(status_of().state, PathState::catching_up);
    pass(200ms);
    ASSERT_EQ(far().closed().size(), 1U);
    EXPECT_EQ(far().closed()[0].reason, SessionEnd::protocol);
    EXPECT_EQ(status_of().state, PathState::lost);
}

TEST_F(UplinkTest, ASessionThatTheRelayClosesIsLostUntilTheNext) {
    auto& session = connect_to_hq();
    EXPECT_EQ(status_of().state, PathState::live);
    far().close(session, SessionEnd::peer_lost);
    drain();
    EXPECT_EQ(status_of().state, PathState::lost);
    EXPECT_EQ(status_of().reason, to_string(SessionEnd::peer_lost));
    EXPECT_TRUE(link_);
    publish("a", "1");
    auto& again = open("acme/hq", {"#"});
    EXPECT_EQ(again.story(), Lines{"a=1"});
    EXPECT_EQ(status_of().state, PathState::live);
}

TEST_F(UplinkTest, IsStalledWhenAcksStopForSixSeconds) {
    connect_to_hq();
    far().acknowledges_ = false;
    publish("a", "1");
    pass(5900ms);
    EXPECT_EQ(status_of().state, PathState::live);
    pass(200ms);
    EXPECT_EQ(status_of().state, PathState::stalled);
}

TEST_F(UplinkTest, IsBehindWhenTheOldestUnsentRecordIsOlderThanTenSeconds) {
    start({"hq"});
    for (int i = 0; i < 20; ++i) publish("a", std::string(10'000, 'x'));
    pass(15s);
    connect();
    far().acknowledges_ = false;
    auto& session = open("acme/hq", {"#"});
    EXPECT_EQ(status_of().state, PathState::behind);
    ASSERT_FALSE(session.beats.empty());
    EXPECT_GE(session.beats.back().behind, 15s);
}

TEST_F(UplinkTest, TellsItsClockBeforeWhatIsJudgedByIt) {
    start({"hq"});
    publish("a", "1");
    pass(15s);
    publish("a", "2");
    connect();
    auto& session = open("acme/hq", {"#"});
    EXPECT_EQ(session.story(), (Lines{"a=1", "a=2"}));
    EXPECT_EQ(session.entries_before_beats, 0U);
    EXPECT_EQ(session.beats.at(0).clock, now_.wall);
    EXPECT_GE(session.beats.at(0).behind, 15s);
}

TEST_F(UplinkTest, RedialsAfterALinkThatEnded) {
    connect_to_hq();
    hang_up(base::CloseCause::reset);
    EXPECT_EQ(uplink().status(now_).link.state, "waiting");
    EXPECT_EQ(uplink().status(now_).link.last_failure, "reset");
    connect();
    EXPECT_EQ(uplink().status(now_).link.state, "up");
    EXPECT_EQ(uplink().status(now_).link.links_opened, 2U);
}

TEST_F(UplinkTest, SaysGoodbyeAndDialsNoMoreWhenShutDown) {
    connect_to_hq();
    uplink().shut_down();
    drain();
    ASSERT_TRUE(far().bye());
    EXPECT_EQ(far().bye()->reason, tunnel::ByeReason::shutdown);
    pass(10s);
    EXPECT_FALSE(dialled_);
}

}  // namespace
}  // namespace sallyport::uplink
