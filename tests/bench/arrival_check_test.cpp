#include "tests/bench/arrival_check.hpp"

#include <gtest/gtest.h>

namespace sallyport::bench {
namespace {

/// A check of `publishers` publishers that have sent `each` messages.
ArrivalCheck sent_by(std::size_t publishers, int each) {
    ArrivalCheck check(publishers);
    for (std::size_t publisher = 0; publisher < publishers; ++publisher)
        for (int i = 0; i < each; ++i) check.send(publisher);
    return check;
}

TEST(ArrivalCheck, NumbersEachPublisherFromZero) {
    ArrivalCheck check(2);
    EXPECT_EQ(check.send(0), 0U);
    EXPECT_EQ(check.send(0), 1U);
    EXPECT_EQ(check.send(1), 0U);
    EXPECT_EQ(check.sent(), 3U);
}

TEST(ArrivalCheck, IsContentWhenAllArriveOnceInOrder) {
    auto check = sent_by(2, 100);
    for (std::uint64_t number = 0; number < 100; ++number) {
        EXPECT_EQ(check.arrive(1, number), Arrival::in_order);
        EXPECT_EQ(check.arrive(0, number), Arrival::in_order);
    }
    EXPECT_EQ(check.received(), 200U);
    EXPECT_EQ(check.missing(), 0U);
    EXPECT_EQ(check.repeated(), 0U);
    EXPECT_EQ(check.out_of_order(), 0U);
}

TEST(ArrivalCheck, CountsAGapAsMissing) {
    auto check = sent_by(1, 5);
    check.arrive(0, 0);
    EXPECT_EQ(check.arrive(0, 3), Arrival::in_order);
    EXPECT_EQ(check.missing(), 3U);  // 1, 2 and 4
}

TEST(ArrivalCheck, CountsTheEndThatNeverCameAsMissing) {
    auto check = sent_by(1, 3);
    check.arrive(0, 0);
    check.arrive(0, 1);
    EXPECT_EQ(check.missing(), 1U);
}

TEST(ArrivalCheck, TellsALateArrivalFromARepeat) {
    auto check = sent_by(1, 4);
    check.arrive(0, 0);
    check.arrive(0, 2);
    EXPECT_EQ(check.arrive(0, 1), Arrival::out_of_order);
    EXPECT_EQ(check.arrive(0, 1), Arrival::repeated);
    EXPECT_EQ(check.arrive(0, 2), Arrival::repeated);
    EXPECT_EQ(check.arrive(0, 3), Arrival::in_order);
    EXPECT_EQ(check.out_of_order(), 1U);
    EXPECT_EQ(check.repeated(), 2U);
    EXPECT_EQ(check.missing(), 0U);
}

TEST(ArrivalCheck, DoesNotLetARepeatStandForALoss) {
    auto check = sent_by(1, 3);
    check.arrive(0, 0);
    check.arrive(0, 0);
    check.arrive(0, 2);
    EXPECT_EQ(check.received(), 2U);
    EXPECT_EQ(check.missing(), 1U);
}

TEST(ArrivalCheck, DoesNotMixPublishersUp) {
    auto check = sent_by(2, 3);
    check.arrive(0, 2);
    EXPECT_EQ(check.arrive(1, 0), Arrival::in_order);
    EXPECT_EQ(check.out_of_order(), 0U);
}

TEST(ArrivalCheck, KnowsWhatNobodySent) {
    auto check = sent_by(1, 2);
    EXPECT_EQ(check.arrive(0, 2), Arrival::never_sent);
    EXPECT_EQ(check.arrive(1, 0), Arrival::never_sent);
    EXPECT_EQ(check.arrive(0, ~std::uint64_t{0}), Arrival::never_sent);
    EXPECT_EQ(check.never_sent(), 3U);
    EXPECT_EQ(check.received(), 0U);
}

}  // namespace
}  // namespace sallyport::bench
