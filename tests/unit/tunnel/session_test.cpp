// A sender and a receiver, with nothing between them.
#include <gtest/gtest.h>

#include "tests/unit/tunnel/session_pair.hpp"

namespace sallyport::tunnel {
namespace {

using namespace samples;

TEST(Session, OpensWithTheLogAndResumes) {
    SessionPair pair;
    pair.to_it();
    ASSERT_TRUE(pair.arrived.log);
    EXPECT_EQ(pair.arrived.log->runs, kTwoRuns.runs);
    EXPECT_FALSE(pair.sender.is_streaming());
    const Position position{1, 5, 0xFEED};
    pair.receiver.resume(SessionPair::kStore, position);
    pair.to_edge();
    ASSERT_EQ(pair.replies.size(), 1U);
    const auto& resume = std::get<Resume>(pair.replies[0]);
    EXPECT_EQ(resume.store, SessionPair::kStore);
    EXPECT_EQ(resume.position, position);
    EXPECT_EQ(resume.credit, kWindowBytesFirst);
    EXPECT_EQ(pair.sender.store(), SessionPair::kStore);
    EXPECT_TRUE(pair.sender.may_send());
}

TEST(Session, HandsOverEverythingFromTheBeginningInItsOrder) {
    SessionPair pair;
    pair.greet();
    pair.send(entry(1, 1, 4));
    pair.send(entry(1, 5, 10));
    pair.send(entry(2, 11, 12));
    pair.to_it();
    EXPECT_FALSE(pair.arrived.failure);
    EXPECT_EQ(pair.arrived.seqs, (std::vector<record::Seq>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}));
    ASSERT_EQ(pair.arrived.entries.size(), 3U);
    EXPECT_EQ(pair.arrived.entries[1], entry(1, 5, 10).end);  // checksum and all
}

TEST(Session, GoesOnBehindThePosition) {
    SessionPair pair;
    pair.greet({1, 4, 0xFEED});
    pair.send(entry(1, 5, 10));
    pair.to_it();
    EXPECT_FALSE(pair.arrived.failure);
    EXPECT_EQ(pair.arrived.seqs.front(), 5U);
}

TEST(Session, GoesOnWithTheNextRunBehindTheEndOfOne) {
    SessionPair pair;
    pair.greet({1, 10, 0xFEED});
    pair.send(entry(2, 11, 14));
    pair.to_it();
    EXPECT_FALSE(pair.arrived.failure);
    EXPECT_EQ(pair.arrived.seqs.front(), 11U);
}

TEST(Session, GoesOnInTheRunThatGrowsBeyondItsLog) {
    SessionPair pair(Log{{{1, 1, 0}}});  // nothing yet
    pair.greet();
    pair.send(entry(1, 1, 3));
    pair.send(entry(1, 4, 4));
    pair.to_it();
    EXPECT_FALSE(pair.arrived.failure);
    EXPECT_EQ(pair.arrived.seqs.size(), 4U);
}

TEST(Session, DefinesATagOnceAndBeforeItsFirstRecord) {
    SessionPair pair;
    pair.greet();
    pair.kinds_to_it.clear();
    pair.send(entry(1, 1, 2, {1, 2}));
    pair.send(entry(1, 3, 5, {2, 1, 3}));
    pair.send(entry(1, 6, 8, {3, 2, 1}));
    pair.to_it();
    EXPECT_FALSE(pair.arrived.failure);
    EXPECT_EQ(pair.arrived.defined, (std::vector<record::TagId>{1, 2, 3}));
    EXPECT_EQ(pair.kinds_to_it, (std::vector{FrameKind::define, FrameKind::batch, FrameKind::define,
                                             FrameKind::batch, FrameKind::batch}));
    EXPECT_EQ(pair.receiver.topic(3), "plant/3");
}

TEST(Session, DefinesManyTagsInFramesOfTheirLimit) {
    SessionPair pair;
    pair.greet();
    pair.kinds_to_it.clear();
    auto many = entry(1, 1, 1);
    for (record::TagId tag = 2; tag <= 2 * kDefineTagsMax; ++tag) many.tags.push_back(tag);
    pair.send(many);
    pair.to_it();
    EXPECT_FALSE(pair.arrived.failure);
    EXPECT_EQ(pair.arrived.defined.size(), 2 * kDefineTagsMax);
    EXPECT_EQ(pair.kinds_to_it,
              (std::vector{FrameKind::define, FrameKind::define, FrameKind::batch}));
}

TEST(Session, AnEntryWithRecordsLeftOutKeepsItsWholeChecksum) {
    SessionPair pair;
    pair.greet();
    const auto whole = entry(1, 1, 4);
    auto part = whole;
    part.body = encode_batch({1, 1, 4, whole.end.checksum}, std::vector{record(3, 1)});
    pair.send(part);
    pair.to_it();
    EXPECT_FALSE(pair.arrived.failure);
    EXPECT_EQ(pair.arrived.seqs, std::vector<record::Seq>{3});
    EXPECT_EQ(pair.arrived.entries.at(0), whole.end);
    pair.acknowledge(0, part.body.size());
    EXPECT_FALSE(pair.sender_failed());
    EXPECT_EQ(pair.sender.unacked_entries(), 0U);
}

TEST(Session, AnAckStandsForAllBeforeIt) {
    SessionPair pair;
    pair.greet();
    for (record::Seq seq = 1; seq <= 5; ++seq) pair.send(entry(1, seq, seq));
    pair.to_it();
    EXPECT_EQ(pair.sender.unacked_entries(), 5U);
    pair.acknowledge(2, 0);
    EXPECT_EQ(pair.sender.unacked_entries(), 2U);
    const auto& acked = std::get<Acked>(pair.replies.back());
    EXPECT_EQ(acked.position, entry(1, 3, 3).end);
    pair.acknowledge(4, 0);
    EXPECT_EQ(pair.sender.unacked_entries(), 0U);
    EXPECT_FALSE(pair.sender_failed());
}

TEST(Session, TheNewestAckMayBeRepeated) {
    SessionPair pair;
    pair.greet();
    pair.send(entry(1, 1, 1));
    pair.to_it();
    for (int i = 0; i < 3; ++i) pair.acknowledge(0, 0);
    EXPECT_FALSE(pair.sender_failed());
    EXPECT_EQ(pair.sender.unacked_entries(), 0U);
}

TEST(Session, TheResumedPositionMayBeAcknowledged) {
    SessionPair pair;
    const Position position{1, 4, 0xFEED};
    pair.greet(position);
    pair.send(entry(1, 5, 6));
    pair.receiver.acknowledge(position, 0, pair.now);
    pair.to_edge();
    EXPECT_FALSE(pair.sender_failed());
    EXPECT_EQ(pair.sender.unacked_entries(), 1U);
}

TEST(Session, SendsNoMoreThanItsCreditAndOneEntry) {
    SessionPair pair;
    pair.greet();
    const std::string value(10'000, 'v');
    std::uint64_t sent = 0;
    record::Seq seq = 1;
    for (; pair.sender.may_send(); ++seq) {
        const auto next = entry(1, seq, seq, {1}, value);
        sent += next.body.size();
        pair.send(next);
    }
    EXPECT_GE(sent, kWindowBytesFirst);
    EXPECT_LT(sent, kWindowBytesFirst + 11'000);
    pair.to_it();
    EXPECT_FALSE(pair.arrived.failure);
    pair.acknowledge(0, pair.arrived.entry_bytes[0]);  // moves the limit by less than the excess
    pair.acknowledge(3, pair.arrived.entry_bytes[0] * 3);
    EXPECT_TRUE(pair.sender.may_send());
}

TEST(Session, AnEntryLargerThanTheWindowPasses) {
    SessionPair pair;
    pair.greet();
    const std::string packet(2U << 20U, 'v');
    pair.send(entry(1, 1, 1, {1}, packet));
    EXPECT_FALSE(pair.sender.may_send());
    pair.to_it();
    EXPECT_FALSE(pair.arrived.failure);
    pair.acknowledge(0, pair.arrived.entry_bytes[0]);
    EXPECT_TRUE(pair.sender.may_send());
}

TEST(Session, MoreThanItsCreditIsAnOverrun) {
    SessionPair pair;
    pair.greet();
    const std::string value(kWindowBytesFirst, 'v');
    pair.send(entry(1, 1, 1, {1}, value));
    pair.to_it();
    EXPECT_FALSE(pair.arrived.failure);
    EXPECT_FALSE(pair.sender.may_send());
    pair.send(entry(1, 2, 2));  // does so all the same
    pair.to_it();
    EXPECT_EQ(pair.arrived.failure, ReceiverFailure::overrun);
}

TEST(Session, DefinitionsGapsAndBeatsNeedNoCredit) {
    SessionPair pair;
    pair.greet();
    pair.send(entry(1, 1, 1, {1}, std::string(kWindowBytesFirst, 'v')));
    ASSERT_FALSE(pair.sender.may_send());
    pair.sender.send_gap({1, 2, 10, GapReason::dropped});
    pair.sender.send_beat({10, 0s, 1}, pair.now);
    pair.to_it();
    EXPECT_FALSE(pair.arrived.failure);
    EXPECT_EQ(pair.arrived.gaps.size(), 1U);
    EXPECT_EQ(pair.arrived.beats.size(), 1U);
}

TEST(Session, BeatsAreEchoedInTheirOrder) {
    SessionPair pair;
    pair.greet();
    EXPECT_TRUE(pair.sender.beat_due(pair.now));  // the first at once
    pair.sender.send_beat({20, 3s, 9}, pair.now);
    EXPECT_FALSE(pair.sender.beat_due(pair.now));
    pair.now = at(2s - 1ns);
    EXPECT_FALSE(pair.sender.beat_due(pair.now));
    EXPECT_EQ(pair.sender.next_deadline(), at(2s).instant);
    pair.now = at(2s);
    EXPECT_TRUE(pair.sender.beat_due(pair.now));
    pair.sender.send_beat({21, 4s, 10}, pair.now);
    pair.to_it();
    ASSERT_EQ(pair.arrived.beats.size(), 2U);
    EXPECT_EQ(pair.arrived.beats[1].tail, 21U);
    EXPECT_EQ(pair.arrived.beats[1].behind, 4s);
    EXPECT_EQ(pair.arrived.beats[1].spooled_records, 10U);
    EXPECT_EQ(pair.arrived.beats[1].clock, at(2s).wall);
    EXPECT_FALSE(pair.sender.last_echo());
    pair.replies.clear();
    pair.to_edge();
    ASSERT_EQ(pair.replies.size(), 2U);
    EXPECT_EQ(std::get<Echoed>(pair.replies[0]).count, 1U);
    EXPECT_EQ(std::get<Echoed>(pair.replies[1]).count, 2U);
    EXPECT_EQ(pair.sender.last_echo(), at(2s).instant);
}

TEST(Session, ProgressIsTheTimeOfTheNewestAck) {
    SessionPair pair;
    EXPECT_FALSE(pair.sender.last_progress());
    pair.greet();
    EXPECT_EQ(pair.sender.last_progress(), at(0s).instant);
    pair.send(entry(1, 1, 1));
    pair.to_it();
    pair.now = at(3s);
    pair.acknowledge(0, 0);
    EXPECT_EQ(pair.sender.last_progress(), at(3s).instant);
    pair.now = at(9s);
    pair.acknowledge(0, 0);  // again: nothing new
    EXPECT_EQ(pair.sender.last_progress(), at(3s).instant);
}

TEST(Session, TowardTheEdgeTravelNumbersAlone) {
    SessionPair pair;
    pair.to_it();
    pair.receiver.resume(SessionPair::kStore, {});
    std::vector<base::Bytes> messages;
    messages.push_back(*pair.receiver.next_frame());
    Arrived arrived;
    deliver(pair.receiver, define_frame({1}), arrived, pair.now);
    deliver(pair.receiver, batch_frame(entry(1, 1, 1)), arrived, pair.now);
    deliver(pair.receiver, encode(kSession, Beat{1, {}, 0s, 0, 1}), arrived, pair.now);
    pair.receiver.acknowledge(arrived.entries.at(0), 1, pair.now);
    while (auto message = pair.receiver.next_frame()) messages.push_back(std::move(*message));
    ASSERT_EQ(messages.size(), 3U);  // Resume, Echo, Ack
    for (const auto& message : messages) {
        const auto frame = decode_frame(message);
        EXPECT_TRUE(is_numbers_only(FrameKind{frame->kind}, frame->body)) << int(frame->kind);
    }
}

}  // namespace
}  // namespace sallyport::tunnel
