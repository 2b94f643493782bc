#include <gtest/gtest.h>

#include "edge-agent/spool/entry_format.hpp"
#include "edge-agent/spool/kept.hpp"
#include "tests/simulation/model_disk.hpp"
#include "tests/unit/spool/rig.hpp"

namespace sallyport::spool {
namespace {

using simulation::ModelDisk;
using tunnel::GapReason;

SpoolOptions tight_options() {
    auto options = small_options();
    options.max_bytes = 128U << 10U;
    return options;
}

void fill(Rig& rig, std::size_t records) {
    for (std::size_t i = 0; i < records; i += 50) {
        rig.append_many(50);
        rig.run_until_synced();
    }
}

TEST(Trim, RemovesWhatEveryCursorHasPassed) {
    ModelDisk disk;
    Rig rig(disk);
    rig.options().destinations = {"hq", "lab"};
    ASSERT_TRUE(rig.start());
    fill(rig, 400);
    rig.open({}, "hq");
    const auto end = rig.drain("hq").ends.back();
    rig.spool().close_reader("hq");
    const auto segments = rig.spool().stats().segments;
    ASSERT_GT(segments, 3U);
    rig.spool().advance_cursor("hq", 1, end);
    rig.wait(std::chrono::seconds(2));
    rig.run_jobs();
    EXPECT_EQ(rig.spool().stats().segments, segments);  // lab was never here: it pins the log
    rig.spool().advance_cursor("lab", 2, end);
    rig.run_jobs();
    EXPECT_EQ(rig.spool().stats().segments, 1U);
    EXPECT_EQ(disk.list()->size(), 1U);
    EXPECT_EQ(rig.spool().stats().dropped_records, 0U);
}

TEST(Trim, SparesWhatAnOpenReaderStillNeeds) {
    ModelDisk disk;
    Rig rig(disk);
    ASSERT_TRUE(rig.start());
    fill(rig, 400);
    const auto end = rig.deliver().ends.back();
    rig.spool().advance_cursor(kHq, 1, end);
    rig.spool().open_reader(kHq, {2, {}, 0});  // a new store: from the start
    rig.wait(std::chrono::seconds(2));
    rig.run_jobs();
    const auto delivery = rig.drain();
    EXPECT_TRUE(same(delivery.records, rig.accepted()));
    EXPECT_TRUE(delivery.gaps.empty());
    rig.run_jobs();
    EXPECT_EQ(rig.spool().stats().segments, 1U);
}

TEST(Trim, KeepsTagsWhoseDefiningSegmentIsGone) {
    ModelDisk disk;
    Rig rig(disk);
    ASSERT_TRUE(rig.start());
    const auto tag = rig.spool().tag("plant/tag3");
    fill(rig, 400);
    rig.spool().advance_cursor(kHq, 1, rig.deliver().ends.back());
    rig.wait(std::chrono::seconds(2));
    rig.run_jobs();
    disk.crash(1);
    ASSERT_TRUE(rig.start());
    EXPECT_EQ(rig.spool().topic(tag), "plant/tag3");
    EXPECT_EQ(rig.spool().tag_count(), 11U);
}

TEST(Trim, WaitsForTheCheckpoint) {
    ModelDisk disk;
    Rig rig(disk);
    ASSERT_TRUE(rig.start());
    disk.fail(ModelDisk::Kind::save, 1, DiskError::io, 1000);
    fill(rig, 400);
    const auto segments = rig.spool().stats().segments;
    rig.spool().advance_cursor(kHq, 1, rig.deliver().ends.back());
    rig.wait(std::chrono::seconds(2));
    rig.run_jobs();
    EXPECT_EQ(rig.spool().stats().segments, segments);
    EXPECT_EQ(rig.spool().stats().failing, DiskError::io);
    disk.clear_faults();
    rig.wait(std::chrono::seconds(2));
    rig.run_jobs();
    EXPECT_EQ(rig.spool().stats().segments, 1U);
    EXPECT_FALSE(rig.spool().stats().failing);
}

TEST(Cursor, IsSavedWithinItsInterval) {
    ModelDisk disk;
    Rig rig(disk);
    ASSERT_TRUE(rig.start());
    fill(rig, 50);
    const auto end = rig.deliver().ends.back();
    rig.spool().advance_cursor(kHq, 9, end);
    ASSERT_TRUE(rig.spool().next_deadline());
    rig.wait(rig.options().cursor_save_interval);
    rig.run_jobs();
    EXPECT_FALSE(rig.spool().next_deadline());
    ASSERT_TRUE(rig.start());
    EXPECT_EQ(rig.spool().cursors().front().position, end);
    EXPECT_EQ(rig.spool().cursors().front().store, 9U);
}

TEST(Cursor, IgnoresPositionsThatAreNotInTheLogOrNotAhead) {
    ModelDisk disk;
    Rig rig(disk);
    ASSERT_TRUE(rig.start());
    fill(rig, 100);
    const auto ends = rig.deliver().ends;
    const auto middle = ends[ends.size() / 2];
    rig.spool().advance_cursor(kHq, 1, middle);
    rig.spool().advance_cursor(kHq, 1, ends[0]);
    rig.spool().advance_cursor(kHq, 1, {999, 90, 1});
    rig.spool().advance_cursor(kHq, 1, {rig.epoch(), 101, 1});
    rig.spool().advance_cursor("nobody", 1, ends.back());
    ASSERT_EQ(rig.spool().cursors().size(), 1U);
    EXPECT_EQ(rig.spool().cursors()[0].position, middle);
}

TEST(DropOldest, KeepsTheLogWithinItsBoundAndCounts) {
    ModelDisk disk;
    Rig rig(disk, tight_options());
    ASSERT_TRUE(rig.start());
    for (int i = 0; i < 60; ++i) {
        fill(rig, 50);
        std::uint64_t bytes = 0;
        for (const auto& file : *disk.list()) bytes += file.size;
        EXPECT_LE(bytes, rig.options().max_bytes);
    }
    const auto& stats = rig.spool().stats();
    EXPECT_GT(stats.first, 1000U);
    EXPECT_EQ(stats.dropped_records, stats.first - 1);
    const auto delivery = rig.deliver();
    ASSERT_EQ(delivery.gaps.size(), 1U);
    EXPECT_EQ(delivery.gaps[0].why, GapReason::before_log);
    EXPECT_EQ(delivery.gaps[0].to, stats.first - 1);
    EXPECT_EQ(delivery.records.size(), 3000 - stats.dropped_records);
    EXPECT_EQ(delivery.records.back(), rig.accepted().back());
}

TEST(DropOldest, CountsOnlyWhatNobodyHas) {
    ModelDisk disk;
    Rig rig(disk, tight_options());
    ASSERT_TRUE(rig.start());
    fill(rig, 300);
    rig.spool().advance_cursor(kHq, 1, rig.deliver().ends.back());
    rig.spool().close_reader(kHq);
    fill(rig, 3000);
    EXPECT_EQ(rig.spool().stats().dropped_records, rig.spool().stats().first - 1 - 300);
}

TEST(DropOldest, TellsAReaderThatWasToReadIt) {
    ModelDisk disk;
    Rig rig(disk, tight_options());
    ASSERT_TRUE(rig.start());
    fill(rig, 300);
    rig.open();
    auto result = rig.spool().read(kHq);
    while (std::holds_alternative<NotYet>(result)) {
        rig.run_jobs();
        result = rig.spool().read(kHq);
    }
    const auto given = std::get<Entry>(result).last;
    fill(rig, 3000);
    const auto delivery = rig.drain();
    record::Seq next = given + 1;
    std::uint64_t missing = 0;
    for (const auto& gap : delivery.gaps) {
        EXPECT_EQ(gap.why, GapReason::dropped);
        EXPECT_EQ(gap.epoch, rig.epoch());
        missing += gap.to - gap.from + 1;
    }
    ASSERT_FALSE(delivery.gaps.empty());
    EXPECT_GE(delivery.gaps.front().from, next);
    EXPECT_EQ(given + missing + delivery.records.size(), 3300U);
    EXPECT_EQ(delivery.records.back().seq, 3300U);
}

/// The job that saves that the oldest segment is gone; until there is one the log fills.
DiskJob last_job_before_the_front_goes(Rig& rig, ModelDisk& disk) {
    const auto first = rig.spool().stats().first;
    for (int i = 0; i < 1000; ++i) {
        while (auto job = rig.spool().next_job(rig.now())) {
            const auto* save = std::get_if<SaveCheckpoint>(&job->ops.front());
            if (save != nullptr && save->checkpoint.gone_below > first) return std::move(*job);
            rig.spool().complete(run(disk, std::move(*job)), rig.now());
        }
        rig.append_many(10);
    }
    ADD_FAILURE() << "the oldest segment stays";
    return {};
}

TEST(DropOldest, WaitsUntilAFarSideThatWasSentTheSegmentHasFoundItsPlaceInIt) {
    ModelDisk disk;
    Rig rig(disk, tight_options());
    ASSERT_TRUE(rig.start());
    fill(rig, 100);
    const auto had = rig.deliver();  // whose acknowledgement is lost with the session
    rig.spool().close_reader(kHq);
    auto job = last_job_before_the_front_goes(rig, disk);
    ASSERT_EQ(rig.spool().stats().first, 1U);
    const auto end = had.ends[2];
    rig.open(end);
    rig.spool().advance_cursor(kHq, 1, end);  // as an it-agent does: made good
    rig.spool().complete(run(disk, std::move(job)), rig.now());
    const auto delivery = rig.drain();
    EXPECT_GT(rig.spool().stats().first, end.seq) << "its segment is gone";
    for (const auto& gap : delivery.gaps) EXPECT_EQ(gap.why, GapReason::dropped);
    ASSERT_FALSE(delivery.records.empty());
    EXPECT_GT(delivery.records.front().seq, end.seq);
    rig.spool().advance_cursor(kHq, 1, delivery.ends.back());
    EXPECT_EQ(rig.spool().counts().front().delivered, end.seq + delivery.records.size());
}

/// Makes the entry unreadable that holds this value.
void damage(ModelDisk& disk, const std::string& value) {
    const auto wanted = value.substr(0, 8);
    for (const auto& file : *disk.list()) {
        auto& contents = disk.contents(file.name);
        for (std::size_t at = 0; at + 8 <= contents.size(); at += 8)
            if (base::as_text(base::ByteView(contents).subspan(at, 8)) == wanted)
                contents[at] ^= 1U;
    }
}

TEST(DropOldest, CountsWhatIsDamagedInASegmentThatASessionMeetsAsItGoes) {
    ModelDisk disk;
    Rig rig(disk, tight_options());
    ASSERT_TRUE(rig.start());
    fill(rig, 50);
    for (const auto* value : {"quiet before", "damaged", "quiet behind"}) {
        ASSERT_TRUE(rig.append("plant/" + std::string(value), value + std::string(8, '.')));
        rig.run_until_synced();
    }
    fill(rig, 100);
    damage(disk, "damaged.");
    const auto sent = rig.deliver();
    ASSERT_EQ(sent.gaps.size(), 1U);
    rig.spool().close_reader(kHq);
    rig.spool().complete(run(disk, last_job_before_the_front_goes(rig, disk)), rig.now());
    rig.open(sent.ends.front());
    rig.spool().advance_cursor(kHq, 1, sent.ends.front());
    const auto delivery = rig.drain();
    rig.spool().advance_cursor(kHq, 1, delivery.ends.back());
    const auto counts = rig.spool().counts().front();
    EXPECT_GT(rig.spool().stats().first, 53U);
    EXPECT_EQ(counts.delivered, sent.ends.front().seq + delivery.records.size());
    EXPECT_EQ(counts.left_out.of(record::LedgerReason::damaged), 1U);
    EXPECT_EQ(counts.accepted, counts.delivered + counts.left_out.all());
}

TEST(DropOldest, GoesOnWhereARestartFoundTheLogFull) {
    ModelDisk disk;
    Rig rig(disk, tight_options());
    for (int start = 0; start < 12; ++start) {
        ASSERT_TRUE(rig.start());
        fill(rig, 300);
        EXPECT_LE(rig.spool().stats().bytes, rig.options().max_bytes);
    }
    const auto delivery = rig.deliver();
    EXPECT_EQ(delivery.records.back(), rig.accepted().back());
    EXPECT_EQ(delivery.gaps.size(), 1U);
    for (std::size_t i = 1; i < delivery.records.size(); ++i)
        EXPECT_EQ(delivery.records[i].seq, delivery.records[i - 1].seq + 1);
}

TEST(Runs, AreNeverMoreThanASessionCanName) {
    ModelDisk disk;
    auto options = small_options();
    options.max_bytes = 1ULL << 30U;
    SegmentName name;
    // Thousands of starts, written straight to the disk.
    for (record::Seq seq = 1; seq <= tunnel::kRunsMax + 50; ++seq) {
        name = {seq, 1'000'000 + seq, 0};
        const SegmentHeader header{"acme/line3", name.epoch, seq, seq, seq};
        auto bytes = encode(header);
        tunnel::BatchRecord record;
        record.seq = seq;
        record.tag = 1;
        EntryHeader entry;
        entry.first = entry.last = seq;
        entry.records = 1;
        append_entry(bytes, seq, entry, tunnel::encode_batch({name.epoch, seq, seq}, {&record, 1}),
                     encode_local(std::vector<record::Tag>{{1, "a"}}, {}));
        ASSERT_TRUE(disk.create(to_string(name), bytes.size()));
        ASSERT_TRUE(disk.write(to_string(name), 0, bytes));
    }
    Rig rig(disk, options);
    ASSERT_TRUE(rig.start());
    rig.run_jobs();
    EXPECT_LE(rig.spool().runs().size(), tunnel::kRunsMax);
    EXPECT_LE(rig.spool().stats().segments, kLogRunsMax);
    EXPECT_EQ(rig.spool().stats().dropped_records, rig.spool().stats().first - 1);
    const auto delivery = rig.deliver();
    EXPECT_EQ(delivery.records.back().seq, name.first);
    EXPECT_EQ(delivery.gaps.size(), 1U);
}

}  // namespace
}  // namespace sallyport::spool
