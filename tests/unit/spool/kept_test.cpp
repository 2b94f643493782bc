// Whoever comes late, or has missed what was dropped, gets the newest records of every tag.
#include "edge-agent/spool/kept.hpp"

#include <algorithm>
#include <map>

#include <gtest/gtest.h>

#include "tests/simulation/model_disk.hpp"
#include "tests/unit/spool/rig.hpp"

namespace sallyport::spool {
namespace {

using simulation::ModelDisk;
using tunnel::GapReason;

constexpr const char* kQuiet = "plant/quiet";

void fill(Rig& rig, std::size_t records) {
    for (std::size_t i = 0; i < records; i += 50) {
        rig.append_many(50);
        rig.run_until_synced();
    }
}

/// One record of a quiet tag, then many of others until its segment is gone.
struct QuietTag {
    ModelDisk disk;
    Rig rig;

    explicit QuietTag(SpoolOptions options = tight()) : rig(disk, std::move(options)) {
        EXPECT_TRUE(rig.start());
        EXPECT_TRUE(rig.append(kQuiet, "still"));
        fill(rig, 3000);
        EXPECT_GT(rig.spool().stats().first, 1U);
    }
    static SpoolOptions tight() {
        auto options = small_options();
        options.max_bytes = 128U << 10U;
        return options;
    }
};

/// The value a tag has after all of that.
std::string newest(const Delivery& delivery, const std::string& topic) {
    std::string value;
    for (const auto& record : delivery.records)
        if (record.topic == topic) value = record.value;
    return value;
}

/// Every seq up to the newest comes in an entry or is named by a gap.
void expect_tiled(const Delivery& delivery, record::Seq from, record::Seq to) {
    std::map<record::Seq, record::Seq> covered;
    for (const auto& gap : delivery.gaps)
        if (gap.from <= gap.to) covered[gap.from] = gap.to;
    for (const auto& record : delivery.records) covered[record.seq] = record.seq;
    record::Seq next = from;
    for (const auto& [first, last] : covered) {
        EXPECT_LE(first, next) << "a hole";
        next = std::max(next, last + 1);
    }
    EXPECT_EQ(next, to + 1);
}

TEST(Kept, ANewFarSideGetsTheStateOfAQuietTagWhoseSegmentIsGone) {
    QuietTag log;
    auto& rig = log.rig;
    const auto delivery = rig.deliver();
    ASSERT_FALSE(delivery.records.empty());
    EXPECT_EQ(delivery.records.front(), (Given{rig.epoch(), 1, kQuiet, "still"}));
    EXPECT_TRUE(std::ranges::is_sorted(delivery.records, {}, &Given::seq));
    for (const auto& gap : delivery.gaps) EXPECT_EQ(gap.why, GapReason::before_log);
    expect_tiled(delivery, 1, rig.spool().synced());
    for (int tag = 0; tag < 11; ++tag) {
        const auto topic = "plant/tag" + std::to_string(tag);
        Delivery all;
        all.records = rig.accepted();
        EXPECT_EQ(newest(delivery, topic), newest(all, topic));
    }
}

/// A record every 100 ms; when each arrived, by its seq.
void fill_slowly(Rig& rig, std::size_t records, std::vector<base::WallTime>& arrived) {
    for (std::size_t i = 0; i < records; ++i) {
        rig.wait(std::chrono::milliseconds(100));
        arrived.push_back(rig.now().wall);
        rig.append_many(1);
        if (i % 20 == 0) rig.run_until_synced();
    }
    rig.run_until_synced();
}

TEST(Kept, NothingThatIsStillToComeIsOlderThanTheReaderSays) {
    ModelDisk disk;
    Rig rig(disk, QuietTag::tight());
    ASSERT_TRUE(rig.start());
    std::vector<base::WallTime> arrived{{}};
    fill_slowly(rig, 3000, arrived);
    rig.open();
    record::Seq next = 1;
    std::size_t given = 0;
    for (bool at_end = false; !at_end;) {
        // Before anything was given nobody asks. Then kept records, gaps and what waits for the
        // ledger count, too.
        const auto oldest = rig.spool().oldest_unread(kHq);
        if (next > 1 && next < arrived.size()) {
            ASSERT_TRUE(oldest);
            EXPECT_LE(*oldest, arrived[next]) << next;
        }
        const auto result = rig.spool().read(kHq);
        if (const auto* entry = std::get_if<Entry>(&result))
            next = entry->last + 1;
        else if (const auto* gap = std::get_if<tunnel::Gap>(&result))
            next = gap->to + 1;
        else if (rig.run_jobs() == 0)
            at_end = std::get<NotYet>(result).at_end;
        // Amid the log the rest of it is dropped.
        if (!std::holds_alternative<NotYet>(result) && ++given == 60)
            fill_slowly(rig, 3000, arrived);
    }
    EXPECT_EQ(next, rig.spool().synced() + 1);
    EXPECT_GT(given, 60U);
}

TEST(Kept, SurvivesPowerCutsAndComesUnderItsOldIdentity) {
    QuietTag log;
    auto& rig = log.rig;
    const auto first_epoch = rig.epoch();
    for (int life = 0; life < 3; ++life) {
        rig.stop();
        log.disk.crash(static_cast<std::uint64_t>(life));
        ASSERT_TRUE(rig.start());
        fill(rig, 1500);
    }
    const auto delivery = rig.deliver();
    EXPECT_EQ(delivery.records.front(), (Given{first_epoch, 1, kQuiet, "still"}));
    expect_tiled(delivery, 1, rig.spool().synced());
    const auto runs = rig.spool().runs();
    EXPECT_EQ(runs.front().epoch, first_epoch) << "the session's Log names its run";
    EXPECT_TRUE(std::ranges::is_sorted(runs, {}, &tunnel::Run::first));
}

TEST(Kept, AFarSideThatMissedWhatWasDroppedGetsItsNewest) {
    ModelDisk disk;
    Rig rig(disk, QuietTag::tight());
    ASSERT_TRUE(rig.start());
    fill(rig, 50);
    const auto had = rig.deliver().ends.back();
    rig.spool().advance_cursor(kHq, 1, had);
    rig.spool().close_reader(kHq);
    ASSERT_TRUE(rig.append(kQuiet, "missed"));
    fill(rig, 3000);
    ASSERT_GT(rig.spool().stats().first, 51U);
    const auto delivery = rig.deliver(had);
    EXPECT_EQ(delivery.records.front().value, "missed");
    EXPECT_EQ(delivery.records.front().seq, 51U);
    for (const auto& gap : delivery.gaps) EXPECT_EQ(gap.why, GapReason::dropped);
    expect_tiled(delivery, 51, rig.spool().synced());
}

TEST(Kept, AReaderUnderWayGetsTheNewestOfWhatIsDroppedAheadOfIt) {
    ModelDisk disk;
    Rig rig(disk, QuietTag::tight());
    ASSERT_TRUE(rig.start());
    fill(rig, 100);
    rig.open();
    while (!std::holds_alternative<Entry>(rig.spool().read(kHq))) rig.run_jobs();
    ASSERT_TRUE(rig.append(kQuiet, "ahead"));
    fill(rig, 3000);
    const auto delivery = rig.drain();
    EXPECT_EQ(newest(delivery, kQuiet), "ahead");
    EXPECT_TRUE(std::ranges::is_sorted(delivery.records, {}, &Given::seq));
}

TEST(Kept, ADestinationAddedLateGetsThePresentState) {
    QuietTag log;
    auto& rig = log.rig;
    const auto end = rig.deliver().ends.back();
    rig.spool().advance_cursor(kHq, 1, end);
    rig.wait(std::chrono::seconds(2));
    rig.run_jobs();
    rig.options().destinations = {"hq", "lab"};
    ASSERT_TRUE(rig.start());
    const auto first = rig.spool().stats().first;
    rig.open({}, "lab");
    const auto delivery = rig.drain("lab");
    EXPECT_EQ(newest(delivery, kQuiet), "still");
    EXPECT_EQ(rig.spool().counts()[1].counted_from, first);
    EXPECT_EQ(rig.spool().counts()[1].left_out.all(), 0U) << "it has missed nothing";
}

TEST(Kept, ComeOnceHoweverOftenTheReaderIsAskedMeanwhile) {
    ModelDisk disk;
    Rig rig(disk, QuietTag::tight());
    ASSERT_TRUE(rig.start());
    for (int i = 0; i < 20; ++i)  // several entries
        ASSERT_TRUE(rig.append(kQuiet + std::to_string(i), std::string(200, 'q')));
    fill(rig, 3000);
    rig.open();
    for (int i = 0; i < 100 && std::holds_alternative<NotYet>(rig.spool().read(kHq)); ++i) {
        auto job = rig.spool().next_job(rig.now());
        ASSERT_TRUE(job);
        EXPECT_TRUE(std::holds_alternative<NotYet>(rig.spool().read(kHq))) << "still being read";
        rig.spool().complete(run(disk, std::move(*job)), rig.now());
    }
    rig.run_jobs();
    const auto delivery = rig.drain();
    ASSERT_FALSE(delivery.records.empty());
    const auto repeated = std::ranges::adjacent_find(
        delivery.records, [](const auto& a, const auto& b) { return a.seq >= b.seq; });
    EXPECT_EQ(repeated, delivery.records.end());
}

TEST(Kept, WhatWasSentInTheLastSessionIsNotSentAgainWhenItWasDroppedSince) {
    ModelDisk disk;
    Rig rig(disk, QuietTag::tight());
    ASSERT_TRUE(rig.start());
    fill(rig, 100);
    const auto had = rig.deliver().ends.back();
    rig.spool().close_reader(kHq);  // before any acknowledgement came
    fill(rig, 3000);
    ASSERT_GT(rig.spool().stats().first, had.seq + 1);
    const auto delivery = rig.deliver(had);
    for (const auto& gap : delivery.gaps) EXPECT_EQ(gap.why, GapReason::dropped);
    ASSERT_FALSE(delivery.records.empty());
    EXPECT_GT(delivery.records.front().seq, had.seq);
    expect_tiled(delivery, had.seq + 1, rig.spool().synced());
}

TEST(Kept, ReadErrorsOfTheTableDelayTheSession) {
    QuietTag log;
    auto& rig = log.rig;
    log.disk.fail(ModelDisk::Kind::read_kept, 1, DiskError::io, 3);
    EXPECT_EQ(newest(rig.deliver(), kQuiet), "still");
    EXPECT_EQ(log.disk.strikes().failed[std::size_t(ModelDisk::Kind::read_kept)], 3U);
}

TEST(NewestRecords, StayUntilARecordCarriesAllThatTheyCarry) {
    NewestRecords newest;
    const auto add = [&](record::Seq seq, std::uint16_t flags, std::vector<record::TagId> also) {
        tunnel::BatchRecord record;
        record.seq = seq;
        record.tag = 1;
        record.flags = flags;
        record.also_tags = std::move(also);
        newest.add(5, record);
    };
    const auto seqs = [&] {
        std::vector<record::Seq> held;
        for (const auto& each : newest.records()) held.push_back(each.seq);
        return held;
    };
    using Seqs = std::vector<record::Seq>;
    add(1, record::kHasValue | record::kRetain, {});
    add(2, record::kHasValue, {});
    add(3, 0, {2});
    EXPECT_EQ(seqs(), (Seqs{1, 2, 3, 3}));
    add(4, record::kHasValue, {});
    EXPECT_EQ(seqs(), (Seqs{1, 3, 4})) << "the value and the change of quality before it";
    add(5, record::kHasValue | record::kRetain, {});
    EXPECT_EQ(seqs(), (Seqs{3, 5}));
    const auto entries = pack(newest.records(), 4096);
    ASSERT_EQ(entries.size(), 1U);
    EXPECT_EQ(entries[0].entry.first, 3U);
    EXPECT_EQ(entries[0].entry.last, 5U);
    EXPECT_EQ(entries[0].seqs, (Seqs{3, 5}));
    newest.clear();
    EXPECT_EQ(newest.bytes(), 0U);
}

TEST(NewestRecords, FarApartGoIntoEntriesOfTheirOwn) {
    NewestRecords newest;
    for (const record::Seq seq : {1U, 4096U, 4097U, 9000U}) {
        tunnel::BatchRecord record;
        record.seq = seq;
        record.tag = static_cast<record::TagId>(seq);
        record.flags = record::kHasValue;
        newest.add(5, record);
    }
    const auto entries = pack(newest.records(), 32U << 10U);
    ASSERT_EQ(entries.size(), 3U);
    EXPECT_EQ(entries[0].entry.last, 4096U);
    EXPECT_EQ(entries[1].entry.first, 4097U);
    std::vector<tunnel::BatchRecord> records;
    for (const auto& each : entries) EXPECT_TRUE(tunnel::decode_batch(*each.entry.body, records));
}

}  // namespace
}  // namespace sallyport::spool
