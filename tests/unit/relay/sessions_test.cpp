#include <set>

#include "tests/unit/relay/scripted_agents.hpp"

namespace sallyport::relay_core {
namespace {

using namespace std::chrono_literals;
using base::CloseCause;
using tunnel::ByeReason;
using tunnel::SessionEnd;

class RelaySessions : public RelayTest {
protected:
    RelaySessions() { start(); }

    static base::Bytes definition(tunnel::SessionId session, const std::string& topic) {
        return encode(session, tunnel::Define{{{1, topic}}});
    }
    static base::Bytes ack(tunnel::SessionId session) {
        return encode(session, tunnel::Ack{{1, 2, 3}, 4, 5});
    }
};

TEST_F(RelaySessions, AreOpenedWhereARouteJoinsTwo) {
    auto& line3 = join(edge("line3"));
    EXPECT_TRUE(line3.opened.empty());
    auto& hq = join(it("hq"));
    ASSERT_EQ(line3.opened.size(), 1U);
    ASSERT_EQ(hq.opened.size(), 1U);
    EXPECT_EQ(line3.session(), hq.session());
    EXPECT_EQ(line3.opened[0].peer, "acme/hq");
    EXPECT_EQ(hq.opened[0].peer, "acme/line3");
    EXPECT_EQ(line3.opened[0].topics, std::vector<std::string>{"plant/#"});
    EXPECT_EQ(hq.opened[0].topics, std::vector<std::string>{"plant/#"});
}

TEST_F(RelaySessions, AreNotOpenedWithoutARoute) {
    auto& hq = join(it("hq"));
    auto& oven = join(edge("oven"));
    auto& other = join(it("branch"));
    auto& line3 = join(edge("line3"));
    EXPECT_TRUE(oven.opened.empty());
    EXPECT_TRUE(other.opened.empty());
    EXPECT_EQ(line3.opened.size(), 1U);
    EXPECT_EQ(hq.opened.size(), 1U);
}

TEST_F(RelaySessions, NeverJoinTwoOfTheSameRole) {
    start({{"*", "*", {"#"}}});
    join(edge("line1"));
    join(edge("line2"));
    EXPECT_TRUE(relay().status().sessions.empty());
    join(it("hq"));
    EXPECT_EQ(relay().status().sessions.size(), 2U);
    join(it("branch"));
    EXPECT_EQ(relay().status().sessions.size(), 4U);
}

TEST_F(RelaySessions, CarryFramesUnchangedBothWays) {
    auto& line3 = join(edge("line3"));
    auto& hq = join(it("hq"));
    const auto session = hq.session();
    const auto define = definition(session, "plant/a");
    send(line3, define);
    ASSERT_EQ(hq.frames.size(), 1U);
    EXPECT_EQ(hq.frames[0].message, define);
    send(hq, ack(session));
    ASSERT_EQ(line3.frames.size(), 1U);
    EXPECT_EQ(line3.frames[0].message, ack(session));
    const auto status = relay().status().sessions.at(0);
    EXPECT_EQ(status.frames_to_it, 1U);
    EXPECT_EQ(status.bytes_to_it, define.size());
    EXPECT_EQ(status.frames_to_edge, 1U);
}

TEST_F(RelaySessions, TellTheOtherEndThatAConnectionWasClosed) {
    auto& line3 = join(edge("line3"));
    auto& hq = join(it("hq"));
    hang_up(line3, CloseCause::closed);
    ASSERT_EQ(hq.closed.size(), 1U);
    EXPECT_EQ(hq.closed[0].session, hq.session());
    EXPECT_EQ(hq.closed[0].reason, SessionEnd::peer_gone);
}

TEST_F(RelaySessions, TellTheOtherEndThatAConnectionBroke) {
    auto& line3 = join(edge("line3"));
    auto& hq = join(it("hq"));
    hang_up(hq, CloseCause::reset);
    ASSERT_EQ(line3.closed.size(), 1U);
    EXPECT_EQ(line3.closed[0].reason, SessionEnd::peer_reset);
}

TEST_F(RelaySessions, TellTheOtherEndThatOneFellSilent) {
    auto& line3 = join(edge("line3"));
    auto& hq = join(it("hq"));
    line3.reads = false;
    pass(5900ms);
    EXPECT_TRUE(hq.closed.empty());
    pass(200ms);
    ASSERT_EQ(hq.closed.size(), 1U);
    EXPECT_EQ(hq.closed[0].reason, SessionEnd::peer_lost);
    EXPECT_EQ(line3.cut, std::optional(false)) << "nobody is there to read a last word";
}

TEST_F(RelaySessions, TellTheOtherEndOfAGoodbye) {
    auto& line3 = join(edge("line3"));
    auto& hq = join(it("hq"));
    send(line3, encode(tunnel::Bye{ByeReason::shutdown, 0}));
    ASSERT_EQ(hq.closed.size(), 1U);
    EXPECT_EQ(hq.closed[0].reason, SessionEnd::peer_gone);
    EXPECT_FALSE(line3.linked);
}

TEST_F(RelaySessions, DoNotCountPartsOfALargeFrameAsSilence) {
    auto& line3 = join(edge("line3"));
    auto& hq = join(it("hq"));
    line3.reads = false;
    for (int i = 0; i < 10; ++i) {
        pass(1s);
        relay().progressed(line3.id, now_);
    }
    EXPECT_TRUE(hq.closed.empty());
    EXPECT_TRUE(line3.linked);
}

TEST_F(RelaySessions, AreNotOpenedAgainWhereAnEndDoesNotWantThem) {
    auto& line3 = join(edge("line3"));
    auto& hq = join(it("hq"));
    send(line3, encode(tunnel::Closed{line3.session(), SessionEnd::not_wanted}));
    ASSERT_EQ(hq.closed.size(), 1U);
    EXPECT_EQ(hq.closed[0].reason, SessionEnd::not_wanted);
    EXPECT_TRUE(line3.closed.empty()) << "it knows already";
    pass(30s);
    EXPECT_EQ(hq.opened.size(), 1U);
    hang_up(hq, CloseCause::reset);
    auto& hq_again = join(it("hq"));
    EXPECT_EQ(hq_again.opened.size(), 1U) << "either end's reconnect lifts it";
    EXPECT_EQ(line3.opened.size(), 2U);
}

TEST_F(RelaySessions, AreOpenedAgainASecondAfterAnyOtherEnding) {
    auto& line3 = join(edge("line3"));
    auto& hq = join(it("hq"));
    std::set<tunnel::SessionId> ids{hq.session()};
    for (const auto reason : {SessionEnd::protocol, SessionEnd::overrun, SessionEnd::shutdown}) {
        send(hq, encode(tunnel::Closed{hq.session(), reason}));
        ASSERT_FALSE(line3.closed.empty());
        EXPECT_EQ(line3.closed.back().reason, reason);
        const auto opened = line3.opened.size();
        pass(900ms);
        EXPECT_EQ(line3.opened.size(), opened);
        pass(150ms);
        ASSERT_EQ(line3.opened.size(), opened + 1);
        EXPECT_EQ(line3.session(), hq.session());
        EXPECT_TRUE(ids.insert(hq.session()).second) << "a session's number was used again";
    }
}

TEST_F(RelaySessions, OverrunClosesThatSessionOnly) {
    options_.session_queue_bytes_max = 10'000;
    start();
    auto& flooding = join(edge("line1"));
    auto& calm = join(edge("line2"));
    auto& hq = join(it("hq"));
    hq.reads = false;
    send_batch(calm, calm.session(), 1000);
    for (int i = 0; i < 11; ++i) send_batch(flooding, flooding.session(), 1000);
    ASSERT_EQ(flooding.closed.size(), 1U);
    EXPECT_EQ(flooding.closed[0].reason, SessionEnd::overrun);
    EXPECT_TRUE(flooding.linked);
    EXPECT_TRUE(calm.closed.empty());
    read(hq);
    ASSERT_EQ(hq.closed.size(), 1U);
    EXPECT_EQ(hq.closed[0].session, flooding.opened[0].session);
    ASSERT_EQ(hq.frames.size(), 1U) << "what was queued of the closed session is dropped";
    EXPECT_EQ(hq.frames[0].session, calm.session());
    EXPECT_EQ(relay().status().sessions.size(), 1U);
}

TEST_F(RelaySessions, AFloodOfAcksClosesThatSessionOnly) {
    options_.session_queue_to_edge_bytes_max = 10'000;
    start({{"line*", "*", {"plant/#"}}});
    auto& line1 = join(edge("line1"));
    auto& flooding = join(it("hq"));
    auto& calm = join(it("hq2"));
    line1.reads = false;
    send(calm, encode(calm.session(), tunnel::Ack{{7, 1}, 1}));
    for (int i = 0; i < 200 && flooding.closed.empty(); ++i)
        send(flooding, encode(flooding.session(), tunnel::Ack{{7, 1}, 1}));
    ASSERT_EQ(flooding.closed.size(), 1U);
    EXPECT_EQ(flooding.closed[0].reason, SessionEnd::overrun);
    EXPECT_TRUE(flooding.linked);
    EXPECT_TRUE(calm.closed.empty());
    EXPECT_TRUE(line1.linked);
    read(line1);
    ASSERT_EQ(line1.frames.size(), 1U) << "what was queued of the closed session is dropped";
    EXPECT_EQ(line1.frames[0].session, calm.session());
    pass(5900ms);
    EXPECT_TRUE(line1.linked);
}

TEST_F(RelaySessions, WhoTakesMoreThanItsShareOfAFullQueueIsClosed) {
    options_.session_queue_bytes_max = 10'000;
    options_.session_queue_share_bytes = 3000;
    options_.queue_bytes_max = 6000;
    start();
    auto& greedy = join(edge("line1"));
    auto& modest = join(edge("line2"));
    join(it("hq")).reads = false;
    for (int i = 0; i < 5; ++i) send_batch(greedy, greedy.session(), 1000);
    EXPECT_TRUE(greedy.closed.empty()) << "there is room for all";
    for (int i = 0; i < 2; ++i) send_batch(modest, modest.session(), 1000);
    EXPECT_TRUE(modest.closed.empty()) << "it is within its share";
    send_batch(greedy, greedy.session(), 1000);
    ASSERT_EQ(greedy.closed.size(), 1U);
    EXPECT_EQ(greedy.closed[0].reason, SessionEnd::overrun);
    EXPECT_TRUE(modest.closed.empty());
    EXPECT_TRUE(greedy.linked);
    for (const auto& agent : relay().status().agents) EXPECT_LE(agent.queued_bytes, 2500U);
}

TEST_F(RelaySessions, AFrameOfSomeoneElsesSessionDismisses) {
    auto& line1 = join(edge("line1"));
    auto& line2 = join(edge("line2"));
    auto& hq = join(it("hq"));
    send(line2, definition(line1.session(), "plant/a"));
    ASSERT_TRUE(line2.bye);
    EXPECT_EQ(line2.bye->reason, ByeReason::protocol);
    EXPECT_TRUE(line1.linked);
    EXPECT_TRUE(line1.closed.empty());
    EXPECT_TRUE(hq.frames.empty());
}

TEST_F(RelaySessions, ClosedOfSomeoneElsesSessionChangesNothing) {
    auto& line1 = join(edge("line1"));
    auto& line2 = join(edge("line2"));
    auto& hq = join(it("hq"));
    send(line2, encode(tunnel::Closed{line1.session(), SessionEnd::protocol}));
    EXPECT_TRUE(line1.closed.empty());
    EXPECT_TRUE(hq.closed.empty());
    EXPECT_EQ(relay().status().sessions.size(), 2U);
}

TEST_F(RelaySessions, AFrameThatWasOnItsWayWhenTheSessionEndedIsDropped) {
    auto& line3 = join(edge("line3"));
    auto& hq = join(it("hq"));
    const auto ended = hq.session();
    send(hq, encode(tunnel::Closed{ended, SessionEnd::protocol}));
    send(line3, definition(ended, "plant/a"));
    EXPECT_TRUE(line3.linked);
    EXPECT_TRUE(hq.frames.empty());
}

TEST_F(RelaySessions, AnItAgentThatSendsRecordsIsDismissed) {
    auto& line3 = join(edge("line3"));
    auto& hq = join(it("hq"));
    send_batch(hq, hq.session(), 8);
    ASSERT_TRUE(hq.bye);
    EXPECT_EQ(hq.bye->reason, ByeReason::protocol);
    EXPECT_TRUE(line3.frames.empty());
    ASSERT_EQ(line3.closed.size(), 1U);
    EXPECT_EQ(line3.closed[0].reason, SessionEnd::protocol);
}

TEST_F(RelaySessions, AFrameTowardOtWithMoreThanNumbersDismisses) {
    auto& line3 = join(edge("line3"));
    auto& hq = join(it("hq"));
    const auto frame = ack(hq.session());
    const auto body = tunnel::decode_frame(frame)->body;
    base::Bytes longer(body.begin(), body.end());
    longer.resize(longer.size() + 8, 0x41);
    send(hq, encode_frame(hq.session(), tunnel::FrameKind::ack, longer));
    ASSERT_TRUE(hq.bye);
    EXPECT_EQ(hq.bye->reason, ByeReason::protocol);
    EXPECT_TRUE(line3.frames.empty());
}

TEST_F(RelaySessions, NothingRidesTowardOtBehindAFrame) {
    auto& line3 = join(edge("line3"));
    auto& hq = join(it("hq"));
    auto frame = ack(hq.session());
    frame.resize(frame.size() + 800, 0x41);  // behind the message: no decoder looks there
    send(hq, frame);
    EXPECT_TRUE(hq.bye) << "a frame toward OT is of exact size";
    for (const auto& forwarded : line3.frames)
        EXPECT_EQ(forwarded.message.size(), ack(hq.session()).size());
}

TEST_F(RelaySessions, NothingRidesTowardOtInsideAFrame) {
    auto& line3 = join(edge("line3"));
    auto& hq = join(it("hq"));
    auto frame = ack(hq.session());
    // The message's one segment grows by words that no pointer names.
    constexpr std::size_t kSegmentWordsAt = 4;
    frame[kSegmentWordsAt] = static_cast<std::uint8_t>(frame[kSegmentWordsAt] + 4);
    frame.resize(frame.size() + 32, 0x41);
    send(hq, frame);
    EXPECT_TRUE(hq.bye) << "a frame toward OT is of exact size";
    for (const auto& forwarded : line3.frames)
        EXPECT_EQ(forwarded.message.size(), ack(hq.session()).size());
}

TEST_F(RelaySessions, AnEdgeThatDeclaresATopicOutsideItsRouteIsDismissed) {
    auto& line3 = join(edge("line3"));
    auto& hq = join(it("hq"));
    send(line3, definition(line3.session(), "office/a"));
    ASSERT_TRUE(line3.bye);
    EXPECT_EQ(line3.bye->reason, ByeReason::protocol);
    EXPECT_TRUE(hq.frames.empty());
    ASSERT_EQ(hq.closed.size(), 1U);
    EXPECT_EQ(hq.closed[0].reason, SessionEnd::protocol);
}

TEST_F(RelaySessions, AnAgentHasNoMoreThanItsShare) {
    options_.sessions_max_per_agent = 2;
    start();
    auto& hq = join(it("hq"));
    auto& line1 = join(edge("line1"));
    auto& line2 = join(edge("line2"));
    auto& line3 = join(edge("line3"));
    EXPECT_EQ(line1.opened.size(), 1U);
    EXPECT_EQ(line2.opened.size(), 1U);
    EXPECT_TRUE(line3.opened.empty());
    EXPECT_EQ(hq.opened.size(), 2U);
    hang_up(line1, CloseCause::closed);
    pass(1100ms);
    EXPECT_EQ(line3.opened.size(), 1U) << "there is room now";
}

TEST_F(RelaySessions, GoOnWhenAnotherEdgeGoes) {
    auto& line1 = join(edge("line1"));
    auto& line2 = join(edge("line2"));
    auto& hq = join(it("hq"));
    hang_up(line1, CloseCause::reset);
    send(line2, definition(line2.session(), "plant/a"));
    ASSERT_EQ(hq.frames.size(), 1U);
    EXPECT_TRUE(line2.closed.empty());
    EXPECT_EQ(line2.opened.size(), 1U);
}

}  // namespace
}  // namespace sallyport::relay_core
