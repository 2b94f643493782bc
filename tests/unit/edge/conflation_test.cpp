// What is left out of records of class `latest`, and when: a destination that is behind is sent the
// newest of each tag up to a horizon, the ledger has the rest first.
#include "tests/unit/edge/uplink_fixture.hpp"

namespace sallyport::uplink {
namespace {

using tunnel::Absent;
using tunnel::AbsentReason;

class ConflationTest : public UplinkTest {
protected:
    void append_latest(const std::string& topic, const std::string& value, unsigned flags = 0) {
        tunnel::BatchRecord record;
        record.tag = spool().tag(topic);
        record.flags = static_cast<std::uint16_t>(record::kHasValue | record::kLatest | flags);
        record.source_time = record.arrival_time = now_.wall;
        record.value = base::as_bytes(value);
        ASSERT_TRUE(spool().append(record, now_));
    }
    void append_latest_quality(record::Quality quality, const std::string& topic) {
        tunnel::BatchRecord record;
        record.tag = spool().tag(topic);
        record.flags = record::kLatest;
        record.quality = quality;
        record.arrival_time = now_.wall;
        ASSERT_TRUE(spool().append(record, now_));
    }
    spool::DestinationCounts counts() { return spool().counts().at(0); }
    std::uint64_t conflated() { return counts().left_out.of(record::LedgerReason::conflated); }
    /// Everything was acknowledged, so the count is closed.
    void expect_closed_count(std::uint64_t accepted, std::uint64_t left_out) {
        EXPECT_EQ(counts().accepted, accepted);
        EXPECT_EQ(counts().delivered, accepted - left_out);
        EXPECT_EQ(conflated(), left_out);
        EXPECT_EQ(counts().in_flight, 0U);
        EXPECT_EQ(status_of().conflated_records, left_out);
    }
    /// Appends, each an entry of its own, while there is no session.
    void pile_up(const std::string& topic, int from, int to) {
        for (int i = from; i <= to; ++i) {
            append_latest(topic, std::to_string(i));
            sync();
        }
    }
};

TEST_F(ConflationTest, ABacklogComesAsTheNewestOfEachTag) {
    start({"hq"});
    append_latest("a", "1");
    append("h", "1");
    const auto since = now_.wall;
    append_latest("b", "1");
    append_latest("a", "2");
    append("h", "2");
    append_latest("a", "3");
    sync();
    connect();
    auto& session = open("acme/hq", {"#"});
    EXPECT_EQ(session.story(), (Lines{"h=1", "b=1", "h=2", "a=3"})) << "history is never left out";
    ASSERT_EQ(session.entries.size(), 1U);
    EXPECT_NE(session.entries[0].whole_checksum, 0U);
    EXPECT_EQ(session.entries[0].absent,
              (std::vector<Absent>{{1, 1, AbsentReason::conflated, since},
                                   {4, 4, AbsentReason::conflated, since}}));
    expect_closed_count(6, 2);
}

TEST_F(ConflationTest, WhoKeepsUpGetsEverythingAsItLies) {
    auto& session = connect_to_hq();
    for (int i = 0; i < 20; ++i) {
        append_latest("a", std::to_string(2 * i));
        append_latest("a", std::to_string(2 * i + 1));
        sync();
        pass(100ms);
    }
    EXPECT_EQ(session.story().size(), 40U);
    for (const auto& entry : session.entries) EXPECT_EQ(entry.whole_checksum, 0U);
    expect_closed_count(40, 0);
}

TEST_F(ConflationTest, RetainedThenPlainBothArrive) {
    start({"hq"});
    append_latest("a", "old");
    append_latest("a", "kept", record::kRetain);
    append_latest("a", "plain");
    append_latest("a", "newest");
    sync();
    connect();
    auto& session = open("acme/hq", {"#"});
    EXPECT_EQ(session.story(), (Lines{"a=kept", "a=newest"}));
    expect_closed_count(4, 2);
}

TEST_F(ConflationTest, AValueThenAChangeOfQualityBothArrive) {
    start({"hq"});
    append_latest_quality(record::Quality::uncertain_last_usable, "a");
    append_latest("a", "1");
    append_latest_quality(record::Quality::uncertain_last_usable, "a");
    append_latest_quality(record::Quality::bad_not_connected, "a");
    sync();
    connect();
    auto& session = open("acme/hq", {"#"});
    EXPECT_EQ(session.story(), (Lines{"a=1", "a:Bad.NotConnected"}));
    expect_closed_count(4, 2);
}

TEST_F(ConflationTest, ATagThatChangesAllTheTimeArrivesInEachPass) {
    start({"hq"});
    pile_up("fast", 1, 50);
    connect();
    far().acknowledges_ = false;  // the window closes, and opens by hand
    far().window_bytes_max_ = tunnel::kWindowBytesMin;
    auto& session = open("acme/hq", {"#"});
    EXPECT_EQ(session.story(), Lines{"fast=50"});
    std::size_t acknowledged = 0;
    int made = 50;
    for (int round = 0; round < 30; ++round) {
        for (int i = 0; i < 20; ++i, ++made) {
            append_latest("fast", std::to_string(made + 1) + std::string(500, '.'));
            append("slow", std::string(1000, '.'));
            sync();
        }
        pass(200ms);
        const auto before = session.story().size();
        for (; acknowledged < session.entries.size(); ++acknowledged)
            far().acknowledge(session, session.entries[acknowledged], now_);
        sync();
        pass(1s);
        EXPECT_GT(session.story().size(), before);
    }
    std::size_t fast = 0;
    for (const auto& line : session.story()) fast += line.starts_with("fast=") ? 1 : 0;
    EXPECT_GE(fast, 10U) << "at least once a pass";
    EXPECT_GT(conflated(), 100U);
}

TEST_F(ConflationTest, WhatIsLeftOutIsInTheLedgerBeforeItsFrameLeaves) {
    start({"hq"});
    pile_up("a", 1, 5);
    publish("h", "1");
    connect();
    disk_.fail(simulation::ModelDisk::Kind::save, 1, spool::DiskError::no_space, 3);
    auto& session = open("acme/hq", {"#"});
    EXPECT_EQ(session.entries.size(), 0U) << "the order stands: nothing overtakes";
    pass(10s);
    EXPECT_EQ(session.story(), (Lines{"a=5", "h=1"}));
    const auto rows = spool().ledger_rows();
    ASSERT_EQ(rows.size(), 1U) << "merged, of one tag and pass";
    EXPECT_EQ(rows[0].entry.reason, record::LedgerReason::conflated);
    EXPECT_EQ(spool().topic(rows[0].entry.tag), "a");
    EXPECT_EQ(rows[0].entry.first, 1U);
    EXPECT_EQ(rows[0].entry.last, 4U);
    EXPECT_EQ(rows[0].entry.records, 4U);
    EXPECT_TRUE(rows[0].settled);
}

/// Else a far side that has it, and a crash before the next save, would leave it counted as left
/// out.
TEST_F(ConflationTest, WhatIsTakenBackIsOutOfTheLedgerBeforeItIsSent) {
    start({"hq"});
    publish("a", "1");
    publish("b", "2");
    connect();
    far().acknowledges_ = false;
    EXPECT_EQ(open("acme/hq", {"b"}).story(), Lines{"b=2"});
    EXPECT_EQ(spool().ledger_rows().size(), 1U);
    hang_up(base::CloseCause::reset);
    pass(2s);
    connect();
    disk_.fail(simulation::ModelDisk::Kind::save, 1, spool::DiskError::io, 3);
    auto& session = open("acme/hq", {"#"});
    EXPECT_EQ(session.entries.size(), 0U);
    pass(10s);
    EXPECT_EQ(session.story(), (Lines{"a=1", "b=2"}));
    EXPECT_TRUE(disk_.ledger().empty());
}

TEST_F(ConflationTest, ANewSessionDecidesAnewAndCountsOnce) {
    start({"hq"});
    pile_up("a", 1, 3);
    for (int i = 0; i < 3; ++i) {
        connect();
        far().acknowledges_ = false;
        EXPECT_EQ(open("acme/hq", {"#"}).story(), Lines{"a=3"});
        EXPECT_EQ(conflated(), 2U);
        EXPECT_EQ(counts().in_flight, 1U);
        hang_up(base::CloseCause::reset);
        pass(2s);
    }
    pile_up("a", 4, 5);
    connect();
    EXPECT_EQ(open("acme/hq", {"#"}).story(), Lines{"a=5"});
    EXPECT_EQ(counts().delivered, 1U);
    EXPECT_EQ(conflated(), 4U);
}

TEST_F(ConflationTest, GoesOnBehindAnEntryOfWhichNothingWasSent) {
    start({"hq"});
    pile_up("a", 1, 3);
    connect();
    auto& session = open("acme/hq", {"#"});
    ASSERT_EQ(session.entries.size(), 3U);
    const auto had = session.entries[1].end;
    hang_up(base::CloseCause::reset);
    pass(2s);
    connect();
    far().resume_at_ = had;
    auto& again = open("acme/hq", {"#"});
    EXPECT_TRUE(again.gaps.empty()) << "the log confirms the position";
    EXPECT_EQ(again.story(), Lines{"a=3"});
}

TEST_F(ConflationTest, TheRouteDecidesFirst) {
    start({"hq"});
    append_latest("plant/a", "1");
    append_latest("office/b", "1");
    append_latest("plant/a", "2");
    append_latest("office/b", "2");
    sync();
    connect();
    auto& session = open("acme/hq", {"plant/#"});
    EXPECT_EQ(session.story(), Lines{"plant/a=2"});
    ASSERT_EQ(session.entries.size(), 1U);
    ASSERT_EQ(session.entries[0].absent.size(), 3U);
    EXPECT_EQ(session.entries[0].absent[0].why, AbsentReason::conflated);
    EXPECT_EQ(session.entries[0].absent[1].why, AbsentReason::refused);
    EXPECT_EQ(session.entries[0].absent[2].why, AbsentReason::refused);
    EXPECT_EQ(conflated(), 1U);
    EXPECT_EQ(counts().left_out.of(record::LedgerReason::refused), 2U);
    EXPECT_EQ(counts().delivered, 1U);
}

}  // namespace
}  // namespace sallyport::uplink
