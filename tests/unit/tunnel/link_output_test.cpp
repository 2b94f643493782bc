// In which order a link gives what it was given, and what it does when nobody takes it.
#include <set>

#include <gtest/gtest.h>

#include "tests/unit/tunnel/link_rig.hpp"

namespace sallyport::tunnel {
namespace {

using namespace samples;

TEST(LinkOutput, NothingIsPendingAtFirst) {
    auto link = up(LinkSide::agent);
    base::Bytes out(3);
    EXPECT_FALSE(link.has_output());
    EXPECT_FALSE(link.take_output(out));
    EXPECT_TRUE(out.empty());
}

TEST(LinkOutput, ControlGoesBeforeOrdered) {
    auto link = up(LinkSide::agent);
    link.send_ordered(SessionId{1}, frame_of_kind(20, SessionId{1}));
    link.send_ordered(SessionId{1}, frame_of_kind(20, SessionId{1}));
    link.send_control(encode(Bye{}));
    EXPECT_EQ(next_out(link).kind, FrameKind::bye);
    EXPECT_EQ(next_out(link).kind, FrameKind::batch);
    link.send_control(encode(kSession, Ack{}));
    link.send_control(encode(kSession, Echo{}));
    EXPECT_EQ(next_out(link).kind, FrameKind::ack);
    EXPECT_EQ(next_out(link).kind, FrameKind::echo);
    EXPECT_EQ(next_out(link).kind, FrameKind::batch);
    EXPECT_FALSE(link.has_output());
}

base::Bytes numbered(SessionId session, std::uint64_t count) {
    return encode_frame(session, FrameKind::batch, body_of(encode(Ping{count})));
}

TEST(LinkOutput, SessionsTakeTurnsEachInItsOwnOrder) {
    auto link = up(LinkSide::relay);
    for (std::uint64_t i = 0; i < 5; ++i)
        link.send_ordered(SessionId{1}, numbered(SessionId{1}, i));
    for (std::uint64_t i = 0; i < 2; ++i)
        link.send_ordered(SessionId{3}, numbered(SessionId{3}, i));
    for (std::uint64_t i = 0; i < 3; ++i)
        link.send_ordered(SessionId{2}, numbered(SessionId{2}, i));
    constexpr std::pair<std::uint64_t, std::uint64_t> kExpected[] = {
        {1, 0}, {2, 0}, {3, 0}, {1, 1}, {2, 1}, {3, 1}, {1, 2}, {2, 2}, {1, 3}, {1, 4}};
    for (const auto& [session, count] : kExpected) {
        const auto out = next_out(link);
        EXPECT_EQ(out.session, SessionId{session});
        EXPECT_EQ(out.count, count);
    }
    EXPECT_FALSE(link.has_output());
}

TEST(LinkOutput, ASessionThatJoinsWaitsForOneRoundAtMost) {
    auto link = up(LinkSide::relay);
    for (std::uint64_t i = 0; i < 100; ++i)
        link.send_ordered(SessionId{5}, numbered(SessionId{5}, i));
    EXPECT_EQ(next_out(link).session, SessionId{5});
    link.send_ordered(SessionId{1}, numbered(SessionId{1}, 0));
    link.send_ordered(SessionId{9}, numbered(SessionId{9}, 0));
    std::set<SessionId> served;
    for (int i = 0; i < 3; ++i) served.insert(next_out(link).session);
    EXPECT_EQ(served, (std::set{SessionId{1}, SessionId{5}, SessionId{9}}));
}

TEST(LinkOutput, CountsOrderedBytesPerSession) {
    auto link = up(LinkSide::relay);
    const auto frame = numbered(SessionId{1}, 0);
    link.send_ordered(SessionId{1}, frame);
    link.send_ordered(SessionId{1}, frame);
    link.send_ordered(SessionId{2}, frame);
    link.send_control(encode(Bye{}));  // not counted
    EXPECT_EQ(link.queued_bytes(), 3 * frame.size());
    EXPECT_EQ(link.queued_bytes(SessionId{1}), 2 * frame.size());
    EXPECT_EQ(link.queued_bytes(SessionId{2}), frame.size());
    EXPECT_EQ(link.queued_bytes(SessionId{3}), 0U);
    drain(link);
    EXPECT_EQ(link.queued_bytes(), 0U);
    EXPECT_EQ(link.queued_bytes(SessionId{1}), 0U);
}

TEST(LinkOutput, ADroppedSessionLeavesTheOthers) {
    auto link = up(LinkSide::relay);
    const auto frame = numbered(SessionId{1}, 0);
    for (int i = 0; i < 3; ++i) link.send_ordered(SessionId{1}, frame);
    link.send_ordered(SessionId{2}, numbered(SessionId{2}, 0));
    EXPECT_EQ(next_out(link).session, SessionId{1});
    link.drop_session(SessionId{1});
    link.drop_session(SessionId{77});  // nothing is queued for it
    EXPECT_EQ(link.queued_bytes(SessionId{1}), 0U);
    EXPECT_EQ(next_out(link).session, SessionId{2});
    EXPECT_FALSE(link.has_output());
    EXPECT_EQ(link.queued_bytes(), 0U);
}

TEST(LinkOutput, APeerThatMakesUsAnswerWithoutReadingFails) {
    auto link = up(LinkSide::relay);
    const auto ping = encode(Ping{1});
    std::optional<LinkFailure> failure;
    std::size_t pings = 0;
    while (!failure && pings < 100'000) {
        failure = failure_of(link.receive(ping, at(1s)));
        ++pings;
    }
    EXPECT_EQ(failure, LinkFailure::control_flood);
    EXPECT_GT(pings * ping.size(), kControlBytesMax);
    EXPECT_LT(pings * ping.size(), 2 * kControlBytesMax);
    EXPECT_EQ(link.expire(at(1s)), LinkFailure::control_flood);
}

TEST(LinkOutput, APeerThatReadsMayPingForEver) {
    auto link = up(LinkSide::relay);
    const auto ping = encode(Ping{1});
    for (std::size_t i = 0; i < 4 * kControlBytesMax / ping.size(); ++i) {
        ASSERT_FALSE(failure_of(link.receive(ping, at(1s))));
        if (i % 100 == 99) drain(link);
    }
    drain(link);
    EXPECT_FALSE(link.expire(at(1s)));
}

}  // namespace
}  // namespace sallyport::tunnel
