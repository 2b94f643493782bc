#include "common/tunnel/relay_connection.hpp"

#include <gtest/gtest.h>

#include "tests/unit/tunnel/samples.hpp"

namespace sallyport::tunnel {
namespace {

using namespace samples;
using base::CloseCause;

base::Peer peer_of(base::Role role) {
    return {0, "10.20.0.5:8443", base::Identity{"acme", role, "relay1"}};
}

class Connection : public testing::Test {
protected:
    /// The next command, which must be a T.
    template <class T>
    T command() {
        const auto next = relay.next_command();
        EXPECT_TRUE(next);
        if (!next) return {};
        const auto* wanted = std::get_if<T>(&*next);
        EXPECT_NE(wanted, nullptr);
        return wanted == nullptr ? T{} : *wanted;
    }
    /// Kinds of all frames that wait to go out.
    std::vector<FrameKind> taken() {
        std::vector<FrameKind> kinds;
        base::Bytes message;
        while (relay.take_output(message)) kinds.push_back(FrameKind{decode_frame(message)->kind});
        return kinds;
    }
    void dial(base::Duration now) {
        EXPECT_FALSE(ended(relay.expire(at(now))));
        id = command<base::Connect>().id;
        EXPECT_EQ(relay.status().state, "dialling");
    }
    /// Dials and opens; the Hello waits.
    void open(base::Duration now) {
        dial(now);
        EXPECT_FALSE(ended(relay.opened(id, peer_of(base::Role::relay), at(now))));
    }
    /// Greeted, with nothing left to take.
    void come_up(base::Duration now) {
        open(now);
        command<base::OutputReady>();
        EXPECT_EQ(taken(), std::vector{FrameKind::hello});
        const auto event = relay.received(id, encode(Welcome{}), at(now));
        EXPECT_TRUE(std::holds_alternative<Welcome>(event));
        EXPECT_TRUE(relay.is_up());
    }
    static std::optional<std::string> ended(const RelayEvent& event) {
        const auto* end = std::get_if<LinkEnded>(&event);
        return end == nullptr ? std::nullopt : std::optional(end->why);
    }
    /// How long it waits after closed(), said at `now`.
    base::Duration pause_after_close(CloseCause cause, base::Duration now) {
        relay.closed(cause, at(now));
        EXPECT_EQ(relay.status().state, "waiting");
        const auto deadline = relay.next_deadline();
        EXPECT_TRUE(deadline);
        return deadline ? *deadline - at(now).instant : base::Duration{};
    }

    RelayConnection relay{"acme/line3", 99, LinkTimers{}, at(0s)};
    base::ConnectionId id{};
};

TEST_F(Connection, DialsAtOnceAndOnce) {
    EXPECT_EQ(relay.status().state, "waiting");
    EXPECT_EQ(relay.next_deadline(), at(0s).instant);
    dial(0s);
    EXPECT_TRUE(base::is_dialled(id));
    EXPECT_FALSE(relay.next_deadline());
    EXPECT_FALSE(ended(relay.expire(at(1h))));
    EXPECT_FALSE(relay.next_command());
}

TEST_F(Connection, SaysHelloWithItsNameAndProcess) {
    open(0s);
    EXPECT_EQ(relay.status().state, "greeting");
    EXPECT_EQ(command<base::OutputReady>().id, id);
    base::Bytes message;
    ASSERT_TRUE(relay.take_output(message));
    const auto hello = decode_hello(decode_frame(message)->body);
    ASSERT_TRUE(hello);
    EXPECT_EQ(hello->name, "acme/line3");
    EXPECT_EQ(hello->process, 99U);
    EXPECT_EQ(hello->version, kProtocolVersion);
    EXPECT_FALSE(relay.take_output(message));
    EXPECT_FALSE(relay.is_up());
}

TEST_F(Connection, IsUpWithTheWelcome) {
    come_up(0s);
    EXPECT_EQ(relay.status().state, "up");
    EXPECT_EQ(relay.status().links_opened, 1U);
}

TEST_F(Connection, EndsWithAPeerThatIsNotARelay) {
    for (const auto role :
         {base::Role::edge, base::Role::it, base::Role::server, base::Role::client}) {
        RelayConnection other("acme/line3", 99, {}, at(0s));
        other.expire(at(0s));
        const auto connect = std::get<base::Connect>(*other.next_command());
        EXPECT_TRUE(ended(other.opened(connect.id, peer_of(role), at(0s))));
        const auto close = std::get<base::Close>(*other.next_command());
        EXPECT_EQ(close.id, connect.id);
        EXPECT_FALSE(close.flush);
        base::Bytes message;
        EXPECT_FALSE(other.take_output(message));  // not a word, not even Hello
        EXPECT_EQ(other.status().links_opened, 0U);
        EXPECT_EQ(other.status().state, "closing");
    }
}

TEST_F(Connection, EndsWithAPeerThatShowsNoCertificate) {
    dial(0s);
    EXPECT_TRUE(ended(relay.opened(id, {0, "10.20.0.5:8443", std::nullopt}, at(0s))));
    EXPECT_FALSE(command<base::Close>().flush);
    relay.closed(CloseCause::local, at(0s));
    EXPECT_EQ(relay.status().last_failure, "the peer's certificate does not say relay");
}

TEST_F(Connection, DialsAgainAfterAFailureWithinItsPause) {
    dial(0s);
    const auto pause = pause_after_close(CloseCause::refused, 1s);
    EXPECT_GE(pause, Backoff::kShortest);
    EXPECT_LE(pause, Backoff::kLongest);
    EXPECT_EQ(relay.status().last_failure, "refused");
    EXPECT_FALSE(ended(relay.expire(at(1s + pause - 1ns))));
    EXPECT_FALSE(relay.next_command());
    const auto before = id;
    dial(1s + pause);
    EXPECT_NE(id, before);
}

TEST_F(Connection, PausesAreShortAgainOnceItProvedWorking) {
    base::Duration now{};
    for (int i = 0; i < 30; ++i) {
        dial(now);
        now += pause_after_close(CloseCause::unreachable, now);
    }
    come_up(now);
    relay.proved_working();
    EXPECT_LE(pause_after_close(CloseCause::reset, now), 3 * Backoff::kShortest);
}

TEST_F(Connection, AFailedDialEndsNoLink) {
    dial(0s);
    EXPECT_FALSE(ended(relay.closed(CloseCause::unreachable, at(1s))));
}

TEST_F(Connection, TellsWhyALinkEnded) {
    come_up(0s);
    EXPECT_EQ(ended(relay.closed(CloseCause::reset, at(1s))), "reset");
    EXPECT_EQ(relay.status().last_failure, "reset");
    EXPECT_EQ(relay.status().state, "waiting");
    EXPECT_FALSE(relay.is_up());
}

TEST_F(Connection, PassesOnWhatTheRelaySays) {
    come_up(0s);
    const auto opened = relay.received(id, encode(Opened{kSession, "acme/hq", {"#"}}), at(1s));
    ASSERT_TRUE(std::holds_alternative<Opened>(opened));
    EXPECT_EQ(std::get<Opened>(opened).peer, "acme/hq");
    const auto ack = encode(kSession, Ack{{1, 2, 3}, 4, 5});
    const auto frame = relay.received(id, ack, at(1s));
    ASSERT_TRUE(std::holds_alternative<SessionFrame>(frame));
    EXPECT_EQ(std::get<SessionFrame>(frame).kind, FrameKind::ack);
    const auto closed = relay.received(id, encode(Closed{kSession, SessionEnd::peer_lost}), at(1s));
    ASSERT_TRUE(std::holds_alternative<Closed>(closed));
    EXPECT_EQ(std::get<Closed>(closed).reason, SessionEnd::peer_lost);
}

TEST_F(Connection, IgnoresAnotherConnectionsMessages) {
    come_up(0s);
    const base::ConnectionId other{static_cast<std::uint64_t>(id) + 2};
    const auto event = relay.received(other, encode(Opened{kSession, "acme/hq", {}}), at(1s));
    EXPECT_TRUE(std::holds_alternative<std::monostate>(event));
}

TEST_F(Connection, EndsAfterAGoodbyeAndWaitsAsAsked) {
    come_up(0s);
    const auto why = ended(relay.received(id, encode(Bye{ByeReason::shutdown, 5000}), at(1s)));
    EXPECT_EQ(why, "the relay said goodbye: shutdown");
    EXPECT_EQ(relay.status().state, "closing");
    EXPECT_TRUE(command<base::Close>().flush);
    const auto pause = pause_after_close(CloseCause::local, 1s);
    EXPECT_GE(pause, 5s);
    EXPECT_LE(pause, 6s);
    EXPECT_EQ(relay.status().last_failure, "the relay said goodbye: shutdown");
}

TEST_F(Connection, BelievesAGoodbyeUpToAMinuteAndOnce) {
    come_up(0s);
    relay.received(id, encode(Bye{ByeReason::limit, 0xFFFFFFFF}), at(1s));
    command<base::Close>();
    const auto pause = pause_after_close(CloseCause::local, 1s);
    EXPECT_GE(pause, 60s);
    EXPECT_LE(pause, 61s);
    dial(1s + pause);
    EXPECT_LE(pause_after_close(CloseCause::refused, 90s), Backoff::kLongest);
}

TEST_F(Connection, TakesAGoodbyeInPlaceOfTheWelcome) {
    open(0s);
    EXPECT_EQ(ended(relay.received(id, encode(Bye{ByeReason::version, 0}), at(1s))),
              "the relay said goodbye: protocol version not spoken");
}

TEST_F(Connection, EndsASilentLink) {
    come_up(0s);
    EXPECT_FALSE(ended(relay.expire(at(6s - 1ns))));
    EXPECT_EQ(ended(relay.expire(at(6s))), "silent");
    EXPECT_EQ(relay.status().state, "closing");
    command<base::OutputReady>();  // its ping
    EXPECT_FALSE(command<base::Close>().flush);
    EXPECT_FALSE(ended(relay.closed(CloseCause::local, at(6s))));  // said already
    EXPECT_EQ(relay.status().last_failure, "silent");
}

TEST_F(Connection, PartsOfAFrameKeepALinkAlive) {
    come_up(0s);
    relay.progressed(at(5s));
    EXPECT_FALSE(ended(relay.expire(at(11s - 1ns))));
    EXPECT_EQ(ended(relay.expire(at(11s))), "silent");
}

TEST_F(Connection, EndsALinkThatIsNotGreetedInTime) {
    open(0s);
    EXPECT_EQ(relay.next_deadline(), at(5s).instant);
    EXPECT_EQ(ended(relay.expire(at(5s))), "no greeting in time");
}

TEST_F(Connection, EndsALinkThatBreaksTheProtocol) {
    come_up(0s);
    EXPECT_EQ(ended(relay.received(id, frame_of_kind(100), at(1s))), "protocol broken");
    EXPECT_FALSE(command<base::Close>().flush);
    // What still comes in meanwhile is not heard.
    const auto event = relay.received(id, encode(Opened{kSession, "acme/hq", {}}), at(1s));
    EXPECT_TRUE(std::holds_alternative<std::monostate>(event));
}

TEST_F(Connection, AnnouncesOutputOnceUntilItIsTakenEmpty) {
    come_up(0s);
    const auto ack = encode(kSession, Ack{});
    relay.send_control(ack);
    relay.send_control(ack);
    EXPECT_EQ(command<base::OutputReady>().id, id);
    EXPECT_FALSE(relay.next_command());
    EXPECT_EQ(taken().size(), 2U);
    relay.send_ordered(kSession, encode(kSession, Beat{}));
    EXPECT_EQ(command<base::OutputReady>().id, id);
    EXPECT_EQ(taken(), std::vector{FrameKind::beat});
}

TEST_F(Connection, AnnouncesItsPingsAndPongs) {
    come_up(0s);
    relay.received(id, encode(Ping{4}), at(1s));
    command<base::OutputReady>();
    EXPECT_EQ(taken(), std::vector{FrameKind::pong});
    relay.expire(at(2s));
    command<base::OutputReady>();
    EXPECT_EQ(taken(), std::vector{FrameKind::ping});
    EXPECT_FALSE(relay.status().round_trip);
    relay.received(id, encode(Ping{1}, FrameKind::pong), at(2s + 7ms));
    EXPECT_EQ(relay.status().round_trip, 7ms);
}

TEST_F(Connection, DropsFramesWhileThereIsNoLink) {
    relay.send_control(encode(kSession, Ack{}));
    relay.send_ordered(kSession, encode(kSession, Beat{}));
    EXPECT_EQ(relay.queued_bytes(), 0U);
    EXPECT_FALSE(relay.next_command());
    come_up(0s);
    EXPECT_TRUE(taken().empty());
}

TEST_F(Connection, ForgetsWhatWasQueuedOnTheLinkBefore) {
    come_up(0s);
    const auto beat = encode(kSession, Beat{});
    relay.send_ordered(kSession, beat);
    EXPECT_EQ(relay.queued_bytes(), beat.size());
    command<base::OutputReady>();
    const auto pause = pause_after_close(CloseCause::reset, 1s);
    EXPECT_EQ(relay.queued_bytes(), 0U);
    come_up(1s + pause);
    EXPECT_TRUE(taken().empty());
    EXPECT_EQ(relay.status().links_opened, 2U);
}

TEST_F(Connection, DropsOneSessionsFrames) {
    come_up(0s);
    relay.send_ordered(kSession, encode(kSession, Beat{}));
    relay.drop_session(kSession);
    EXPECT_EQ(relay.queued_bytes(), 0U);
    EXPECT_TRUE(taken().empty());
}

TEST_F(Connection, SaysGoodbyeWhenShutDownAndDialsNoMore) {
    come_up(0s);
    relay.shut_down();
    EXPECT_EQ(command<base::OutputReady>().id, id);
    const auto close = command<base::Close>();
    EXPECT_EQ(close.id, id);
    EXPECT_TRUE(close.flush);
    EXPECT_EQ(taken(), std::vector{FrameKind::bye});
    // The end that was asked for is no news to the owner.
    EXPECT_FALSE(ended(relay.closed(CloseCause::local, at(1s))));
    EXPECT_EQ(relay.status().state, "waiting");
    EXPECT_FALSE(relay.next_deadline());
    EXPECT_FALSE(ended(relay.expire(at(1h))));
    EXPECT_FALSE(relay.next_command());
}

TEST_F(Connection, ShutDownWhileWaitingDialsNoMore) {
    relay.shut_down();
    EXPECT_FALSE(relay.next_deadline());
    relay.expire(at(1h));
    EXPECT_FALSE(relay.next_command());
}

TEST_F(Connection, ShutDownWhileDiallingOpensNoLink) {
    dial(0s);
    relay.shut_down();
    relay.opened(id, peer_of(base::Role::relay), at(1s));
    base::Bytes message;
    EXPECT_FALSE(relay.take_output(message) &&
                 FrameKind{decode_frame(message)->kind} == FrameKind::hello);
    bool closes = false;
    while (const auto next = relay.next_command())
        closes = closes || std::holds_alternative<base::Close>(*next);
    EXPECT_TRUE(closes);
}

TEST_F(Connection, ShutDownWhileDiallingEndsWithAFailedDial) {
    dial(0s);
    relay.shut_down();
    EXPECT_FALSE(ended(relay.closed(CloseCause::refused, at(1s))));
    EXPECT_FALSE(relay.next_deadline());
}

}  // namespace
}  // namespace sallyport::tunnel
