#include "dmz-relay/switch/session_table.hpp"

#include <array>
#include <optional>

#include <gtest/gtest.h>

namespace sallyport::relay_switch {
namespace {

using enum tunnel::FrameKind;
using enum Direction;
using Kind = tunnel::FrameKind;

constexpr tunnel::SessionId kId{7};
constexpr tunnel::Position kPosition{1, 2, 3};

constexpr std::array kEveryKind{hello,  welcome, opened, closed, ping, bye, pong, log,
                                resume, gap,     define, batch,  beat, ack, echo};

base::Bytes body_of(const base::Bytes& frame) {
    const auto view = tunnel::decode_frame(frame);
    return {view->body.begin(), view->body.end()};
}
base::Bytes definition(const std::vector<std::string>& topics) {
    tunnel::Define define;
    for (const auto& topic : topics)
        define.tags.push_back({static_cast<record::TagId>(define.tags.size() + 1), topic});
    return body_of(encode(kId, define));
}
/// An honest body of that kind.
base::Bytes honest(Kind kind) {
    switch (kind) {
        case hello: return body_of(encode(tunnel::Hello{1, 2, "acme/line3"}));
        case welcome: return body_of(encode(tunnel::Welcome{}));
        case opened: return body_of(encode(tunnel::Opened{kId, "acme/hq", {}}));
        case closed: return body_of(encode(tunnel::Closed{kId, tunnel::SessionEnd::overrun}));
        case ping:
        case pong: return body_of(encode(tunnel::Ping{1}));
        case bye: return body_of(encode(tunnel::Bye{}));
        case log: return body_of(encode(kId, tunnel::Log{{{1, 1, 2}}}));
        case resume: return body_of(encode(kId, tunnel::Resume{1, kPosition, 100}));
        case gap: return body_of(encode(kId, tunnel::Gap{1, 2, 3, tunnel::GapReason::damaged}));
        case define: return definition({"plant/a"});
        case batch: return tunnel::encode_batch({1, 1, 1, 0}, {});
        case beat: return body_of(encode(kId, tunnel::Beat{1, {2}, {}, 3, 4}));
        case ack: return body_of(encode(kId, tunnel::Ack{kPosition, 100, 0}));
        case echo: return body_of(encode(kId, tunnel::Echo{1, {2}}));
    }
    return {};
}

std::optional<PassFailure> judge(Direction direction, Kind kind, const base::Bytes& body) {
    Session session;
    session.topics = {"plant/#", "oven"};
    return why_not_pass(session, direction, kind, body);
}

TEST(WhyNotPass, LetsOrderedKindsTravelTowardItAndNoOthers) {
    for (const auto kind : kEveryKind) {
        const auto failure = judge(toward_it, kind, honest(kind));
        const bool passes =
            kind == log || kind == gap || kind == define || kind == batch || kind == beat;
        EXPECT_EQ(failure == std::nullopt, passes) << "kind " << static_cast<int>(kind);
        EXPECT_EQ(failure.value_or(PassFailure::direction), PassFailure::direction);
    }
}

TEST(WhyNotPass, LetsOnlyResumeAckAndEchoTravelTowardOt) {
    for (const auto kind : kEveryKind) {
        const auto failure = judge(toward_ot, kind, honest(kind));
        const bool passes = kind == resume || kind == ack || kind == echo;
        EXPECT_EQ(failure == std::nullopt, passes) << "kind " << static_cast<int>(kind);
    }
    for (const auto kind : {log, gap, define, batch, beat})
        EXPECT_EQ(judge(toward_ot, kind, honest(kind)), PassFailure::direction);
}

TEST(WhyNotPass, WantsNumbersOfExactSizeTowardOt) {
    for (const auto kind : {resume, ack, echo}) {
        auto longer = honest(kind);
        longer.resize(longer.size() + 8);
        EXPECT_EQ(judge(toward_ot, kind, longer), PassFailure::not_numbers);
        auto shorter = honest(kind);
        shorter.resize(shorter.size() - 8);
        EXPECT_EQ(judge(toward_ot, kind, shorter), PassFailure::not_numbers);
        EXPECT_EQ(judge(toward_ot, kind, {}), PassFailure::not_numbers);
        // A body of another kind, with a pointer to text, is no number.
        EXPECT_EQ(judge(toward_ot, kind, honest(hello)), PassFailure::not_numbers);
    }
    EXPECT_EQ(judge(toward_ot, ack, honest(echo)), PassFailure::not_numbers);
}

TEST(WhyNotPass, RefusesATagOutsideTheRoutesTopics) {
    EXPECT_EQ(judge(toward_it, define, definition({"plant/a", "plant/b/c", "oven"})), std::nullopt);
    EXPECT_EQ(judge(toward_it, define, definition({"office/a"})), PassFailure::topic);
    // One of many is enough, wherever it stands.
    EXPECT_EQ(judge(toward_it, define, definition({"plant/a", "oven/1", "plant/b"})),
              PassFailure::topic);
    EXPECT_EQ(judge(toward_it, define, definition({"plant/a", "$SYS/uptime"})), PassFailure::topic);
}

TEST(WhyNotPass, RefusesADefinitionThatCannotBeRead) {
    EXPECT_EQ(judge(toward_it, define, {}), PassFailure::malformed);
    auto broken = definition({"plant/a"});
    broken.resize(broken.size() - 8);
    EXPECT_EQ(judge(toward_it, define, broken), PassFailure::malformed);
    EXPECT_EQ(judge(toward_it, define, definition({std::string(tunnel::kTopicBytesMax + 1, 'a')})),
              PassFailure::malformed);
}

TEST(SessionTable, NeverGivesANumberTwice) {
    SessionTable table(1000);
    const auto first = table.open(base::ConnectionId{2}, base::ConnectionId{4}, {}).id;
    table.erase(first);
    const auto second = table.open(base::ConnectionId{2}, base::ConnectionId{4}, {}).id;
    EXPECT_NE(first, second);
    EXPECT_EQ(table.find(first), nullptr);
    ASSERT_NE(table.find(second), nullptr);
    // The link itself is session 0.
    EXPECT_NE(SessionTable(0).open({}, {}, {}).id, tunnel::SessionId{0});
}

TEST(SessionTable, KnowsWhichSessionsEndWithALink) {
    SessionTable table(1);
    const base::ConnectionId line{2}, oven{4}, hq{6};
    const auto line_hq = table.open(line, hq, {"a"}).id;
    const auto oven_hq = table.open(oven, hq, {"b"}).id;
    EXPECT_TRUE(table.joined(line, hq));
    EXPECT_FALSE(table.joined(hq, line));
    EXPECT_FALSE(table.joined(line, oven));
    EXPECT_EQ(table.of(line), std::vector{line_hq});
    EXPECT_EQ(table.of(hq), (std::vector{line_hq, oven_hq}));
    EXPECT_EQ(table.of(base::ConnectionId{8}), std::vector<tunnel::SessionId>{});
    EXPECT_EQ(table.find(oven_hq)->topics, std::vector<std::string>{"b"});
}

}  // namespace
}  // namespace sallyport::relay_switch
