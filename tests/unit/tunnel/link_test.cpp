#include "common/tunnel/link.hpp"

#include <set>

#include <gtest/gtest.h>

#include "tests/unit/tunnel/link_rig.hpp"

namespace sallyport::tunnel {
namespace {

using namespace samples;

bool is_nothing(const LinkEvent& event) {
    return std::holds_alternative<std::monostate>(event);
}

// --- greeting -----------------------------------------------------------------

TEST(LinkGreeting, RelayComesUpWithHello) {
    Link link(LinkSide::relay, {}, at(0s));
    EXPECT_FALSE(link.is_up());
    const auto event = link.receive(encode(Hello{1, 5, "acme/line3"}), at(1s));
    const auto* hello = std::get_if<Hello>(&event);
    ASSERT_NE(hello, nullptr);
    EXPECT_EQ(hello->name, "acme/line3");
    EXPECT_EQ(hello->process, 5U);
    EXPECT_TRUE(link.is_up());
}

TEST(LinkGreeting, AgentComesUpWithWelcome) {
    Link link(LinkSide::agent, {}, at(0s));
    const auto event = link.receive(encode(Welcome{1, 4096, 64, 5}), at(1s));
    const auto* welcome = std::get_if<Welcome>(&event);
    ASSERT_NE(welcome, nullptr);
    EXPECT_EQ(welcome->sessions_max, 64U);
    EXPECT_TRUE(link.is_up());
}

TEST(LinkGreeting, AnythingElseBeforeItFails) {
    for (const auto side : {LinkSide::relay, LinkSide::agent}) {
        const auto greeting = side == LinkSide::relay ? FrameKind::hello : FrameKind::welcome;
        for (const auto& sample : every_kind()) {
            if (sample.kind == greeting || sample.kind == FrameKind::bye) continue;
            Link link(side, {}, at(0s));
            EXPECT_EQ(failure_of(link.receive(sample.message, at(0s))), LinkFailure::protocol)
                << int(sample.kind);
            EXPECT_FALSE(link.is_up());
        }
        Link link(side, {}, at(0s));  // nor a kind that is skipped later
        EXPECT_EQ(failure_of(link.receive(frame_of_kind(200), at(0s))), LinkFailure::protocol);
    }
}

TEST(LinkGreeting, OfASessionFails) {
    Link relay(LinkSide::relay, {}, at(0s));
    const auto hello = encode_frame(kSession, FrameKind::hello, body_of(encode(Hello{})));
    EXPECT_EQ(failure_of(relay.receive(hello, at(0s))), LinkFailure::protocol);
    EXPECT_FALSE(relay.is_up());
}

TEST(LinkGreeting, MayBeAGoodbye) {
    for (const auto side : {LinkSide::relay, LinkSide::agent}) {
        Link link(side, {}, at(0s));
        const auto event = link.receive(encode(Bye{ByeReason::limit, 500}), at(0s));
        ASSERT_TRUE(std::holds_alternative<Bye>(event));
        EXPECT_EQ(std::get<Bye>(event).retry_after_ms, 500U);
        EXPECT_FALSE(link.is_up());
    }
}

TEST(LinkGreeting, OfAnotherVersionFailsByThatName) {
    for (const std::uint16_t version : {std::uint16_t{0}, std::uint16_t{2}}) {
        Link relay(LinkSide::relay, {}, at(0s));
        EXPECT_EQ(failure_of(relay.receive(encode(Hello{version, 1, "acme/x"}), at(0s))),
                  LinkFailure::version);
        EXPECT_FALSE(relay.is_up());
        Link agent(LinkSide::agent, {}, at(0s));
        EXPECT_EQ(failure_of(agent.receive(encode(Welcome{version, 1, 1, 1}), at(0s))),
                  LinkFailure::version);
        EXPECT_FALSE(agent.is_up());
    }
}

TEST(LinkGreeting, ComesOnce) {
    auto relay = up(LinkSide::relay);
    EXPECT_EQ(failure_of(relay.receive(encode(Hello{}), at(1s))), LinkFailure::protocol);
    auto agent = up(LinkSide::agent);
    EXPECT_EQ(failure_of(agent.receive(encode(Welcome{}), at(1s))), LinkFailure::protocol);
}

TEST(LinkGreeting, IsLateAtItsDeadlineExactly) {
    Link link(LinkSide::relay, {}, at(0s));
    EXPECT_EQ(link.next_deadline(), at(5s).instant);
    EXPECT_FALSE(link.expire(at(5s - 1ns)));
    EXPECT_EQ(link.expire(at(5s)), LinkFailure::greeting_late);
}

TEST(LinkGreeting, IsNotPostponedByBytes) {
    Link link(LinkSide::relay, {}, at(0s));
    link.progressed(at(4s));
    EXPECT_EQ(link.next_deadline(), at(5s).instant);
    EXPECT_EQ(link.expire(at(5s)), LinkFailure::greeting_late);
}

TEST(LinkGreeting, NoPingLeavesBeforeIt) {
    Link link(LinkSide::agent, {}, at(0s));
    EXPECT_FALSE(link.expire(at(4s)));
    EXPECT_FALSE(link.has_output());
}

// --- frames -------------------------------------------------------------------

TEST(LinkFrames, AgentIsToldOfSessions) {
    auto link = up(LinkSide::agent);
    const auto opened = link.receive(encode(Opened{kSession, "acme/hq", {"plant/#"}}), at(1s));
    ASSERT_TRUE(std::holds_alternative<Opened>(opened));
    EXPECT_EQ(std::get<Opened>(opened).peer, "acme/hq");
    const auto closed = link.receive(encode(Closed{kSession, SessionEnd::overrun}), at(1s));
    ASSERT_TRUE(std::holds_alternative<Closed>(closed));
    EXPECT_EQ(std::get<Closed>(closed).reason, SessionEnd::overrun);
}

TEST(LinkFrames, OnlyTheRelayOpensSessions) {
    auto link = up(LinkSide::relay);
    EXPECT_EQ(failure_of(link.receive(encode(Opened{kSession, "acme/hq", {}}), at(1s))),
              LinkFailure::protocol);
}

TEST(LinkFrames, OfASessionComeWithTheWholeMessage) {
    for (const auto& sample : every_kind()) {
        if (sample.kind <= FrameKind::pong) continue;
        auto link = up(LinkSide::relay);
        const auto event = link.receive(sample.message, at(1s));
        const auto* frame = std::get_if<SessionFrame>(&event);
        ASSERT_NE(frame, nullptr) << int(sample.kind);
        EXPECT_EQ(frame->session, kSession);
        EXPECT_EQ(frame->kind, sample.kind);
        EXPECT_EQ(copy_of(frame->body), body_of(sample.message));
        EXPECT_EQ(frame->message.data(), sample.message.data());
        EXPECT_EQ(frame->message.size(), sample.message.size());
    }
}

TEST(LinkFrames, UnknownKindsFrom128AreSkipped) {
    for (int kind = 128; kind < 256; ++kind) {
        for (const auto session : {SessionId{0}, kSession}) {
            auto link = up(LinkSide::relay);
            EXPECT_TRUE(is_nothing(
                link.receive(frame_of_kind(static_cast<std::uint8_t>(kind), session), at(1s))))
                << kind;
        }
    }
}

TEST(LinkFrames, UnknownKindsBelow128AreRefused) {
    std::set<int> known;
    for (const auto& sample : every_kind()) known.insert(static_cast<int>(sample.kind));
    for (int kind = 0; kind < 128; ++kind) {
        if (known.contains(kind)) continue;
        for (const auto session : {SessionId{0}, kSession}) {
            auto link = up(LinkSide::relay);
            EXPECT_EQ(failure_of(link.receive(
                          frame_of_kind(static_cast<std::uint8_t>(kind), session), at(1s))),
                      LinkFailure::protocol)
                << kind;
        }
    }
}

TEST(LinkFrames, OfTheLinkAndOfSessionsDoNotMix) {
    for (const auto& sample : every_kind()) {
        const auto frame = decode_frame(sample.message);
        const auto other = frame->session == SessionId{0} ? kSession : SessionId{0};
        auto link = up(LinkSide::agent);
        EXPECT_EQ(failure_of(link.receive(encode_frame(other, sample.kind, frame->body), at(1s))),
                  LinkFailure::protocol)
            << int(sample.kind);
    }
}

TEST(LinkFrames, ThatCannotBeReadFail) {
    for (const auto& sample : every_kind()) {
        auto link = up(LinkSide::agent);
        const auto cut = first_bytes(sample.message, sample.message.size() - 8);
        EXPECT_EQ(failure_of(link.receive(cut, at(1s))), LinkFailure::protocol);
    }
    auto link = up(LinkSide::agent);
    EXPECT_EQ(failure_of(link.receive({}, at(1s))), LinkFailure::protocol);
    const base::Bytes not_a_struct(16, 0xFF);
    for (const auto kind :
         {FrameKind::opened, FrameKind::closed, FrameKind::bye, FrameKind::ping, FrameKind::pong})
        EXPECT_EQ(failure_of(link.receive(encode_frame(SessionId{0}, kind, not_a_struct), at(1s))),
                  LinkFailure::protocol);
}

/// A frame toward OT with bytes that are not its numbers: behind its segment, in `seal`, in
/// its padding.
std::vector<base::Bytes> with_hidden_bytes(const base::Bytes& plain) {
    auto behind = plain;
    base::append(behind, text("16 bytes for OT."));
    // Into the segment's end: one more word counted, and the seal's pointer led to it.
    auto sealed = plain;
    base::append(sealed, text("8 bytes."));
    set_word(sealed, 0, word(plain, 0) + (1ULL << 32U));
    constexpr std::size_t kSealPointerAt = 5;
    const auto target = plain.size() / 8;
    set_word(sealed, kSealPointerAt,
             1U | ((target - kSealPointerAt - 1) << 2U) | (2ULL << 32U) | (8ULL << 35U));
    // In the seven bytes beside the kind.
    auto padded = plain;
    constexpr std::size_t kKindAt = 3;
    set_word(padded, kKindAt, word(plain, kKindAt) | 0x4154'4144'544FULL << 8U);
    return {behind, sealed, padded};
}

// What travels toward OT is numbers of exact size. The relay forwards SessionFrame::message, so
// what the body's check does not see must not be in it.
TEST(LinkFrames, TowardOtHideNoBytesBesideTheBody) {
    for (const auto& sample : every_kind()) {
        if (!is_numbers_only(sample.kind, body_of(sample.message))) continue;
        for (const auto& hostile : with_hidden_bytes(sample.message)) {
            ASSERT_TRUE(decode_frame(hostile));
            auto relay = up(LinkSide::relay);
            const auto event = relay.receive(hostile, at(1s));
            const auto* frame = std::get_if<SessionFrame>(&event);
            if (frame == nullptr) {
                EXPECT_EQ(failure_of(event), LinkFailure::protocol);
            } else {
                EXPECT_TRUE(copy_of(frame->message) == sample.message) << int(sample.kind);
            }
        }
    }
}

// --- pings and silence --------------------------------------------------------

TEST(LinkPing, IsAnsweredWithItsCount) {
    for (const auto side : {LinkSide::relay, LinkSide::agent}) {
        auto link = up(side);
        EXPECT_TRUE(is_nothing(link.receive(encode(Ping{41}), at(1s))));
        const auto pong = next_out(link);
        EXPECT_EQ(pong.session, SessionId{0});
        EXPECT_EQ(pong.kind, FrameKind::pong);
        EXPECT_EQ(pong.count, 41U);
        EXPECT_FALSE(link.has_output());
    }
}

TEST(LinkPing, LeavesAtEachInterval) {
    auto link = up(LinkSide::agent);
    std::uint64_t last = 0;
    for (int i = 1; i <= 5; ++i) {
        const auto due = at(i * 2s);
        EXPECT_EQ(link.next_deadline(), due.instant);
        EXPECT_FALSE(link.expire({due.instant - 1ns, due.wall}));
        EXPECT_FALSE(link.has_output());
        EXPECT_FALSE(link.expire(due));
        const auto ping = next_out(link);
        EXPECT_EQ(ping.kind, FrameKind::ping);
        EXPECT_GT(ping.count, last);
        last = ping.count;
        link.progressed(due);
    }
}

TEST(LinkPing, ItsPongTellsTheRoundTrip) {
    auto link = up(LinkSide::agent);
    EXPECT_FALSE(link.round_trip());
    EXPECT_FALSE(link.expire(at(2s)));
    const auto ping = next_out(link);
    link.receive(encode(Ping{ping.count}, FrameKind::pong), at(2s + 35ms));
    EXPECT_EQ(link.round_trip(), 35ms);
}

TEST(LinkPing, AnOlderPongDoesNotTellTheRoundTrip) {
    auto link = up(LinkSide::agent);
    EXPECT_FALSE(link.expire(at(2s)));
    const auto first = next_out(link);
    EXPECT_FALSE(link.expire(at(4s)));
    link.receive(encode(Ping{first.count}, FrameKind::pong), at(4s + 1ms));
    EXPECT_FALSE(link.round_trip());
}

TEST(LinkPing, APongToNoPingDoesNotTellTheRoundTrip) {
    auto link = up(LinkSide::agent);
    link.receive(encode(Ping{0}, FrameKind::pong), at(1s));
    EXPECT_FALSE(link.round_trip());
}

TEST(LinkSilence, FailsAtLostAfterExactly) {
    auto link = up(LinkSide::agent);
    link.receive(encode(Ping{1}), at(1s));
    EXPECT_FALSE(link.expire(at(7s - 1ns)));  // pings went out; they do not count
    EXPECT_EQ(link.next_deadline(), at(7s).instant);
    EXPECT_EQ(link.expire(at(7s)), LinkFailure::silent);
}

TEST(LinkSilence, IsPostponedByPartsOfAFrame) {
    auto link = up(LinkSide::agent);
    for (int i = 1; i <= 20; ++i) {
        link.progressed(at(i * 3s));
        EXPECT_EQ(link.last_received(), at(i * 3s).instant);
        EXPECT_FALSE(link.expire(at(i * 3s + 1s)));
    }
    EXPECT_FALSE(link.expire(at(66s - 1ns)));
    EXPECT_EQ(link.expire(at(66s)), LinkFailure::silent);
}

TEST(LinkSilence, FollowsItsTimers) {
    auto link = up(LinkSide::agent, {30s, 90s, 10s});
    EXPECT_EQ(link.next_deadline(), at(30s).instant);
    EXPECT_FALSE(link.expire(at(90s - 1ns)));
    EXPECT_EQ(link.expire(at(90s)), LinkFailure::silent);
}

TEST(LinkSilence, EndsWithAnyFrame) {
    for (const auto& sample : every_kind()) {
        auto link = up(LinkSide::agent);
        if (failure_of(link.receive(sample.message, at(5s)))) continue;
        EXPECT_FALSE(link.expire(at(11s - 1ns))) << int(sample.kind);
        EXPECT_EQ(link.expire(at(11s)), LinkFailure::silent) << int(sample.kind);
    }
}

// --- probe --------------------------------------------------------------------

TEST(LinkProbe, IsAnsweredByItsOwnPong) {
    auto link = up(LinkSide::relay);
    EXPECT_FALSE(link.expire(at(2s)));
    const auto ping = next_out(link);
    link.probe(at(3s));
    const auto probe = next_out(link);
    EXPECT_EQ(probe.kind, FrameKind::ping);
    EXPECT_NE(probe.count, ping.count);
    link.receive(encode(Ping{ping.count}, FrameKind::pong), at(3s));  // was under way before
    EXPECT_FALSE(link.answered_probe());
    link.receive(encode(Ping{probe.count}, FrameKind::pong), at(3s));
    EXPECT_TRUE(link.answered_probe());
}

TEST(LinkProbe, IsAnsweredByALaterPong) {
    auto link = up(LinkSide::relay);
    link.welcomed(at(0s));
    link.probe(at(1s));
    const auto probe = next_out(link);
    EXPECT_FALSE(link.expire(at(3s)));
    const auto ping = next_out(link);
    EXPECT_GT(ping.count, probe.count);
    link.receive(encode(Ping{ping.count}, FrameKind::pong), at(3s));
    EXPECT_TRUE(link.answered_probe());
}

TEST(LinkProbe, BeginsAnewEachTime) {
    auto link = up(LinkSide::relay);
    link.probe(at(1s));
    const auto first = next_out(link);
    link.receive(encode(Ping{first.count}, FrameKind::pong), at(1s));
    ASSERT_TRUE(link.answered_probe());
    link.probe(at(2s));
    EXPECT_FALSE(link.answered_probe());
    link.receive(encode(Ping{first.count}, FrameKind::pong), at(2s));
    EXPECT_FALSE(link.answered_probe());
}

TEST(LinkFailures, HaveNamesOfTheirOwn) {
    std::set<std::string_view> names;
    for (const auto failure : {LinkFailure::protocol, LinkFailure::version, LinkFailure::silent,
                               LinkFailure::greeting_late, LinkFailure::control_flood})
        EXPECT_TRUE(names.insert(to_string(failure)).second);
    EXPECT_FALSE(names.contains("?"));
}

}  // namespace
}  // namespace sallyport::tunnel
