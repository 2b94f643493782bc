#include <algorithm>

#include <gtest/gtest.h>

#include "edge-agent/spool/entry_format.hpp"
#include "tests/simulation/model_disk.hpp"
#include "tests/unit/spool/rig.hpp"

namespace sallyport::spool {
namespace {

using simulation::ModelDisk;

TEST(Recovery, StartsOnAnEmptyDisk) {
    ModelDisk disk;
    Rig rig(disk);
    ASSERT_TRUE(rig.start());
    EXPECT_EQ(rig.spool().synced(), 0U);
    EXPECT_EQ(rig.spool().report().last_seq, 0U);
    EXPECT_EQ(rig.spool().runs(), (std::vector<tunnel::Run>{{rig.epoch(), 1, 0}}));
    EXPECT_TRUE(rig.deliver().records.empty());
}

TEST(Recovery, GoesOnBehindTheLastRecordInANewEpoch) {
    ModelDisk disk;
    Rig rig(disk);
    for (record::Epoch start = 0; start < 5; ++start) {
        ASSERT_TRUE(rig.start());
        EXPECT_EQ(rig.spool().synced(), 100 * start);
        EXPECT_EQ(rig.spool().runs().size(), start + 1);
        rig.append_many(100);
        rig.run_until_synced();
        const auto run = rig.spool().runs().back();
        EXPECT_EQ(run.first, 100 * start + 1);
        EXPECT_EQ(run.last, 100 * (start + 1));
        EXPECT_EQ(run.epoch, rig.epoch());
    }
    const auto delivery = rig.deliver();
    EXPECT_TRUE(same(delivery.records, rig.accepted()));
    EXPECT_TRUE(delivery.gaps.empty());
    EXPECT_FALSE(rig.spool().report().torn_tail);
    EXPECT_EQ(rig.spool().report().damaged_entries, 0U);
}

TEST(Recovery, GivesBackTheRoomOfAnUnfilledSegment) {
    ModelDisk disk;
    Rig rig(disk);
    for (int start = 0; start < 100; ++start) {
        ASSERT_TRUE(rig.start());
        rig.append_many(1);
        rig.run_until_synced();
        rig.run_jobs();
    }
    std::uint64_t bytes = 0;
    for (const auto& file : segments_of(disk)) bytes += file.size;
    EXPECT_EQ(segments_of(disk).size(), 100U);
    EXPECT_LT(bytes, std::uint64_t{100} * 5000 + rig.options().segment_bytes_max);
    EXPECT_EQ(rig.spool().stats().bytes, bytes);
    EXPECT_TRUE(same(rig.deliver().records, rig.accepted()));
}

TEST(Recovery, RemovesSegmentsThatHoldNothing) {
    ModelDisk disk;
    Rig rig(disk);
    for (int start = 0; start < 20; ++start) {
        ASSERT_TRUE(rig.start());
        rig.run_jobs();
        EXPECT_EQ(segments_of(disk).size(), 1U);
    }
}

TEST(Recovery, ReadsTheTagsBehindTheCheckpointFromTheLog) {
    ModelDisk disk;
    Rig rig(disk);
    ASSERT_TRUE(rig.start());
    rig.append_many(400);
    rig.run_until_synced();
    const auto tag = rig.spool().tag("plant/tag7");
    const auto tags = rig.spool().tag_count();
    disk.checkpoint().reset();  // lost
    ASSERT_TRUE(rig.start());
    EXPECT_EQ(rig.spool().report().entries_scanned, rig.deliver().ends.size());
    EXPECT_EQ(rig.spool().tag_count(), tags);
    EXPECT_EQ(rig.spool().tag("plant/tag7"), tag);
    EXPECT_TRUE(same(rig.deliver().records, rig.accepted()));
}

TEST(Recovery, ScansOnlyTheTailWhenTheCheckpointIsThere) {
    ModelDisk disk;
    Rig rig(disk);
    ASSERT_TRUE(rig.start());
    rig.append_many(400);
    rig.run_until_synced();
    ASSERT_TRUE(rig.start());
    EXPECT_GT(rig.spool().report().segments, 2U);
    const auto entries = rig.deliver().ends.size();
    EXPECT_LT(rig.spool().report().entries_scanned, entries / 2);
    EXPECT_TRUE(same(rig.deliver().records, rig.accepted()));
}

TEST(Recovery, GivesOutNoTagNumberTwice) {
    ModelDisk disk;
    auto options = small_options();
    options.entry_bytes_max = 8192;
    Rig rig(disk, options);
    ASSERT_TRUE(rig.start());
    rig.append_many(20);
    rig.run_until_synced();
    rig.append_many(20);
    rig.run_until_synced();
    // The entry that defines all tags is damaged, and no checkpoint holds them.
    const auto name = segments_of(disk).front().name;
    disk.flip_bit(name, kSegmentHeaderBytes + kEntryHeaderBytes, 0);
    disk.checkpoint().reset();
    ASSERT_TRUE(rig.start());
    EXPECT_EQ(rig.spool().report().damaged_entries, 1U);
    EXPECT_EQ(rig.spool().tag_count(), 0U);
    EXPECT_EQ(rig.spool().tag("new"), 12U);
}

TEST(Recovery, BeginsBehindASegmentThatNeverGotARecord) {
    ModelDisk disk;
    Rig rig(disk);
    ASSERT_TRUE(rig.start());
    rig.append_many(60);
    rig.run_until_synced();
    const auto full = segments_of(disk).back().name;
    ASSERT_TRUE(rig.start());  // its segment begins at 61, and stays empty
    auto& contents = disk.contents(full);
    const auto last = std::find_if(contents.rbegin(), contents.rend(),
                                   [](std::uint8_t byte) { return byte != 0; });
    disk.flip_bit(full, static_cast<std::uint64_t>(contents.rend() - last) - 1, 0);
    disk.checkpoint().reset();
    ASSERT_TRUE(rig.start());
    EXPECT_LT(rig.spool().report().last_seq, 60U);
    EXPECT_EQ(rig.spool().synced(), 60U);
    // Commits come before the removal of the empty segment; then the process ends.
    rig.append_many(30);
    while (rig.spool().stats().pending_bytes > 0) {
        auto job = rig.spool().next_job(rig.now());
        ASSERT_TRUE(job);
        rig.spool().complete(run(disk, std::move(*job)), rig.now());
    }
    disk.checkpoint().reset();
    ASSERT_TRUE(rig.start());
    EXPECT_EQ(rig.spool().synced(), 90U);
    EXPECT_EQ(rig.deliver().records.back(), rig.accepted().back());
}

TEST(Recovery, SetsAsideAFileWhoseHeaderIsDamaged) {
    ModelDisk disk;
    Rig rig(disk);
    ASSERT_TRUE(rig.start());
    rig.append_many(400);
    rig.run_until_synced();
    const auto segments = segments_of(disk);
    ASSERT_GT(segments.size(), 4U);
    disk.flip_bit(segments[1].name, 40, 3);
    const auto lost_first = parse_segment_name(segments[1].name)->first;
    const auto lost_last = parse_segment_name(segments[2].name)->first - 1;
    ASSERT_TRUE(rig.start());
    EXPECT_EQ(rig.spool().report().damaged_segments, 1U);
    EXPECT_TRUE(disk.exists(segments[1].name + ".damaged"));
    const auto delivery = rig.deliver();
    ASSERT_EQ(delivery.gaps.size(), 1U);
    EXPECT_EQ(delivery.gaps[0].from, lost_first);
    EXPECT_EQ(delivery.gaps[0].to, lost_last);
    EXPECT_EQ(delivery.gaps[0].why, tunnel::GapReason::damaged);
    EXPECT_EQ(delivery.records.size(), 400 - (lost_last - lost_first + 1));
}

TEST(Recovery, NumbersNothingAgainThatADamagedNewestFileMayHold) {
    for (const bool checkpoint_lost : {false, true}) {
        ModelDisk disk;
        Rig rig(disk);
        ASSERT_TRUE(rig.start());
        rig.append_many(400);
        rig.run_until_synced();
        disk.flip_bit(segments_of(disk).back().name, 40, 3);
        if (checkpoint_lost) disk.checkpoint().reset();
        ASSERT_TRUE(rig.start());
        EXPECT_GE(rig.spool().synced(), 400U);
        rig.append_many(10);
        rig.run_until_synced();
        ASSERT_TRUE(rig.start());
        const auto delivery = rig.deliver();
        EXPECT_EQ(delivery.gaps.size(), 1U);
        EXPECT_EQ(delivery.records.back(), rig.accepted().back());
    }
}

/// Starts once with a power cut at its n-th operation, then again. False: there is no such one.
bool start_again_after_a_cut(Rig& rig, ModelDisk& disk, std::uint64_t n) {
    disk.cut_power_after(n);
    rig.start();
    if (!disk.power_is_gone()) return false;
    rig.stop();
    disk.crash(n);
    EXPECT_TRUE(rig.start()) << n;
    return true;
}

TEST(Recovery, KnowsTheSeqsOfADamagedFileWhereverAStartEnds) {
    for (std::uint64_t n = 0;; ++n) {
        ModelDisk disk;
        Rig rig(disk);
        ASSERT_TRUE(rig.start());
        rig.append_many(10);
        rig.run_until_synced();
        rig.stop();
        disk.crash(n);
        disk.flip_bit(segments_of(disk).back().name, 40, 3);
        if (!start_again_after_a_cut(rig, disk, n)) break;
        EXPECT_GE(rig.spool().synced(), 10U) << n;
        ASSERT_LT(n, 100U);
    }
}

TEST(Recovery, WritesOverNoFileThatCannotBeRead) {
    ModelDisk disk;
    Rig rig(disk);
    ASSERT_TRUE(rig.start());
    rig.append_many(4);
    rig.run_until_synced();
    rig.stop();
    disk.crash(1);
    // A start rewrote the tail under the next ordinal and died; then that file went bad.
    auto name = *parse_segment_name(segments_of(disk).back().name);
    name.ordinal = 2;
    ASSERT_TRUE(disk.create(to_string(name), 8192));
    ASSERT_TRUE(disk.write(to_string(name), 0, base::Bytes(8, 0xFF)));
    ASSERT_TRUE(rig.start());
    EXPECT_TRUE(disk.exists(to_string(name) + ".damaged"));
    ASSERT_TRUE(rig.start());
    const auto delivery = rig.deliver();
    EXPECT_TRUE(same(delivery.records, rig.accepted()));
    for (const auto& gap : delivery.gaps) EXPECT_GT(gap.from, 4U);
}

/// A cut at every operation of a start behind `intact` records and a damaged last entry.
void expect_torn_tail_noted(std::size_t intact) {
    for (std::uint64_t n = 0;; ++n) {
        ModelDisk disk;
        Rig rig(disk);
        ASSERT_TRUE(rig.start());
        rig.append_many(intact);
        rig.run_until_synced();
        rig.append_many(4);
        rig.run_until_synced();
        rig.stop();
        disk.crash(n);
        const auto name = segments_of(disk).back().name;
        auto last = disk.peek(name)->size();  // the last byte in use lies in the last entry
        while ((*disk.peek(name))[--last] == 0) {
        }
        disk.flip_bit(name, last, 3);
        if (!start_again_after_a_cut(rig, disk, n)) break;
        rig.run_jobs();
        const auto notes_it = [&](const auto& row) {
            return row.second.entry.reason == record::LedgerReason::torn_tail &&
                   row.second.entry.first == intact + 1;
        };
        EXPECT_EQ(std::ranges::count_if(disk.ledger(), notes_it), 1) << n;
        ASSERT_LT(n, 100U);
    }
}

TEST(Recovery, NotesATornTailWhereverAStartEnds) {
    expect_torn_tail_noted(4);
}

TEST(Recovery, NotesATailOfWhichNothingIsLeftWhereverAStartEnds) {
    expect_torn_tail_noted(0);
}

TEST(Recovery, WritesTheTailAfreshWhenItsSyncFails) {
    ModelDisk disk;
    Rig rig(disk);
    ASSERT_TRUE(rig.start());
    rig.append_many(20);
    rig.run_until_synced();
    disk.fail(ModelDisk::Kind::sync, 1, DiskError::io);
    ASSERT_TRUE(rig.start());
    EXPECT_EQ(disk.strikes().failed[std::size_t(ModelDisk::Kind::sync)], 1U);
    EXPECT_TRUE(same(rig.deliver().records, rig.accepted()));
    disk.crash(7);
    ASSERT_TRUE(rig.start());
    EXPECT_TRUE(same(rig.deliver().records, rig.accepted()));
}

/// After a sync that failed the kernel holds the pages for clean: the next process reads what never
/// reached the disk, and a sync of its own says nothing of it.
TEST(Recovery, WritesAgainWhatAFailedSyncLeftInThePageCache) {
    std::size_t survived = 0;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        ModelDisk disk;
        Rig rig(disk);
        ASSERT_TRUE(rig.start());
        while (rig.spool().stats().active_room_bytes > (6U << 10U)) {
            rig.append_many(1);
            rig.run_until_synced();
        }
        const auto synced = rig.spool().synced();
        rig.append_many(seed);
        disk.fail(ModelDisk::Kind::sync, 1, DiskError::io);
        rig.run_jobs();
        ASSERT_EQ(rig.spool().synced(), synced);
        ASSERT_TRUE(rig.start());
        const auto last = rig.spool().synced();
        survived += last > synced ? 1 : 0;
        disk.crash(seed);
        ASSERT_TRUE(rig.start());
        EXPECT_TRUE(same(rig.deliver().records, rig.accepted_up_to(last))) << seed;
    }
    EXPECT_GT(survived, 0U);
}

TEST(Recovery, CountsNothingWhoseFileMayLoseItsName) {
    ModelDisk disk;
    Rig rig(disk);
    ASSERT_TRUE(rig.start());
    rig.append_many(20);
    rig.run_until_synced();
    disk.fail(ModelDisk::Kind::sync_directory, 1, DiskError::io, 10);
    EXPECT_FALSE(rig.start());
    disk.clear_faults();
    ASSERT_TRUE(rig.start());
    EXPECT_TRUE(same(rig.deliver().records, rig.accepted()));
}

TEST(Recovery, StartsOnAFullDiskAndGoesOnWhenThereIsRoom) {
    ModelDisk disk;
    Rig rig(disk);
    ASSERT_TRUE(rig.start());
    rig.append_many(20);
    rig.run_until_synced();
    disk.fail(ModelDisk::Kind::create, 1, DiskError::no_space, 1000);
    ASSERT_TRUE(rig.start());
    EXPECT_EQ(rig.spool().stats().failing, DiskError::no_space);
    EXPECT_TRUE(same(rig.deliver().records, rig.accepted()));
    rig.append_many(5);
    rig.run_jobs();
    EXPECT_EQ(rig.spool().synced(), 20U);
    disk.clear_faults();
    rig.run_until_synced();
    EXPECT_FALSE(rig.spool().stats().failing);
    EXPECT_EQ(rig.spool().synced(), 25U);
    EXPECT_TRUE(same(rig.deliver().records, rig.accepted()));
}

TEST(Recovery, IsImpossibleWithoutADirectoryToWriteIn) {
    ModelDisk disk;
    Rig rig(disk);
    disk.fail(ModelDisk::Kind::list, 1, DiskError::not_found);
    EXPECT_FALSE(rig.start());
    disk.fail(ModelDisk::Kind::create, 1, DiskError::denied);
    EXPECT_FALSE(rig.start());
    EXPECT_TRUE(rig.start());
}

TEST(Recovery, ForgetsTheCursorsOfDestinationsThatAreGone) {
    ModelDisk disk;
    Rig rig(disk);
    rig.options().destinations = {"hq", "lab"};
    ASSERT_TRUE(rig.start());
    rig.append_many(10);
    rig.run_until_synced();
    const auto end = rig.deliver().ends.back();
    rig.spool().advance_cursor("hq", 5, end);
    rig.wait(std::chrono::seconds(2));
    rig.run_jobs();
    rig.options().destinations = {"hq", "new"};
    ASSERT_TRUE(rig.start());
    const auto cursors = rig.spool().cursors();
    ASSERT_EQ(cursors.size(), 2U);
    EXPECT_EQ(cursors[0].destination, "hq");
    EXPECT_EQ(cursors[0].store, 5U);
    EXPECT_EQ(cursors[0].position, end);
    EXPECT_EQ(cursors[1].destination, "new");
    EXPECT_EQ(cursors[1].position, tunnel::Position{});
}

}  // namespace
}  // namespace sallyport::spool
