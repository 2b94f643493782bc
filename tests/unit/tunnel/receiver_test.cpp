// The it-agent's end against a far side that does not keep to the protocol, or whose log has holes.
#include "common/tunnel/receiver.hpp"

#include <limits>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/tunnel/session_pair.hpp"

namespace sallyport::tunnel {
namespace {

using namespace samples;

constexpr auto kLastSeq = std::numeric_limits<record::Seq>::max();

/// A receiver that has had the log `log`, resumed at `position`, and knows tag 1.
class Scripted {
public:
    explicit Scripted(const Log& log = kTwoRuns, const Position& position = {},
                      const ReceiverLimits& limits = {})
        : receiver(kSession, "acme/line3", limits, at(0s)) {
        give(encode(kSession, log));
        receiver.resume(5, position);
        give(define_frame({1}));
        EXPECT_FALSE(arrived.failure);
    }
    std::optional<ReceiverFailure> give(const base::Bytes& message) {
        deliver(receiver, message, arrived, at(1s));
        return arrived.failure;
    }
    std::optional<ReceiverFailure> batch(record::Epoch epoch, record::Seq first, record::Seq last) {
        return give(batch_frame(entry(epoch, first, last)));
    }
    std::optional<ReceiverFailure> gap(record::Epoch epoch, record::Seq from, record::Seq to,
                                       GapReason why) {
        return give(encode(kSession, Gap{epoch, from, to, why}));
    }

    Receiver receiver;
    Arrived arrived;
};

// --- turns --------------------------------------------------------------------

TEST(Receiver, WantsTheLogFirst) {
    for (const auto& sample : every_kind()) {
        if (sample.kind == FrameKind::log) continue;
        Receiver receiver(kSession, "acme/line3", {}, at(0s));
        Arrived arrived;
        deliver(receiver, sample.message, arrived, at(0s));
        EXPECT_EQ(arrived.failure, ReceiverFailure::out_of_turn) << int(sample.kind);
    }
}

TEST(Receiver, WantsNothingBetweenLogAndResume) {
    for (const auto& sample : every_kind()) {
        Receiver receiver(kSession, "acme/line3", {}, at(0s));
        Arrived arrived;
        deliver(receiver, encode(kSession, kTwoRuns), arrived, at(0s));
        ASSERT_FALSE(arrived.failure);
        deliver(receiver, sample.message, arrived, at(0s));
        EXPECT_EQ(arrived.failure, ReceiverFailure::out_of_turn) << int(sample.kind);
    }
}

TEST(Receiver, TakesNothingButWhatAnEdgeSends) {
    const std::set allowed{FrameKind::gap, FrameKind::define, FrameKind::batch, FrameKind::beat};
    for (int kind = 0; kind < 256; ++kind) {
        if (allowed.contains(FrameKind{static_cast<std::uint8_t>(kind)})) continue;
        Scripted scripted;
        EXPECT_EQ(scripted.give(frame_of_kind(static_cast<std::uint8_t>(kind), kSession)),
                  ReceiverFailure::out_of_turn)
            << kind;
    }
}

TEST(Receiver, TakesOneLog) {
    Scripted scripted;
    EXPECT_EQ(scripted.give(encode(kSession, kTwoRuns)), ReceiverFailure::out_of_turn);
}

TEST(Receiver, RefusesALogWithoutARun) {
    Receiver receiver(kSession, "acme/line3", {}, at(0s));
    Arrived arrived;
    deliver(receiver, encode(kSession, Log{}), arrived, at(0s));
    EXPECT_EQ(arrived.failure, ReceiverFailure::malformed);
}

TEST(Receiver, RefusesWhatCannotBeRead) {
    const base::Bytes not_a_struct(16, 0xFF);
    for (const auto kind : {FrameKind::gap, FrameKind::define, FrameKind::batch, FrameKind::beat}) {
        Scripted scripted;
        EXPECT_EQ(scripted.give(encode_frame(kSession, kind, not_a_struct)),
                  ReceiverFailure::malformed)
            << int(kind);
    }
}

// --- sequence -----------------------------------------------------------------

TEST(ReceiverSequence, BeginsAtTheFirstRecordOfTheLog) {
    EXPECT_FALSE(Scripted().batch(1, 1, 3));
    EXPECT_EQ(Scripted().batch(1, 2, 3), ReceiverFailure::hole);
    EXPECT_EQ(Scripted().batch(2, 11, 12), ReceiverFailure::hole);
}

TEST(ReceiverSequence, BeginsBehindThePosition) {
    const Position position{1, 4, 0xFEED};
    EXPECT_FALSE(Scripted(kTwoRuns, position).batch(1, 5, 6));
    EXPECT_EQ(Scripted(kTwoRuns, position).batch(1, 6, 7), ReceiverFailure::hole);
    EXPECT_EQ(Scripted(kTwoRuns, position).batch(1, 4, 6), ReceiverFailure::overlap);
    EXPECT_EQ(Scripted(kTwoRuns, position).batch(2, 11, 12), ReceiverFailure::hole);
}

TEST(ReceiverSequence, NamesAHole) {
    Scripted scripted;
    ASSERT_FALSE(scripted.batch(1, 1, 3));
    EXPECT_EQ(scripted.batch(1, 5, 6), ReceiverFailure::hole);
}

TEST(ReceiverSequence, NamesAnOverlap) {
    for (const auto& [first, last] : {std::pair<record::Seq, record::Seq>{1, 3}, {3, 5}, {2, 2}}) {
        Scripted scripted;
        ASSERT_FALSE(scripted.batch(1, 1, 3));
        EXPECT_EQ(scripted.batch(1, first, last), ReceiverFailure::overlap);
    }
}

TEST(ReceiverSequence, NamesAnUnknownEpoch) {
    Scripted scripted;
    ASSERT_FALSE(scripted.batch(1, 1, 3));
    EXPECT_EQ(scripted.batch(3, 4, 5), ReceiverFailure::unknown_epoch);
}

TEST(ReceiverSequence, NamesAnEpochThatIsOver) {
    Scripted scripted;
    ASSERT_FALSE(scripted.batch(1, 1, 10));
    ASSERT_FALSE(scripted.batch(2, 11, 12));
    EXPECT_EQ(scripted.batch(1, 13, 14), ReceiverFailure::unknown_epoch);
}

TEST(ReceiverSequence, TheNextRunBeginsAtItsFirstRecord) {
    Scripted good;
    ASSERT_FALSE(good.batch(1, 1, 10));
    EXPECT_FALSE(good.batch(2, 11, 12));
    Scripted late;
    ASSERT_FALSE(late.batch(1, 1, 10));
    EXPECT_EQ(late.batch(2, 12, 13), ReceiverFailure::hole);
}

TEST(ReceiverSequence, ARunIsCompleteBeforeTheNextBegins) {
    Scripted scripted;
    ASSERT_FALSE(scripted.batch(1, 1, 9));
    EXPECT_EQ(scripted.batch(2, 11, 12), ReceiverFailure::hole);
}

TEST(ReceiverSequence, EmptyRunsAreSteppedOver) {
    const Log log{{{1, 1, 10}, {2, 11, 10}, {3, 11, 10}, {4, 11, 20}}};
    Scripted scripted(log);
    ASSERT_FALSE(scripted.batch(1, 1, 10));
    EXPECT_FALSE(scripted.batch(4, 11, 12));
    Scripted from_none(Log{{{1, 1, 0}, {2, 1, 0}, {3, 1, 5}}});
    EXPECT_FALSE(from_none.batch(3, 1, 2));
}

TEST(ReceiverSequence, RunsThatHoldSomethingAreNot) {
    const Log log{{{1, 1, 10}, {2, 11, 11}, {3, 12, 20}}};
    Scripted scripted(log);
    ASSERT_FALSE(scripted.batch(1, 1, 10));
    EXPECT_EQ(scripted.batch(3, 12, 13), ReceiverFailure::hole);
}

// --- gaps ---------------------------------------------------------------------

TEST(ReceiverGaps, AreToldAndGoneBehind) {
    Scripted scripted;
    ASSERT_FALSE(scripted.batch(1, 1, 3));
    EXPECT_FALSE(scripted.gap(1, 4, 6, GapReason::damaged));
    EXPECT_FALSE(scripted.batch(1, 7, 10));
    ASSERT_EQ(scripted.arrived.gaps.size(), 1U);
    EXPECT_EQ(scripted.arrived.gaps[0].from, 4U);
    EXPECT_EQ(scripted.arrived.gaps[0].to, 6U);
    EXPECT_EQ(scripted.arrived.gaps[0].why, GapReason::damaged);
}

TEST(ReceiverGaps, MayEndARun) {
    Scripted scripted;
    ASSERT_FALSE(scripted.batch(1, 1, 3));
    EXPECT_FALSE(scripted.gap(1, 4, 10, GapReason::damaged));
    EXPECT_FALSE(scripted.batch(2, 11, 12));
}

TEST(ReceiverGaps, MayBeginARun) {
    Scripted scripted;
    ASSERT_FALSE(scripted.batch(1, 1, 10));
    EXPECT_FALSE(scripted.gap(2, 11, 13, GapReason::damaged));
    EXPECT_FALSE(scripted.batch(2, 14, 15));
}

TEST(ReceiverGaps, MayLeadIntoALaterRun) {
    Scripted scripted;
    ASSERT_FALSE(scripted.batch(1, 1, 3));
    EXPECT_FALSE(scripted.gap(2, 4, 14, GapReason::dropped));  // the spool dropped so far
    EXPECT_FALSE(scripted.batch(2, 15, 16));
}

TEST(ReceiverGaps, MayComeBeforeTheLogsFirstRecord) {
    const Log trimmed{{{1, 51, 60}}};
    Scripted scripted(trimmed);
    EXPECT_FALSE(scripted.gap(1, 1, 50, GapReason::before_log));
    EXPECT_FALSE(scripted.batch(1, 51, 52));
}

TEST(ReceiverGaps, OfAnUnknownPositionBeginTheLogAgain) {
    const Log trimmed{{{1, 51, 60}}};
    Scripted scripted(trimmed, {1, 55, 0xBAD});
    EXPECT_FALSE(scripted.gap(1, 1, 50, GapReason::unknown_position));
    EXPECT_FALSE(scripted.batch(1, 51, 52));
}

// A log that still begins at record 1 begins again at 1: the gap is empty, and nothing is missing.
TEST(ReceiverGaps, OfAnUnknownPositionMayMissNothing) {
    Scripted scripted(kTwoRuns, {1, 4, 0xBAD});
    EXPECT_FALSE(scripted.gap(1, 1, 0, GapReason::unknown_position));
    EXPECT_FALSE(scripted.batch(1, 1, 3));
}

TEST(ReceiverGaps, DoNotExcuseWhatLiesBehindThem) {
    Scripted scripted;
    ASSERT_FALSE(scripted.gap(1, 1, 3, GapReason::dropped));
    EXPECT_EQ(scripted.batch(1, 5, 6), ReceiverFailure::hole);
}

// Every seq is in a Batch or named by a Gap: 4 and 5 are neither.
TEST(ReceiverGaps, DoNotExcuseWhatLiesBeforeThem) {
    for (const auto why : {GapReason::damaged, GapReason::dropped}) {
        Scripted scripted;
        ASSERT_FALSE(scripted.batch(1, 1, 3));
        EXPECT_EQ(scripted.gap(1, 6, 8, why), ReceiverFailure::hole) << to_string(why);
    }
}

TEST(ReceiverGaps, InALaterRunDoNotExcuseTheRestOfTheOneBefore) {
    Scripted scripted;
    ASSERT_FALSE(scripted.batch(1, 1, 3));
    EXPECT_EQ(scripted.gap(2, 11, 13, GapReason::damaged), ReceiverFailure::hole);
}

TEST(ReceiverGaps, DoNotGoBackOverWhatCame) {
    Scripted scripted;
    ASSERT_FALSE(scripted.batch(1, 1, 8));
    EXPECT_EQ(scripted.gap(1, 2, 3, GapReason::damaged), ReceiverFailure::overlap);
}

TEST(ReceiverGaps, OfAnUnknownEpochAreRefused) {
    EXPECT_EQ(Scripted().gap(3, 1, 2, GapReason::dropped), ReceiverFailure::unknown_epoch);
    EXPECT_EQ(Scripted().gap(0, 1, 2, GapReason::dropped), ReceiverFailure::unknown_epoch);
}

TEST(ReceiverGaps, OfAnEpochThatIsOverAreRefused) {
    Scripted scripted;
    ASSERT_FALSE(scripted.batch(1, 1, 10));
    ASSERT_FALSE(scripted.batch(2, 11, 12));
    EXPECT_EQ(scripted.gap(1, 13, 14, GapReason::damaged), ReceiverFailure::unknown_epoch);
}

TEST(ReceiverGaps, ThatRunBackwardsAreMalformed) {
    EXPECT_EQ(Scripted().gap(1, 3, 2, GapReason::damaged), ReceiverFailure::malformed);
    EXPECT_EQ(Scripted().gap(1, 0, 2, GapReason::damaged), ReceiverFailure::malformed);
}

// The number behind the last one is 0, which elsewhere means that any run may begin.
TEST(ReceiverGaps, ToTheLastNumberDoNotLetTheRunBeginAgain) {
    Scripted scripted;
    ASSERT_FALSE(scripted.batch(1, 1, 3));
    if (!scripted.gap(1, 4, kLastSeq, GapReason::damaged)) {
        EXPECT_TRUE(scripted.batch(1, 1, 3));
    }
    EXPECT_EQ(scripted.arrived.seqs, (std::vector<record::Seq>{1, 2, 3}));
}

// --- tags ---------------------------------------------------------------------

TEST(ReceiverTags, OfARecordAreDefinedBefore) {
    Scripted scripted;
    EXPECT_EQ(scripted.give(batch_frame(entry(1, 1, 1, {2}))), ReceiverFailure::undefined_tag);
}

TEST(ReceiverTags, OfAGreatIdAreUndefinedToo) {
    Scripted scripted;
    EXPECT_EQ(scripted.give(batch_frame(entry(1, 1, 1, {0xFFFFFFFF}))),
              ReceiverFailure::undefined_tag);
}

TEST(ReceiverTags, ThatAQualityChangeListsAreDefinedBefore) {
    auto change = record(1, 1, "");
    change.also_tags = {2, 3};
    const auto message =
        encode_frame(kSession, FrameKind::batch, encode_batch({1, 1, 1}, std::vector{change}));
    Scripted lacking;
    ASSERT_FALSE(lacking.give(define_frame({2})));
    EXPECT_EQ(lacking.give(message), ReceiverFailure::undefined_tag);
    Scripted knowing;
    ASSERT_FALSE(knowing.give(define_frame({3, 2})));
    EXPECT_FALSE(knowing.give(message));
    EXPECT_EQ(knowing.receiver.records()[0].also_tags, (std::vector<record::TagId>{2, 3}));
}

TEST(ReceiverTags, AreDefinedOnce) {
    Scripted scripted;
    EXPECT_EQ(scripted.give(define_frame({1})), ReceiverFailure::out_of_turn);
    Scripted twice_in_one;
    EXPECT_EQ(twice_in_one.give(define_frame({2, 2})), ReceiverFailure::out_of_turn);
}

TEST(ReceiverTags, OfAnEarlierSessionAreNotKnown) {
    Scripted first;
    ASSERT_FALSE(first.give(define_frame({2})));
    Scripted second;
    EXPECT_EQ(second.give(batch_frame(entry(1, 1, 1, {2}))), ReceiverFailure::undefined_tag);
}

TEST(ReceiverTags, HaveALimit) {
    ReceiverLimits limits;
    limits.tags_max = 10;
    Scripted scripted(kTwoRuns, {}, limits);
    EXPECT_FALSE(scripted.give(define_frame({9})));
    EXPECT_EQ(scripted.give(define_frame({10})), ReceiverFailure::limit);
    Scripted greatest(kTwoRuns, {}, limits);
    EXPECT_EQ(greatest.give(define_frame({0xFFFFFFFF})), ReceiverFailure::limit);
}

TEST(ReceiverTags, HaveALimitOfTheirTopicsBytes) {
    ReceiverLimits limits;
    limits.topic_bytes_max = 20;  // "plant/1" has 7
    Scripted scripted(kTwoRuns, {}, limits);
    EXPECT_FALSE(scripted.give(define_frame({2})));
    EXPECT_EQ(scripted.give(define_frame({3})), ReceiverFailure::limit);
}

// --- credit, acks, names ------------------------------------------------------

TEST(ReceiverCredit, GrowsWithWhatTheSinkHas) {
    Scripted scripted;
    while (scripted.receiver.next_frame()) continue;
    ASSERT_FALSE(scripted.batch(1, 1, 3));
    const auto bytes = scripted.arrived.entry_bytes.at(0);
    EXPECT_EQ(scripted.receiver.window().outstanding(), bytes);
    scripted.receiver.acknowledge(scripted.arrived.entries[0], bytes, at(1s));
    EXPECT_EQ(scripted.receiver.window().outstanding(), 0U);
    const auto message = scripted.receiver.next_frame();
    ASSERT_TRUE(message);
    const auto ack = decode_ack(decode_frame(*message)->body);
    ASSERT_TRUE(ack);
    EXPECT_EQ(ack->position, entry(1, 1, 3).end);
    EXPECT_EQ(ack->credit, kWindowBytesFirst + bytes);
    EXPECT_FALSE(scripted.receiver.next_frame());
}

/// Answers to a Beat that tells of so many records without an ack, by kind.
std::vector<FrameKind> answers_to_beat(Receiver& receiver, Arrived& arrived,
                                       std::uint64_t spooled_records) {
    Beat beat;
    beat.spooled_records = spooled_records;
    deliver(receiver, encode(kSession, beat), arrived, at(2s));
    std::vector<FrameKind> kinds;
    while (const auto message = receiver.next_frame())
        kinds.push_back(static_cast<FrameKind>(decode_frame(*message)->kind));
    return kinds;
}

TEST(ReceiverAcks, TheNewestIsRepeatedToAnEdgeThatStillWaits) {
    Scripted scripted;
    while (scripted.receiver.next_frame()) continue;
    const std::vector echo_alone{FrameKind::echo};
    EXPECT_EQ(answers_to_beat(scripted.receiver, scripted.arrived, 3), echo_alone)
        << "nothing is acknowledged yet";
    ASSERT_FALSE(scripted.batch(1, 1, 3));
    scripted.receiver.acknowledge(scripted.arrived.entries[0], scripted.arrived.entry_bytes.at(0),
                                  at(1s));
    scripted.receiver.next_frame();  // lost
    const std::vector both{FrameKind::echo, FrameKind::ack};
    EXPECT_EQ(answers_to_beat(scripted.receiver, scripted.arrived, 3), both);
    EXPECT_EQ(answers_to_beat(scripted.receiver, scripted.arrived, 0), echo_alone);
}

TEST(ReceiverCredit, IsCountedBeforeTheEntryIsRead) {
    Scripted scripted;
    const auto large = entry(1, 1, 1, {1}, std::string(kWindowBytesFirst, 'v'));
    ASSERT_FALSE(scripted.give(batch_frame(large)));
    const base::Bytes not_a_struct(16, 0xFF);
    EXPECT_EQ(scripted.give(encode_frame(kSession, FrameKind::batch, not_a_struct)),
              ReceiverFailure::overrun);
}

TEST(ReceiverCredit, IsTheSessionsShare) {
    ReceiverLimits limits;
    limits.window_bytes_max = 20'000;
    Receiver receiver(kSession, "acme/line3", limits, at(0s));
    Arrived arrived;
    deliver(receiver, encode(kSession, kTwoRuns), arrived, at(0s));
    receiver.resume(5, {});
    const auto message = receiver.next_frame();
    ASSERT_TRUE(message);
    EXPECT_EQ(decode_resume(decode_frame(*message)->body)->credit, 20'000U);
}

TEST(ReceiverFailures, HaveNamesOfTheirOwn) {
    std::set<std::string_view> names;
    for (const auto failure :
         {ReceiverFailure::malformed, ReceiverFailure::out_of_turn, ReceiverFailure::undefined_tag,
          ReceiverFailure::hole, ReceiverFailure::overlap, ReceiverFailure::unknown_epoch,
          ReceiverFailure::overrun, ReceiverFailure::limit})
        EXPECT_TRUE(names.insert(to_string(failure)).second);
    EXPECT_FALSE(names.contains("?"));
}

}  // namespace
}  // namespace sallyport::tunnel
