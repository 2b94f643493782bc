// Frames and times that the tunnel's tests share: one sample of each kind, and a body's words to be
// altered as a hostile peer would.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "common/tunnel/link.hpp"

namespace sallyport::tunnel::samples {

using namespace std::chrono_literals;

constexpr SessionId kSession{7};

/// `after` since the tests' beginning, which is not the clocks' zero.
inline base::Now at(base::Duration after) {
    return {base::Instant{1h + after}, base::WallTime{1'700'000'000'000'000'000} + after};
}

/// An unread copy at the start of an allocation of exactly its size: aligned, and a read past its
/// end is one that a sanitizer sees.
inline base::Bytes copy_of(base::ByteView bytes) {
    return {bytes.begin(), bytes.end()};
}

inline base::Bytes first_bytes(base::ByteView bytes, std::size_t size) {
    return copy_of(bytes.first(size));
}

inline base::Bytes body_of(base::ByteView message) {
    const auto frame = decode_frame(message);
    EXPECT_TRUE(frame);
    return frame ? copy_of(frame->body) : base::Bytes{};
}

/// As a link gives it to a session's end. Borrows from `message`.
inline SessionFrame session_frame(base::ByteView message) {
    const auto frame = decode_frame(message);
    EXPECT_TRUE(frame);
    if (!frame) return {};
    return {frame->session, FrameKind{frame->kind}, frame->body, message};
}

/// A frame of any kind, known or not.
inline base::Bytes frame_of_kind(std::uint8_t kind, SessionId session = SessionId{0}) {
    return encode_frame(session, FrameKind{kind}, body_of(encode(Ping{1})));
}

inline std::uint64_t word(base::ByteView bytes, std::size_t index) {
    std::uint64_t value = 0;
    std::memcpy(&value, bytes.data() + index * sizeof value, sizeof value);
    return value;
}
inline void set_word(base::Bytes& bytes, std::size_t index, std::uint64_t value) {
    std::memcpy(bytes.data() + index * sizeof value, &value, sizeof value);
}

inline base::ByteView text(std::string_view of) {
    return base::as_bytes(of);
}

inline BatchRecord record(record::Seq seq, record::TagId tag, std::string_view value = "21.5") {
    BatchRecord made;
    made.seq = seq;
    made.tag = tag;
    made.flags = record::kHasValue;
    made.source_time = {1'000 + static_cast<std::int64_t>(seq)};
    made.arrival_time = {2'000 + static_cast<std::int64_t>(seq)};
    made.value = text(value);
    return made;
}

inline std::vector<BatchRecord> three_records() {
    auto all = record(100, 1);
    all.flags =
        static_cast<std::uint16_t>(record::kRetain | record::kHasValue | record::qos_bits(2));
    all.properties = text("\x26\x00\x01k\x00\x01v");
    auto change = record(102, 3, "");
    change.flags = 0;
    change.quality = record::Quality::bad_not_connected;
    change.also_tags = {5, 8, 13};
    auto negative = record(103, 4'000'000'000U, "x");
    negative.source_time = {-1};
    return {all, change, negative};
}

struct Sample {
    FrameKind kind;
    base::Bytes message;
};

/// One frame of each kind, with every field set.
inline std::vector<Sample> every_kind() {
    const BatchHead head{0xABCDEF, 100, 103, 0x1234};
    return {
        {FrameKind::hello, encode(Hello{1, 0x1122334455667788, "acme/line3"})},
        {FrameKind::welcome, encode(Welcome{1, 4096, 64, 99})},
        {FrameKind::opened, encode(Opened{kSession, "acme/hq", {"plant/#", "other/+/x"}})},
        {FrameKind::closed, encode(Closed{kSession, SessionEnd::overrun})},
        {FrameKind::ping, encode(Ping{17})},
        {FrameKind::pong, encode(Ping{18}, FrameKind::pong)},
        {FrameKind::bye, encode(Bye{ByeReason::limit, 2500})},
        {FrameKind::log, encode(kSession, Log{{{1, 1, 10}, {2, 11, 10}}})},
        {FrameKind::resume, encode(kSession, Resume{5, {1, 10, 0xFEED}, 65536})},
        {FrameKind::gap, encode(kSession, Gap{1, 2, 3, GapReason::damaged})},
        {FrameKind::define, encode(kSession, Define{{{1, "plant/a"}, {2, "plant/b"}}})},
        {FrameKind::batch,
         encode_frame(kSession, FrameKind::batch, encode_batch(head, three_records()))},
        {FrameKind::beat, encode(kSession, Beat{103, {-5}, 3s, 40, 6})},
        {FrameKind::ack, encode(kSession, Ack{{1, 10, 0xFEED}, 131072, 2})},
        {FrameKind::echo, encode(kSession, Echo{6, {-5}})},
    };
}

}  // namespace sallyport::tunnel::samples
