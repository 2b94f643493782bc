#include <algorithm>

#include <gtest/gtest.h>

#include "edge-agent/spool/entry_format.hpp"
#include "tests/simulation/model_disk.hpp"
#include "tests/unit/spool/rig.hpp"

namespace sallyport::spool {
namespace {

using simulation::ModelDisk;

/// One small segment of a few entries, then (where `behind`) another run's.
struct SmallLog {
    ModelDisk disk;
    Rig rig{disk};
    std::string segment;
    std::vector<tunnel::Position> ends;  // of the segment's entries
    std::uint64_t bytes = 0;             // of the segment that hold entries

    explicit SmallLog(bool behind) {
        EXPECT_TRUE(rig.start());
        for (int i = 0; i < 5; ++i) {
            rig.append_many(2);
            rig.run_until_synced();
        }
        ends = rig.deliver().ends;
        rig.run_jobs();  // the checkpoint holds the tags
        segment = to_string(SegmentName{1, rig.epoch(), 1});
        const auto& contents = disk.contents(segment);
        const auto last = std::find_if(contents.rbegin(), contents.rend(),
                                       [](std::uint8_t byte) { return byte != 0; });
        bytes = static_cast<std::uint64_t>(contents.rend() - last);
        if (!behind) return;
        // What the next start would write afresh stays here as it is: the segment looks well
        // filled.
        disk.contents(segment).resize(padded(bytes));
        EXPECT_TRUE(rig.start());
        rig.append_many(3);
        rig.run_until_synced();
    }
};

TEST(Damage, ToAnyByteOfASegmentCostsOneEntry) {
    const auto bytes = SmallLog(true).bytes;
    ASSERT_GT(bytes, kSegmentHeaderBytes + 1000);
    for (auto at = std::uint64_t{kSegmentHeaderBytes}; at < bytes; ++at) {
        SCOPED_TRACE("byte " + std::to_string(at));
        SmallLog log(true);
        log.disk.flip_bit(log.segment, at, static_cast<unsigned>(at % 8));
        ASSERT_TRUE(log.rig.start());
        const auto delivery = log.rig.deliver();
        ASSERT_EQ(delivery.gaps.size(), 1U);
        const auto gap = delivery.gaps[0];
        EXPECT_EQ(gap.why, tunnel::GapReason::damaged);
        EXPECT_EQ(gap.to - gap.from, 1U);
        EXPECT_EQ(gap.to % 2, 0U);
        auto expected = log.rig.accepted();
        std::erase_if(expected, [&](const Given& record) {
            return record.seq >= gap.from && record.seq <= gap.to;
        });
        EXPECT_TRUE(same(delivery.records, expected));
        if (HasFailure()) return;
    }
}

TEST(Damage, CountsAsUnreadUntilItsGapIsGiven) {
    ModelDisk disk;
    Rig rig(disk);
    ASSERT_TRUE(rig.start());
    const auto first_arrival = rig.now().wall;
    rig.append_many(4);
    rig.run_until_synced();
    rig.wait(std::chrono::seconds(60));
    ASSERT_TRUE(rig.start());
    rig.append_many(4);
    rig.run_until_synced();
    rig.run_jobs();
    disk.lose_file(disk.names().front());
    rig.open();
    auto result = rig.spool().read(kHq);
    for (int i = 0; i < 10 && std::holds_alternative<NotYet>(result); ++i) {
        EXPECT_EQ(rig.spool().oldest_unread(kHq), first_arrival);
        rig.run_jobs();
        result = rig.spool().read(kHq);
    }
    EXPECT_TRUE(std::holds_alternative<tunnel::Gap>(result));
    EXPECT_GT(rig.spool().oldest_unread(kHq), first_arrival);
}

/// A tag's definition is lost with an entry; a later record shows that its number was used. The
/// next start does not read that record any more.
TEST(Damage, NoNumberOfALostTagIsGivenAgain) {
    ModelDisk disk;
    Rig rig(disk);
    ASSERT_TRUE(rig.start());
    for (const auto* topic : {"a", "b", "b"}) {
        ASSERT_TRUE(rig.append(topic, "1"));
        rig.run_until_synced();
    }
    const auto segment = disk.names().front();
    disk.flip_bit(segment, entries_in(disk.contents(segment)).at(1), 0);
    disk.checkpoint().reset();
    ASSERT_TRUE(rig.start());
    for (int i = 0; i < 400; ++i) ASSERT_TRUE(rig.append("a", std::string(90, 'x')));
    rig.run_until_synced();
    rig.run_jobs();
    ASSERT_TRUE(disk.checkpoint());
    ASSERT_GT(disk.checkpoint()->tags_complete_below, 3U);
    ASSERT_TRUE(rig.start());
    EXPECT_EQ(rig.spool().tag("a"), 1U);
    EXPECT_EQ(rig.spool().tag("c"), 3U);
}

TEST(Damage, ToTheLastEntryOfTheLogIsATornTail) {
    const auto bytes = SmallLog(false).bytes;
    std::uint64_t torn = 0;
    for (auto at = std::uint64_t{kSegmentHeaderBytes}; at < bytes; at += 3) {
        SCOPED_TRACE("byte " + std::to_string(at));
        SmallLog log(false);
        log.disk.flip_bit(log.segment, at, 0);
        ASSERT_TRUE(log.rig.start());
        const auto& report = log.rig.spool().report();
        EXPECT_EQ(report.damaged_entries + (report.torn_tail ? 1 : 0), 1U);
        const auto delivery = log.rig.deliver();
        EXPECT_EQ(delivery.records.size(), 8U);
        EXPECT_EQ(delivery.gaps.size(), report.damaged_entries);
        EXPECT_EQ(report.last_seq, report.torn_tail ? 8U : 10U);
        torn += report.torn_tail ? 1 : 0;
        // Goes on, and numbers nothing twice within an epoch.
        log.rig.append_many(2);
        log.rig.run_until_synced();
        ASSERT_TRUE(log.rig.start());
        EXPECT_EQ(log.rig.deliver().records.back(), log.rig.accepted().back());
        if (HasFailure()) return;
    }
    EXPECT_GT(torn, 20U);
}

TEST(Damage, OfAnEntryWrittenInTheWrongPlaceIsNamed) {
    SmallLog log(false);
    auto& contents = log.disk.contents(log.segment);
    // The last entry's place holds the second one again: intact, but not its own.
    std::vector<std::ptrdiff_t> starts;
    const auto seed = decode_segment_header(contents)->seed;
    for (std::size_t at = kSegmentHeaderBytes; at + kEntryHeaderBytes < contents.size();) {
        const auto header = decode_entry_header(base::ByteView(contents).subspan(at), seed);
        if (!header) break;
        starts.push_back(static_cast<std::ptrdiff_t>(at));
        at += header->size();
    }
    ASSERT_EQ(starts.size(), 5U);
    std::copy(contents.begin() + starts[1], contents.begin() + starts[2],
              contents.begin() + starts[4]);
    ASSERT_TRUE(log.rig.start());
    EXPECT_EQ(log.rig.spool().report().last_seq, 8U);
    EXPECT_TRUE(log.rig.spool().report().torn_tail);
    EXPECT_EQ(log.rig.deliver().records.size(), 8U);
}

TEST(Damage, OfATruncatedFileIsNamed) {
    SmallLog log(true);
    log.disk.contents(log.segment).resize(log.bytes / 8 * 8 - 16);
    ASSERT_TRUE(log.rig.start());
    const auto delivery = log.rig.deliver();
    ASSERT_EQ(delivery.gaps.size(), 1U);
    EXPECT_EQ(delivery.gaps[0].from, 9U);
    EXPECT_EQ(delivery.gaps[0].to, 10U);
    EXPECT_EQ(delivery.records.size(), 11U);
}

TEST(Damage, OfAZeroedSectorInTheMiddleIsNamed) {
    SmallLog log(true);
    auto& contents = log.disk.contents(log.segment);
    std::fill_n(contents.begin() + kSegmentHeaderBytes, 512, std::uint8_t{0});
    ASSERT_TRUE(log.rig.start());
    const auto delivery = log.rig.deliver();
    ASSERT_EQ(delivery.gaps.size(), 1U);
    EXPECT_EQ(delivery.gaps[0].from, 1U);
    EXPECT_LT(delivery.gaps[0].to, 7U);
    EXPECT_EQ(delivery.records.back(), log.rig.accepted().back());
}

TEST(Damage, OfADeletedSegmentIsNamed) {
    ModelDisk disk;
    Rig rig(disk);
    ASSERT_TRUE(rig.start());
    rig.append_many(400);
    rig.run_until_synced();
    rig.open();
    const auto before = rig.drain().records;
    rig.open();
    // Under the eyes of a reader, and then at a start.
    const auto files = *disk.list();
    const auto gone = parse_segment_name(files[2].name)->first;
    const auto next = parse_segment_name(files[3].name)->first;
    ASSERT_TRUE(disk.remove(files[2].name));
    for (int round = 0; round < 2; ++round) {
        const auto delivery = rig.deliver();
        ASSERT_EQ(delivery.gaps.size(), 1U);
        EXPECT_EQ(delivery.gaps[0].from, gone);
        EXPECT_EQ(delivery.gaps[0].to, next - 1);
        EXPECT_EQ(delivery.records.size() + (next - gone), before.size());
        ASSERT_TRUE(rig.start());
    }
}

TEST(Damage, DoesNotTakeAPayloadForAnEntry) {
    for (const std::uint64_t guessed_seed : {0U, 1U, 101U}) {
        ModelDisk disk;
        Rig rig(disk);
        ASSERT_TRUE(rig.start());
        rig.append_many(1);
        rig.run_until_synced();
        // A payload made of whole entries that claim the seqs to come.
        base::Bytes imitation;
        for (record::Seq seq = 2; seq < 5; ++seq) {
            EntryHeader header;
            header.first = header.last = seq;
            header.records = 1;
            tunnel::BatchRecord record;
            record.seq = seq;
            record.tag = 1;
            append_entry(imitation, guessed_seed, header,
                         tunnel::encode_batch({rig.epoch(), seq, seq}, {&record, 1}), {});
        }
        ASSERT_TRUE(rig.append("a", std::string(base::as_text(imitation))));
        rig.run_until_synced();
        rig.append_many(3);
        rig.run_until_synced();
        // The real entry's header is damaged, so that what it carries is searched.
        const auto name = to_string(SegmentName{1, rig.epoch(), 1});
        auto& contents = disk.contents(name);
        const auto payload = std::search(contents.begin(), contents.end(), imitation.begin(),
                                         imitation.begin() + 32);
        ASSERT_NE(payload, contents.end());
        for (auto at = payload - 8; at > payload - 200; --at) *at = 0xEE;
        const auto accepted = rig.accepted();
        ASSERT_TRUE(rig.start());
        const auto delivery = rig.deliver();
        for (const auto& record : delivery.records)
            EXPECT_NE(std::find(accepted.begin(), accepted.end(), record), accepted.end());
        EXPECT_EQ(delivery.records.back(), accepted.back());
        EXPECT_EQ(delivery.gaps.size(), 1U);
    }
}

}  // namespace
}  // namespace sallyport::spool
