// What a newer record supersedes, and up to where it counts.
#include "edge-agent/spool/newest_index.hpp"

#include <gtest/gtest.h>

namespace sallyport::spool {
namespace {

constexpr record::TagId kTag = 7;
const std::string kHq = "hq";

tunnel::BatchRecord quality(record::Seq seq, record::TagId tag = kTag) {
    tunnel::BatchRecord record;
    record.seq = seq;
    record.tag = tag;
    record.flags = record::kLatest;
    return record;
}
tunnel::BatchRecord value(record::Seq seq, record::TagId tag = kTag) {
    auto record = quality(seq, tag);
    record.flags |= record::kHasValue;
    return record;
}
tunnel::BatchRecord retained(record::Seq seq) {
    auto record = value(seq);
    record.flags |= record::kRetain;
    return record;
}

class NewestIndexTest : public testing::Test {
protected:
    void accept(const std::vector<tunnel::BatchRecord>& records) {
        for (const auto& record : records) index_.accepted(record.seq, record);
        if (!records.empty()) index_.synced(records.back().seq);
    }
    const Pass& pass_up_to(record::Seq horizon) {
        index_.begin_pass(kHq, horizon);
        return *index_.pass(kHq);
    }
    NewestIndex index_;
};

TEST_F(NewestIndexTest, AValueSupersedesOlderValuesAndQualities) {
    accept({value(1), quality(2), value(3)});
    const auto& pass = pass_up_to(3);
    EXPECT_TRUE(pass.supersedes(value(1)));
    EXPECT_TRUE(pass.supersedes(quality(2)));
    EXPECT_FALSE(pass.supersedes(value(3)));
}

TEST_F(NewestIndexTest, AChangeOfQualityAloneDoesNotSupersedeAValue) {
    accept({value(1), quality(2), quality(3)});
    const auto& pass = pass_up_to(3);
    EXPECT_FALSE(pass.supersedes(value(1)));
    EXPECT_TRUE(pass.supersedes(quality(2)));
    EXPECT_FALSE(pass.supersedes(quality(3)));
}

TEST_F(NewestIndexTest, APlainPublishDoesNotSupersedeARetainedOne) {
    accept({value(1), retained(2), value(3), value(4)});
    const auto& pass = pass_up_to(4);
    EXPECT_TRUE(pass.supersedes(value(1)));
    EXPECT_FALSE(pass.supersedes(retained(2)));
    EXPECT_TRUE(pass.supersedes(value(3)));
    EXPECT_FALSE(pass.supersedes(value(4)));
}

TEST_F(NewestIndexTest, WhatIsBeyondTheHorizonDoesNotCount) {
    accept({value(1), value(2)});
    const auto& pass = pass_up_to(2);
    for (record::Seq seq = 3; seq < 100; ++seq) accept({value(seq)});
    EXPECT_TRUE(pass.supersedes(value(1)));
    EXPECT_FALSE(pass.supersedes(value(2))) << "else a fast tag would never arrive";
    EXPECT_TRUE(pass_up_to(99).supersedes(value(2)));
}

TEST_F(NewestIndexTest, WhatIsNotSyncedDoesNotCount) {
    index_.accepted(1, value(1));
    index_.accepted(2, value(2));
    index_.synced(1);
    const auto& pass = pass_up_to(1);
    EXPECT_FALSE(pass.supersedes(value(1)));
    index_.synced(2);
    EXPECT_FALSE(pass.supersedes(value(1)));
}

TEST_F(NewestIndexTest, EachDestinationHasItsOwnHorizon) {
    accept({value(1), value(2)});
    index_.begin_pass("a", 2);
    accept({value(3)});
    index_.begin_pass("b", 3);
    accept({value(4)});
    EXPECT_FALSE(index_.pass("a")->supersedes(value(2)));
    EXPECT_TRUE(index_.pass("b")->supersedes(value(2)));
    EXPECT_FALSE(index_.pass("b")->supersedes(value(3)));
    index_.end_pass("a");
    EXPECT_EQ(index_.pass("a"), nullptr);
}

TEST_F(NewestIndexTest, AChangeOfManyTagsIsSupersededWhenAllOfThemAre) {
    auto many = quality(1, 1);
    many.also_tags = {2, 3};
    accept({many, value(2, 1), value(3, 2)});
    EXPECT_FALSE(pass_up_to(3).supersedes(many));
    accept({quality(4, 3)});
    EXPECT_TRUE(pass_up_to(4).supersedes(many));
}

TEST_F(NewestIndexTest, OtherClassesAreNeverSuperseded) {
    auto history = value(1);
    history.flags = record::kHasValue;
    accept({history, value(2)});
    EXPECT_FALSE(pass_up_to(2).supersedes(history));
}

TEST_F(NewestIndexTest, KnowsWhatAStartHasReadInAnyOrder) {
    index_.restore(value(5));
    index_.restore(value(3));
    const auto& pass = pass_up_to(9);
    EXPECT_TRUE(pass.supersedes(value(4)));
    EXPECT_FALSE(pass.supersedes(value(5)));
    EXPECT_FALSE(pass.supersedes(value(1, 1000))) << "a tag that is not known";
}

}  // namespace
}  // namespace sallyport::spool
