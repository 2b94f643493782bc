// What becomes of segments that a start cannot read, or not yet.
#include <set>

#include <gtest/gtest.h>

#include "tests/simulation/model_disk.hpp"
#include "tests/unit/spool/rig.hpp"

namespace sallyport::spool {
namespace {

using simulation::ModelDisk;

class UnreadSegment : public testing::Test {
protected:
    void write(std::size_t records) {
        ASSERT_TRUE(rig.start());
        rig.append_many(records);
        rig.run_until_synced();
    }
    void start_without_reading() {
        disk.fail(ModelDisk::Kind::read, 1, DiskError::io, 100'000);
        ASSERT_TRUE(rig.start());
        disk.clear_faults();
    }

    ModelDisk disk;
    Rig rig{disk};
};

TEST_F(UnreadSegment, LosesNothingWhenTheDiskCannotBeReadForAWhile) {
    for (const bool checkpoint_lost : {false, true}) {
        SCOPED_TRACE(checkpoint_lost);
        const auto before = rig.accepted().size();
        write(400);
        if (checkpoint_lost) disk.checkpoint().reset();
        start_without_reading();
        EXPECT_GE(rig.spool().synced(), before + 400);
        EXPECT_GT(rig.spool().report().damaged_segments, 0U);
        ASSERT_TRUE(rig.append("known", "1"));
        rig.run_until_synced();
        ASSERT_TRUE(rig.start());
        const auto delivery = rig.deliver();
        ASSERT_EQ(delivery.records.size(), rig.accepted().size());
        for (std::size_t i = 0; i < delivery.records.size(); ++i) {
            EXPECT_EQ(delivery.records[i].seq, rig.accepted()[i].seq);
            EXPECT_EQ(delivery.records[i].value, rig.accepted()[i].value);
        }
        EXPECT_GT(disk.strikes().failed[std::size_t(ModelDisk::Kind::read)], 0U);
    }
}

/// What a start cannot read it does not give up: whoever comes to it tries again, so that nothing
/// comes behind what is newer.
TEST_F(UnreadSegment, DeliversInItsPlaceWhatAStartCouldNotRead) {
    write(400);
    ASSERT_GT(segments_of(disk).size(), 2U);
    start_without_reading();
    ASSERT_TRUE(rig.append("plant/tag1", "newer"));
    rig.run_until_synced();
    const auto delivery = rig.deliver();
    EXPECT_TRUE(same(delivery.records, rig.accepted()));
    ASSERT_EQ(delivery.gaps.size(), 1U) << "how much the newest segment held nobody knew";
    EXPECT_EQ(delivery.gaps[0].from, 401U);
    EXPECT_EQ(delivery.gaps[0].why, tunnel::GapReason::damaged);
}

TEST_F(UnreadSegment, NamesInItsPlaceWhatCannotBeReadLaterEither) {
    write(400);
    const auto second = segments_of(disk).at(1);
    const auto first = parse_segment_name(second.name)->first;
    const auto third = parse_segment_name(segments_of(disk).at(2).name)->first;
    start_without_reading();
    for (std::size_t i = 0; i < kSegmentHeaderBytes; ++i) disk.contents(second.name)[i] = 0xEE;
    const auto delivery = rig.deliver();
    ASSERT_FALSE(delivery.gaps.empty());
    EXPECT_EQ(delivery.gaps[0].from, first);
    EXPECT_EQ(delivery.gaps[0].to, third - 1);
    EXPECT_EQ(delivery.gaps[0].why, tunnel::GapReason::damaged);
    auto expected = rig.accepted();
    std::erase_if(expected,
                  [&](const auto& each) { return first <= each.seq && each.seq < third; });
    EXPECT_TRUE(same(delivery.records, expected));
}

/// Of which nothing counts, whether or not it can be synced.
TEST_F(UnreadSegment, HindersNoStart) {
    write(20);
    disk.fail(ModelDisk::Kind::read, 1, DiskError::io, 100'000);
    disk.fail(ModelDisk::Kind::sync, 1, DiskError::denied);
    ASSERT_TRUE(rig.start());
    EXPECT_EQ(disk.strikes().failed[std::size_t(ModelDisk::Kind::sync)], 1U);
    disk.clear_faults();
    EXPECT_TRUE(same(rig.deliver().records, rig.accepted()));
}

/// Two starts that cannot read, a new topic after each: neither may have the other's number.
TEST_F(UnreadSegment, NoNumberOfATagIsGivenTwice) {
    write(20);
    std::set<record::TagId> numbers;
    for (const auto* topic : {"x", "y", "z"}) {
        start_without_reading();
        rig.run_jobs();
        disk.fail(ModelDisk::Kind::save, 1, DiskError::io, 100'000);
        ASSERT_TRUE(rig.append(topic, "1"));
        rig.run_until_synced();
        EXPECT_TRUE(numbers.insert(rig.spool().tag(topic)).second) << topic;
        disk.clear_faults();
    }
}

/// It is not taken for a segment that holds nothing.
TEST_F(UnreadSegment, KeepsATailWhoseHeaderIsFirstNotReadAndThenFoundDamaged) {
    write(20);
    const auto tail = segments_of(disk).back();
    disk.flip_bit(tail.name, 40, 0);
    disk.fail(ModelDisk::Kind::read, 1, DiskError::io, 3);  // as often as a start tries
    ASSERT_TRUE(rig.start());
    EXPECT_EQ(disk.strikes().failed[std::size_t(ModelDisk::Kind::read)], 3U);
    EXPECT_GT(rig.spool().synced(), 20U) << "what it may have held is not numbered again";
    rig.run_jobs();
    EXPECT_EQ(segments_of(disk).front().name, tail.name);
    const auto delivery = rig.deliver();
    ASSERT_EQ(delivery.gaps.size(), 1U);
    EXPECT_EQ(delivery.gaps[0].from, 1U);
    EXPECT_EQ(delivery.gaps[0].why, tunnel::GapReason::damaged);
}

TEST_F(UnreadSegment, ASegmentThatIsGoneDoesNotComeBackAsTheNewest) {
    write(400);
    const auto segments = segments_of(disk);
    ASSERT_GT(segments.size(), 2U);
    disk.checkpoint()->gone_below = 401;
    for (std::size_t i = 1; i < segments.size(); ++i) ASSERT_TRUE(disk.remove(segments[i].name));
    ASSERT_TRUE(rig.start());
    EXPECT_EQ(rig.spool().synced(), 400U);
    EXPECT_TRUE(rig.deliver().records.empty());
    rig.run_jobs();
    EXPECT_EQ(segments_of(disk).size(), 1U);
    EXPECT_NE(segments_of(disk).front().name, segments.front().name);
}

}  // namespace
}  // namespace sallyport::spool
