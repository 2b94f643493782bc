// The tunnel's frames as types, and the only file pair that touches Cap'n Proto: every message from
// a peer or a disk passes through a decode function here, becomes a type, or is one FrameError.
//
// A frame is `Frame { session, kind, body }` of schemas/tunnel.capnp. Encoders give the whole
// frame; decoders take the frame's body. Input must be 8-byte aligned.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/bytes.hpp"
#include "common/base/result.hpp"
#include "common/record/record.hpp"

namespace sallyport::tunnel {

enum class SessionId : std::uint64_t {};  // 0: the link itself

constexpr std::uint16_t kProtocolVersion = 1;
/// A frame's most: the largest record (2 MiB packet) with its properties and room around it.
constexpr std::size_t kFrameBytesMax = 4U << 20U;
constexpr std::size_t kRunsMax = 4096;          // epochs named in one Log
constexpr std::size_t kTopicsMax = 1024;        // filters in one Opened
constexpr std::size_t kDefineTagsMax = 4096;    // tags in one Define
constexpr std::size_t kTopicBytesMax = 1024;    // a forwarded topic
constexpr std::size_t kBatchRecordsMax = 4096;  // records in one Batch

enum class FrameKind : std::uint8_t {
    hello = 1,
    welcome = 2,
    opened = 3,
    closed = 4,
    ping = 5,
    bye = 6,
    pong = 7,  // answers a Ping with its count
    log = 16,
    resume = 17,
    gap = 18,
    define = 19,
    batch = 20,
    beat = 21,
    ack = 22,
    echo = 23,
};
/// Frames of a session that must stay in order among themselves; the others may pass between them.
constexpr bool is_ordered(FrameKind kind) {
    return kind == FrameKind::log || kind == FrameKind::gap || kind == FrameKind::define ||
           kind == FrameKind::batch || kind == FrameKind::beat;
}
constexpr std::uint8_t kIgnorableKinds = 128;  // unknown kinds from here up are skipped

enum class FrameError {
    misaligned,    // the buffer is not word-aligned: a bug on this side
    too_large,     // over kFrameBytesMax
    malformed,     // not a message of that struct
    out_of_range,  // a field outside what the protocol allows
};
std::string_view to_string(FrameError error);

enum class SessionEnd : std::uint8_t {
    peer_gone = 1,   // the other end's link closed
    peer_lost = 2,   // the other end's link fell silent
    not_wanted = 3,  // an end does not serve this peer
    overrun = 4,     // more was sent than credit allows
    protocol = 5,    // an end broke the protocol
    route_removed = 6,
    shutdown = 7,
    peer_reset = 8,  // the other end's link broke
};
std::string_view to_string(SessionEnd end);

enum class ByeReason : std::uint8_t {
    shutdown = 1,
    replaced = 2,   // the same process, or a new one of this identity, took over
    duplicate = 3,  // another live process has this identity
    protocol = 4,
    limit = 5,
    version = 6,
    name = 7,  // Hello's name is not the certificate's
};
std::string_view to_string(ByeReason reason);

enum class GapReason : std::uint8_t {
    before_log = 1,        // trimmed, or written by a spool that is gone
    damaged = 2,           // an entry that cannot be read
    dropped = 3,           // the spool was full
    refused = 4,           // the route's topics do not hold it
    unknown_position = 5,  // the far side's position is not in this log
};
std::string_view to_string(GapReason reason);

enum class AbsentReason : std::uint8_t {
    refused = 1,    // the route's topics do not hold it
    conflated = 2,  // a newer value of its tag comes behind it
};

struct Hello {
    std::uint16_t version = kProtocolVersion;
    std::uint64_t process = 0;
    std::string name;
};
struct Welcome {
    std::uint16_t version = kProtocolVersion;
    std::uint32_t frame_bytes_max = kFrameBytesMax;
    std::uint32_t sessions_max = 0;
    std::uint64_t process = 0;
};
struct Opened {
    SessionId session{};
    std::string peer;
    std::vector<std::string> topics;
};
struct Closed {
    SessionId session{};
    SessionEnd reason = SessionEnd::peer_gone;
};
struct Ping {
    std::uint64_t count = 0;
};
struct Bye {
    ByeReason reason = ByeReason::shutdown;
    std::uint32_t retry_after_ms = 0;
};
struct Run {
    record::Epoch epoch = 0;
    record::Seq first = 0, last = 0;  // last < first: empty
    friend bool operator==(const Run&, const Run&) = default;
};
struct Log {
    std::vector<Run> runs;  // oldest first
};
/// The end of what an it-agent has: the entry that ends at `seq` of `epoch`, and its checksum.
struct Position {
    record::Epoch epoch = 0;
    record::Seq seq = 0;
    std::uint64_t checksum = 0;
    friend bool operator==(const Position&, const Position&) = default;
};
struct Resume {
    std::uint64_t store = 0;
    Position position;  // epoch 0: none
    std::uint64_t credit = 0;
};
struct Ack {
    Position position;
    std::uint64_t credit = 0;
    std::uint64_t refused = 0;
};
struct Beat {
    record::Seq tail = 0;
    base::WallTime clock;
    base::Duration behind{};
    std::uint64_t spooled_records = 0;
    std::uint64_t count = 0;
    std::uint64_t echo = 0;  // the newest that came; 0: the Resume
    base::Duration since_echo{};
};
struct Echo {
    std::uint64_t count = 0;
    base::WallTime clock;
};
struct Gap {
    record::Epoch epoch = 0;
    record::Seq from = 0, to = 0;
    GapReason why = GapReason::before_log;
};
struct Define {
    std::vector<record::Tag> tags;
};
/// Consecutive records that were left out of a batch. What stands for conflated ones comes later.
struct Absent {
    record::Seq first = 0, last = 0;
    AbsentReason why = AbsentReason::refused;
    base::WallTime since;  // arrival of the oldest of them
    friend bool operator==(const Absent&, const Absent&) = default;
};
/// The envelope of a batch. Its records are read by decode_batch.
struct BatchHead {
    record::Epoch epoch = 0;
    record::Seq first = 0, last = 0;
    /// Where records were left out on the way: batch_checksum of the entry with all of them; else
    /// 0.
    std::uint64_t whole_checksum = 0;
    std::vector<Absent> absent{};  // which those are, in seq order
};
/// A record with, for a quality change of many tags, the further tags it stands for.
struct BatchRecord : record::Record {
    std::vector<record::TagId> also_tags;
};

struct FrameView {
    SessionId session{};
    std::uint8_t kind = 0;  // may be unknown; compare with FrameKind
    base::ByteView body;    // borrowed from the input
};

base::Result<FrameView, FrameError> decode_frame(base::ByteView message);
base::Bytes encode_frame(SessionId session, FrameKind kind, base::ByteView body);

base::Bytes encode(const Hello&);
base::Bytes encode(const Welcome&);
base::Bytes encode(const Opened&);
base::Bytes encode(const Closed&);
base::Bytes encode(const Ping&, FrameKind kind = FrameKind::ping);  // ping or pong
base::Bytes encode(const Bye&);
base::Bytes encode(SessionId, const Log&);
base::Bytes encode(SessionId, const Resume&);
base::Bytes encode(SessionId, const Ack&);
base::Bytes encode(SessionId, const Beat&);
base::Bytes encode(SessionId, const Echo&);
base::Bytes encode(SessionId, const Gap&);
base::Bytes encode(SessionId, const Define&);

base::Result<Hello, FrameError> decode_hello(base::ByteView body);
base::Result<Welcome, FrameError> decode_welcome(base::ByteView body);
base::Result<Opened, FrameError> decode_opened(base::ByteView body);
base::Result<Closed, FrameError> decode_closed(base::ByteView body);
base::Result<Ping, FrameError> decode_ping(base::ByteView body);
base::Result<Bye, FrameError> decode_bye(base::ByteView body);
base::Result<Log, FrameError> decode_log(base::ByteView body);
base::Result<Resume, FrameError> decode_resume(base::ByteView body);
base::Result<Ack, FrameError> decode_ack(base::ByteView body);
base::Result<Beat, FrameError> decode_beat(base::ByteView body);
base::Result<Echo, FrameError> decode_echo(base::ByteView body);
base::Result<Gap, FrameError> decode_gap(base::ByteView body);
base::Result<Define, FrameError> decode_define(base::ByteView body);

/// True where `body` is exactly the numbers of a Resume, Ack or Echo and nothing else: what the
/// relay demands of every frame toward OT. The size is exact, and there is no pointer to hide bytes
/// behind.
bool is_numbers_only(FrameKind kind, base::ByteView body);

/// One record to be encoded into a batch: as record::Record, plus the further tags.
base::Bytes encode_batch(const BatchHead& head, std::span<const BatchRecord> records);
base::Result<BatchHead, FrameError> decode_batch_head(base::ByteView body);
/// Reads the batch's records into `records` (cleared first). They borrow from `body`. Seqs rise
/// strictly and lie within head.first..head.last and are none of head.absent, or the answer is
/// out_of_range.
base::Result<BatchHead, FrameError> decode_batch(base::ByteView body,
                                                 std::vector<BatchRecord>& records);

/// XXH3 over a batch body, seeded with the epoch: what a Position carries.
std::uint64_t batch_checksum(record::Epoch epoch, base::ByteView body);

}  // namespace sallyport::tunnel
