#include "common/tunnel/frame.hpp"

#include <limits>
#include <set>

#include <gtest/gtest.h>

#include "tests/unit/tunnel/samples.hpp"

namespace sallyport::tunnel {
namespace {

using namespace samples;

constexpr auto kMax64 = std::numeric_limits<std::uint64_t>::max();
constexpr auto kMin64 = std::numeric_limits<std::int64_t>::min();

TEST(Frame, KeepsSessionKindAndBody) {
    const auto body = body_of(encode(Ping{3}));
    const auto message = encode_frame(SessionId{kMax64}, FrameKind::beat, body);
    const auto frame = decode_frame(message);
    ASSERT_TRUE(frame);
    EXPECT_EQ(frame->session, SessionId{kMax64});
    EXPECT_EQ(FrameKind{frame->kind}, FrameKind::beat);
    EXPECT_EQ(copy_of(frame->body), body);
}

TEST(Frame, IsWholeWordsWithAnAlignedBody) {
    for (const auto& sample : every_kind()) {
        EXPECT_EQ(sample.message.size() % 8, 0U);
        const auto frame = decode_frame(sample.message);
        ASSERT_TRUE(frame);
        EXPECT_EQ(frame->kind, static_cast<std::uint8_t>(sample.kind));
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(frame->body.data()) % 8, 0U);
    }
}

TEST(Frame, LinkFramesAreOfSessionZero) {
    for (const auto& sample : every_kind()) {
        const bool of_link = sample.kind <= FrameKind::pong;
        EXPECT_EQ(decode_frame(sample.message)->session, of_link ? SessionId{0} : kSession);
    }
}

TEST(FrameRoundTrip, Hello) {
    const auto hello = decode_hello(body_of(encode(Hello{0xFFFF, kMax64, std::string(127, 'n')})));
    ASSERT_TRUE(hello);
    EXPECT_EQ(hello->version, 0xFFFF);
    EXPECT_EQ(hello->process, kMax64);
    EXPECT_EQ(hello->name, std::string(127, 'n'));
}

TEST(FrameRoundTrip, Welcome) {
    const auto welcome = decode_welcome(body_of(encode(Welcome{2, 4096, 64, kMax64})));
    ASSERT_TRUE(welcome);
    EXPECT_EQ(welcome->version, 2);
    EXPECT_EQ(welcome->frame_bytes_max, 4096U);
    EXPECT_EQ(welcome->sessions_max, 64U);
    EXPECT_EQ(welcome->process, kMax64);
}

TEST(FrameRoundTrip, Opened) {
    Opened sent{SessionId{kMax64}, "acme/hq", {}};
    sent.topics.assign(kTopicsMax, std::string(kTopicBytesMax, 't'));
    const auto opened = decode_opened(body_of(encode(sent)));
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->session, sent.session);
    EXPECT_EQ(opened->peer, "acme/hq");
    EXPECT_EQ(opened->topics, sent.topics);
}

TEST(FrameRoundTrip, ClosedForEveryReason) {
    for (std::uint8_t reason = 1; reason <= 8; ++reason) {
        const auto closed = decode_closed(body_of(encode(Closed{kSession, SessionEnd{reason}})));
        ASSERT_TRUE(closed);
        EXPECT_EQ(closed->session, kSession);
        EXPECT_EQ(closed->reason, SessionEnd{reason});
    }
}

TEST(FrameRoundTrip, PingAndPong) {
    for (const auto kind : {FrameKind::ping, FrameKind::pong}) {
        const auto message = encode(Ping{kMax64}, kind);
        EXPECT_EQ(FrameKind{decode_frame(message)->kind}, kind);
        EXPECT_EQ(decode_ping(body_of(message))->count, kMax64);
    }
}

TEST(FrameRoundTrip, ByeForEveryReason) {
    for (std::uint8_t reason = 1; reason <= 7; ++reason) {
        const auto bye = decode_bye(body_of(encode(Bye{ByeReason{reason}, 0xFFFFFFFF})));
        ASSERT_TRUE(bye);
        EXPECT_EQ(bye->reason, ByeReason{reason});
        EXPECT_EQ(bye->retry_after_ms, 0xFFFFFFFF);
    }
}

TEST(FrameRoundTrip, Log) {
    Log sent;
    EXPECT_EQ(decode_log(body_of(encode(kSession, sent)))->runs, sent.runs);
    for (std::uint64_t i = 0; i < kRunsMax; ++i) sent.runs.push_back({kMax64 - i, i, i * 3});
    const auto log = decode_log(body_of(encode(kSession, sent)));
    ASSERT_TRUE(log);
    EXPECT_EQ(log->runs, sent.runs);
}

TEST(FrameRoundTrip, Resume) {
    const Resume sent{kMax64, {kMax64 - 1, kMax64 - 2, kMax64 - 3}, kMax64 - 4};
    const auto resume = decode_resume(body_of(encode(kSession, sent)));
    ASSERT_TRUE(resume);
    EXPECT_EQ(resume->store, sent.store);
    EXPECT_EQ(resume->position, sent.position);
    EXPECT_EQ(resume->credit, sent.credit);
}

TEST(FrameRoundTrip, Ack) {
    const Ack sent{{kMax64, kMax64 - 1, kMax64 - 2}, kMax64 - 3, kMax64 - 4};
    const auto ack = decode_ack(body_of(encode(kSession, sent)));
    ASSERT_TRUE(ack);
    EXPECT_EQ(ack->position, sent.position);
    EXPECT_EQ(ack->credit, sent.credit);
    EXPECT_EQ(ack->refused, sent.refused);
}

TEST(FrameRoundTrip, Beat) {
    const Beat sent{kMax64,     {5},        base::Duration{kMin64},    kMax64 - 1,
                    kMax64 - 2, kMax64 - 3, base::Duration{kMin64 + 1}};
    const auto beat = decode_beat(body_of(encode(kSession, sent)));
    ASSERT_TRUE(beat);
    EXPECT_EQ(beat->tail, sent.tail);
    EXPECT_EQ(beat->clock, sent.clock);
    EXPECT_EQ(beat->behind, sent.behind);
    EXPECT_EQ(beat->spooled_records, sent.spooled_records);
    EXPECT_EQ(beat->count, sent.count);
    EXPECT_EQ(beat->echo, sent.echo);
    EXPECT_EQ(beat->since_echo, sent.since_echo);
}

TEST(FrameRoundTrip, ClocksOfBeatsStayWhereTheyCanBeReckonedWith) {
    const auto clock_of = [](std::int64_t ns) {
        return decode_beat(body_of(encode(kSession, Beat{1, {ns}})))->clock.ns;
    };
    EXPECT_EQ(clock_of(kMin64), 0);
    EXPECT_EQ(clock_of(std::numeric_limits<std::int64_t>::max()), std::int64_t{1} << 62);
}

TEST(FrameRoundTrip, Echo) {
    const auto echo = decode_echo(body_of(encode(kSession, Echo{kMax64, {kMin64}})));
    ASSERT_TRUE(echo);
    EXPECT_EQ(echo->count, kMax64);
    EXPECT_EQ(echo->clock.ns, kMin64);
}

TEST(FrameRoundTrip, GapForEveryReason) {
    for (std::uint8_t why = 1; why <= 5; ++why) {
        const auto gap = decode_gap(body_of(encode(kSession, Gap{kMax64, 2, 3, GapReason{why}})));
        ASSERT_TRUE(gap);
        EXPECT_EQ(gap->epoch, kMax64);
        EXPECT_EQ(gap->from, 2U);
        EXPECT_EQ(gap->to, 3U);
        EXPECT_EQ(gap->why, GapReason{why});
    }
}

TEST(FrameRoundTrip, Define) {
    Define sent;
    for (std::size_t i = 0; i < kDefineTagsMax; ++i)
        sent.tags.push_back({static_cast<record::TagId>(0xFFFFFFFF - i), "t/" + std::to_string(i)});
    sent.tags[0].topic = std::string(kTopicBytesMax, 't');
    const auto define = decode_define(body_of(encode(kSession, sent)));
    ASSERT_TRUE(define);
    ASSERT_EQ(define->tags.size(), sent.tags.size());
    for (std::size_t i = 0; i < sent.tags.size(); ++i) {
        EXPECT_EQ(define->tags[i].id, sent.tags[i].id);
        EXPECT_EQ(define->tags[i].topic, sent.tags[i].topic);
    }
}

template <class E>
void expect_own_names(std::uint8_t first, std::uint8_t last) {
    std::set<std::string_view> names;
    for (std::uint8_t value = first; value <= last; ++value)
        EXPECT_TRUE(names.insert(to_string(E{value})).second) << int(value);
    EXPECT_FALSE(names.contains("?"));
}

TEST(FrameNames, AreGivenToEveryReason) {
    expect_own_names<SessionEnd>(1, 8);
    expect_own_names<ByeReason>(1, 7);
    expect_own_names<GapReason>(1, 5);
    EXPECT_EQ(to_string(FrameError::out_of_range), "field out of range");
}

TEST(FrameRanges, UnknownReasonsAreRefused) {
    for (const std::uint8_t reason : {std::uint8_t{0}, std::uint8_t{9}, std::uint8_t{255}}) {
        EXPECT_EQ(decode_closed(body_of(encode(Closed{kSession, SessionEnd{reason}}))).error(),
                  FrameError::out_of_range);
        EXPECT_EQ(decode_bye(body_of(encode(Bye{ByeReason{reason}, 0}))).error(),
                  FrameError::out_of_range);
        EXPECT_EQ(decode_gap(body_of(encode(kSession, Gap{1, 1, 1, GapReason{reason}}))).error(),
                  FrameError::out_of_range);
    }
    EXPECT_EQ(decode_bye(body_of(encode(Bye{ByeReason{8}, 0}))).error(), FrameError::out_of_range);
    EXPECT_EQ(decode_gap(body_of(encode(kSession, Gap{1, 1, 1, GapReason{6}}))).error(),
              FrameError::out_of_range);
}

TEST(FrameRanges, LongNamesAndTopicsAreRefused) {
    const std::string long_name(128, 'n');
    const std::string long_topic(kTopicBytesMax + 1, 't');
    EXPECT_EQ(decode_hello(body_of(encode(Hello{1, 1, long_name}))).error(),
              FrameError::out_of_range);
    EXPECT_EQ(decode_opened(body_of(encode(Opened{kSession, long_name, {}}))).error(),
              FrameError::out_of_range);
    EXPECT_EQ(decode_opened(body_of(encode(Opened{kSession, "acme/hq", {long_topic}}))).error(),
              FrameError::out_of_range);
    EXPECT_EQ(decode_define(body_of(encode(kSession, Define{{{1, long_topic}}}))).error(),
              FrameError::out_of_range);
}

TEST(FrameRanges, TooManyTopicsAreRefused) {
    Opened sent{kSession, "acme/hq", {}};
    sent.topics.assign(kTopicsMax + 1, "t");
    EXPECT_EQ(decode_opened(body_of(encode(sent))).error(), FrameError::out_of_range);
}

TEST(FrameRanges, NothingWhereAValueIsNeededIsRefused) {
    EXPECT_EQ(decode_define(body_of(encode(kSession, Define{{{1, ""}}}))).error(),
              FrameError::out_of_range);
    EXPECT_EQ(decode_opened(body_of(encode(Opened{SessionId{0}, "acme/hq", {}}))).error(),
              FrameError::out_of_range);
    EXPECT_EQ(decode_log(body_of(encode(kSession, Log{{{0, 1, 2}}}))).error(),
              FrameError::out_of_range);
}

}  // namespace
}  // namespace sallyport::tunnel
