// The edge's end against a far side that does not keep to the protocol.
#include "common/tunnel/sender.hpp"

#include <gtest/gtest.h>

#include "tests/unit/tunnel/session_pair.hpp"

namespace sallyport::tunnel {
namespace {

using namespace samples;

class SenderAlone : public testing::Test {
protected:
    SenderEvent receive(const base::Bytes& message) {
        return sender.receive(session_frame(message), at(1s));
    }
    bool fails(const base::Bytes& message) {
        return std::holds_alternative<SenderFailed>(receive(message));
    }
    /// Resumed at none, and entries 1..`count` sent, one record each.
    void stream(record::Seq count) {
        ASSERT_TRUE(std::holds_alternative<Resume>(
            receive(encode(kSession, Resume{5, {}, kWindowBytesFirst}))));
        for (record::Seq seq = 1; seq <= count; ++seq) {
            const auto sent = entry(1, seq, seq);
            sender.send_entry(sent.end, sent.body, sent.tags,
                              [](record::TagId) { return "plant/a"; });
        }
        while (sender.next_frame()) continue;
    }
    static base::Bytes ack(const Position& position, std::uint64_t credit = 0) {
        return encode(kSession, Ack{position, credit, 0});
    }

    Sender sender{kSession, "acme/hq", kTwoRuns, {}, at(0s)};
};

TEST_F(SenderAlone, SaysTheLogFirstAndNothingElseUnasked) {
    const auto log = sender.next_frame();
    ASSERT_TRUE(log);
    EXPECT_EQ(FrameKind{decode_frame(*log)->kind}, FrameKind::log);
    EXPECT_EQ(decode_frame(*log)->session, kSession);
    EXPECT_FALSE(sender.next_frame());
    EXPECT_FALSE(sender.may_send());
    EXPECT_FALSE(sender.beat_due(at(1h)));
}

TEST_F(SenderAlone, GivesUpWithoutAResumeInTime) {
    EXPECT_EQ(sender.next_deadline(), at(10s).instant);
    EXPECT_TRUE(sender.expire(at(10s - 1ns)));
    EXPECT_FALSE(sender.expire(at(10s)));
}

TEST_F(SenderAlone, WaitsForNothingOnceResumed) {
    stream(0);
    EXPECT_TRUE(sender.expire(at(1h)));
}

TEST_F(SenderAlone, TakesNothingButResumeAckAndEcho) {
    stream(1);
    for (const auto& sample : every_kind()) {
        if (is_numbers_only(sample.kind, body_of(sample.message))) continue;
        EXPECT_TRUE(fails(sample.message)) << int(sample.kind);
    }
    for (int kind = 0; kind < 256; ++kind) {
        if (kind >= 17 && kind <= 23) continue;
        EXPECT_TRUE(fails(frame_of_kind(static_cast<std::uint8_t>(kind), kSession))) << kind;
    }
}

TEST_F(SenderAlone, TakesNoAckBeforeTheResume) {
    EXPECT_TRUE(fails(ack({})));
    EXPECT_FALSE(sender.is_streaming());
}

TEST_F(SenderAlone, ResumesOnce) {
    stream(0);
    EXPECT_TRUE(fails(encode(kSession, Resume{5, {}, kWindowBytesFirst})));
}

TEST_F(SenderAlone, RefusesAnAckOfAnEntryNeverSent) {
    stream(3);
    EXPECT_TRUE(fails(ack(entry(1, 4, 4).end)));
    auto other_checksum = entry(1, 2, 2).end;
    other_checksum.checksum ^= 1;
    EXPECT_TRUE(fails(ack(other_checksum)));
    auto other_epoch = entry(1, 2, 2).end;
    other_epoch.epoch = 2;
    EXPECT_TRUE(fails(ack(other_epoch)));
    EXPECT_EQ(sender.unacked_entries(), 3U);
}

TEST_F(SenderAlone, RefusesAnAckThatGoesBack) {
    stream(3);
    EXPECT_FALSE(fails(ack(entry(1, 2, 2).end)));
    EXPECT_TRUE(fails(ack(entry(1, 1, 1).end)));
    EXPECT_FALSE(fails(ack(entry(1, 3, 3).end)));
    EXPECT_TRUE(fails(ack({})));  // no position at all, after there was one
}

TEST_F(SenderAlone, TakesCreditAloneBeforeAnythingIsAcknowledged) {
    ASSERT_TRUE(std::holds_alternative<Resume>(receive(encode(kSession, Resume{5, {}, 0}))));
    EXPECT_FALSE(sender.may_send());
    EXPECT_TRUE(std::holds_alternative<std::monostate>(receive(ack({}, 1))));
    EXPECT_TRUE(sender.may_send());
}

TEST_F(SenderAlone, CreditNeverFalls) {
    stream(0);
    const auto sent = entry(1, 1, 1);
    sender.send_entry(sent.end, sent.body, sent.tags, [](record::TagId) { return "plant/a"; });
    EXPECT_FALSE(fails(ack(sent.end, 1)));
    EXPECT_TRUE(sender.may_send());
}

TEST_F(SenderAlone, TellsHowManyTheSinkRefused) {
    stream(1);
    const auto event = receive(encode(kSession, Ack{entry(1, 1, 1).end, 0, 42}));
    ASSERT_TRUE(std::holds_alternative<Acked>(event));
    EXPECT_EQ(std::get<Acked>(event).refused, 42U);
}

TEST_F(SenderAlone, ABeatTellsWhichEchoItHasAndHowLong) {
    stream(0);  // resumed at 1 s
    const auto sent = [&](base::Duration after_start) {
        sender.send_beat({}, at(after_start));
        const auto message = sender.next_frame();
        return decode_beat(decode_frame(*message)->body);
    };
    EXPECT_EQ(sent(3s)->echo, 0U);
    EXPECT_EQ(sent(3s)->since_echo, 2s);
    receive(encode(kSession, Echo{2, {}}));  // at 1 s
    EXPECT_EQ(sent(6s)->echo, 2U);
    EXPECT_EQ(sent(6s)->since_echo, 5s);
}

TEST_F(SenderAlone, RefusesAnEchoOfALaterBeat) {
    stream(0);
    EXPECT_TRUE(fails(encode(kSession, Echo{1, {}})));
    sender.send_beat({}, at(1s));
    EXPECT_FALSE(fails(encode(kSession, Echo{1, {}})));
    EXPECT_TRUE(fails(encode(kSession, Echo{2, {}})));
    EXPECT_TRUE(fails(encode(kSession, Echo{~0ULL, {}})));
}

// Beats count from 1: an Echo of 0 answers none, and must not show the path as working.
TEST_F(SenderAlone, RefusesAnEchoOfNoBeat) {
    EXPECT_TRUE(fails(encode(kSession, Echo{0, {}})));
    stream(0);
    sender.send_beat({}, at(1s));
    EXPECT_TRUE(fails(encode(kSession, Echo{0, {}})));
    EXPECT_FALSE(sender.last_echo());
}

TEST_F(SenderAlone, RefusesWhatCannotBeRead) {
    stream(1);
    const base::Bytes not_a_struct(16, 0xFF);
    for (const auto kind : {FrameKind::resume, FrameKind::ack, FrameKind::echo})
        EXPECT_TRUE(fails(encode_frame(kSession, kind, not_a_struct))) << int(kind);
}

}  // namespace
}  // namespace sallyport::tunnel
