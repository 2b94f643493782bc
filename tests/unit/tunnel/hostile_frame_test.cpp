// What a peer may do to a frame: cut it, alter it, make its pointers overlap, hide bytes in it.
#include <gtest/gtest.h>

#include "common/tunnel/frame.hpp"
#include "tests/unit/tunnel/samples.hpp"

namespace sallyport::tunnel {
namespace {

using namespace samples;

bool lies_within(base::ByteView inner, base::ByteView outer) {
    return inner.empty() || (inner.data() >= outer.data() &&
                             inner.data() + inner.size() <= outer.data() + outer.size());
}

/// Decodes the body as `kind` and touches all that comes out. The error, or nothing.
std::optional<FrameError> error_of(FrameKind kind, base::ByteView body) {
    const auto error = [](const auto& result) {
        return result ? std::nullopt : std::optional(result.error());
    };
    std::vector<BatchRecord> records;
    switch (kind) {
        case FrameKind::hello: return error(decode_hello(body));
        case FrameKind::welcome: return error(decode_welcome(body));
        case FrameKind::opened: return error(decode_opened(body));
        case FrameKind::closed: return error(decode_closed(body));
        case FrameKind::ping:
        case FrameKind::pong: return error(decode_ping(body));
        case FrameKind::bye: return error(decode_bye(body));
        case FrameKind::log: return error(decode_log(body));
        case FrameKind::resume: return error(decode_resume(body));
        case FrameKind::gap: return error(decode_gap(body));
        case FrameKind::define: return error(decode_define(body));
        case FrameKind::batch: break;
        case FrameKind::beat: return error(decode_beat(body));
        case FrameKind::ack: return error(decode_ack(body));
        case FrameKind::echo: return error(decode_echo(body));
    }
    const auto head = decode_batch(body, records);
    if (!head) return head.error();
    record::Seq previous = head->first - 1;
    for (const auto& record : records) {
        EXPECT_GT(record.seq, previous);
        EXPECT_LE(record.seq, head->last);
        EXPECT_TRUE(lies_within(record.value, body));
        EXPECT_TRUE(lies_within(record.properties, body));
        previous = record.seq;
    }
    return std::nullopt;
}

TEST(HostileFrame, EveryTruncationIsAnError) {
    for (const auto& sample : every_kind()) {
        for (std::size_t size = 0; size < sample.message.size(); ++size)
            EXPECT_FALSE(decode_frame(first_bytes(sample.message, size)))
                << int(sample.kind) << " cut to " << size;
        const auto body = body_of(sample.message);
        for (std::size_t size = 0; size < body.size(); ++size)
            EXPECT_TRUE(error_of(sample.kind, first_bytes(body, size)))
                << int(sample.kind) << " body cut to " << size;
    }
}

TEST(HostileFrame, EveryAlteredByteGivesAValueOrAnError) {
    for (const auto& sample : every_kind()) {
        for (std::size_t i = 0; i < sample.message.size(); ++i) {
            for (const unsigned flip : {1U, 2U, 4U, 8U, 16U, 32U, 64U, 128U, 255U}) {
                auto altered = copy_of(sample.message);
                altered[i] = static_cast<std::uint8_t>(altered[i] ^ flip);
                const auto frame = decode_frame(altered);
                if (!frame) {
                    EXPECT_EQ(frame.error(), FrameError::malformed);
                    continue;
                }
                ASSERT_TRUE(lies_within(frame->body, altered));
                const auto error = error_of(sample.kind, frame->body);
                EXPECT_NE(error, FrameError::misaligned);
                EXPECT_NE(error, FrameError::too_large);
            }
        }
    }
}

TEST(HostileFrame, OfAnotherKindsStructGivesAValueOrAnError) {
    for (const auto& sample : every_kind()) {
        const auto body = body_of(sample.message);
        EXPECT_FALSE(error_of(sample.kind, body)) << int(sample.kind);
        for (const auto& other : every_kind())
            EXPECT_NE(error_of(other.kind, body), FrameError::misaligned);
    }
}

TEST(HostileFrame, WordsOfAllOnesAreAnError) {
    for (std::size_t words = 1; words < 64; ++words) {
        const base::Bytes ones(words * 8, 0xFF);
        const auto frame = decode_frame(ones);
        ASSERT_FALSE(frame);
        EXPECT_EQ(frame.error(), FrameError::malformed);
    }
}

TEST(HostileFrame, MisalignedInputIsRefusedUnread) {
    for (const auto& sample : every_kind()) {
        for (std::size_t shift = 1; shift < 8; ++shift) {
            base::Bytes moved(shift);
            base::append(moved, sample.message);
            EXPECT_EQ(decode_frame(base::ByteView(moved).subspan(shift)).error(),
                      FrameError::misaligned);
            base::Bytes moved_body(shift);
            base::append(moved_body, body_of(sample.message));
            EXPECT_EQ(error_of(sample.kind, base::ByteView(moved_body).subspan(shift)),
                      FrameError::misaligned);
        }
    }
}

TEST(HostileFrame, OversizeInputIsRefusedUnread) {
    auto message = encode(Ping{1});
    message.resize(kFrameBytesMax);
    EXPECT_TRUE(decode_frame(message));
    message.resize(kFrameBytesMax + 8);
    EXPECT_EQ(decode_frame(message).error(), FrameError::too_large);
    EXPECT_EQ(decode_ping(message).error(), FrameError::too_large);
}

TEST(HostileFrame, ALyingSegmentTableIsAnError) {
    auto message = encode(Ping{1});
    for (const std::uint64_t table :
         {0xFFFF'FFFF'FFFF'FFFFULL, 0xFFFF'FFFF'0000'0000ULL, 0x0000'0001'FFFF'FFFFULL,
          0x0000'0001'7FFF'FFFFULL, 0x0000'0000'0000'0000ULL, 0x0000'0001'0000'0003ULL}) {
        set_word(message, 0, table);
        const auto frame = decode_frame(message);
        if (frame) {
            EXPECT_TRUE(frame->body.empty());  // an empty segment: all fields at their default
        } else {
            EXPECT_EQ(frame.error(), FrameError::malformed);
        }
    }
}

// --- pointers that overlap ----------------------------------------------------

/// Where the words of a flat batch lie: table, root pointer, four words of data, the lists'
/// pointers (records, absent), the former's tag word, then seven words a record, of which the last
/// three are pointers.
constexpr std::size_t kRecordsAt = 9;
constexpr std::size_t kRecordWords = 7;
constexpr std::size_t kValueAt = 4, kTagsAt = 6;

std::size_t pointer_of(std::size_t record, std::size_t field) {
    return kRecordsAt + record * kRecordWords + field;
}

/// Lets the list pointer at word `at` name what the one at word `from` does.
void share_target(base::Bytes& message, std::size_t from, std::size_t at) {
    const auto original = word(message, from);
    const auto offset = static_cast<std::int32_t>(static_cast<std::uint32_t>(original)) >> 2;
    const auto moved = offset + static_cast<std::int32_t>(from) - static_cast<std::int32_t>(at);
    const auto low = (static_cast<std::uint32_t>(moved) << 2U) | 1U;
    set_word(message, at, (original >> 32U << 32U) | low);
}

TEST(OverlappingPointers, SharedOnceAreStillAMessage) {
    const std::string big(1000, 'v');
    auto body = encode_batch({1, 1, 2}, std::vector{record(1, 1, big), record(2, 1, "w")});
    share_target(body, pointer_of(0, kValueAt), pointer_of(1, kValueAt));
    std::vector<BatchRecord> records;
    ASSERT_TRUE(decode_batch(body, records));  // shows that the pointers lie where this file says
    ASSERT_EQ(records.size(), 2U);
    EXPECT_EQ(base::as_text(records[1].value), big);
}

TEST(OverlappingPointers, OfManyValuesEndInAnError) {
    const std::string big(30'000, 'v');
    std::vector<BatchRecord> sent{record(1, 1, big)};
    for (record::Seq seq = 2; seq <= 200; ++seq) sent.push_back(record(seq, 1, "w"));
    auto body = encode_batch({1, 1, 200}, sent);
    std::vector<BatchRecord> records;
    ASSERT_TRUE(decode_batch(body, records));
    for (std::size_t i = 1; i < sent.size(); ++i)
        share_target(body, pointer_of(0, kValueAt), pointer_of(i, kValueAt));
    EXPECT_EQ(decode_batch(body, records).error(), FrameError::malformed);
}

TEST(OverlappingPointers, OfManyTagListsEndInAnError) {
    auto many = record(1, 1, "v");
    many.also_tags.assign(8000, 5);
    std::vector<BatchRecord> sent{many};
    for (record::Seq seq = 2; seq <= 200; ++seq) {
        sent.push_back(record(seq, 1, "v"));
        sent.back().also_tags = {5};
    }
    auto body = encode_batch({1, 1, 200}, sent);
    std::vector<BatchRecord> records;
    ASSERT_TRUE(decode_batch(body, records));
    for (std::size_t i = 1; i < sent.size(); ++i)
        share_target(body, pointer_of(0, kTagsAt), pointer_of(i, kTagsAt));
    EXPECT_EQ(decode_batch(body, records).error(), FrameError::malformed);
}

/// Opened: table, root, session, pointers of peer and topics; the topics' pointers lie behind the
/// peer's text.
TEST(OverlappingPointers, OfManyTopicsEndInAnError) {
    Opened sent{kSession, "acme/hq", {}};
    sent.topics.assign(kTopicsMax, "t");
    sent.topics[0] = std::string(kTopicBytesMax, 't');
    auto body = body_of(encode(sent));
    ASSERT_TRUE(decode_opened(body));
    constexpr std::size_t kTopicsPointerAt = 4;
    const auto first = kTopicsPointerAt + 1 + (word(body, kTopicsPointerAt) >> 2U & 0x3FFFFFFFU);
    for (std::size_t i = 1; i < kTopicsMax; ++i) share_target(body, first, first + i);
    EXPECT_EQ(decode_opened(body).error(), FrameError::malformed);
}

/// A struct list whose elements have no words claims any count in no space.
TEST(OverlappingPointers, AListOfNothingIsNotALongList) {
    auto body = body_of(encode(kSession, Define{{{1, "plant/a"}}}));
    constexpr std::size_t kListPointerAt = 2, kTagAt = 3;
    ASSERT_EQ(word(body, kTagAt) & 0xFFFFFFFFU, 1U << 2U);  // one element
    set_word(body, kTagAt, 0x1FFF'FFFFULL << 2U);           // half a billion, of zero words each
    set_word(body, kListPointerAt, word(body, kListPointerAt) & 0x7'FFFF'FFFFULL);
    EXPECT_TRUE(error_of(FrameKind::define, body));
}

/// Nesting and far pointers that lead back to themselves.
TEST(OverlappingPointers, OfAFarPointerToItselfEndInAnError) {
    auto body = body_of(encode(Ping{1}));
    set_word(body, 1, 2U | (1U << 3U));  // far, landing pad at word 1 of segment 0
    EXPECT_TRUE(error_of(FrameKind::ping, body));
    set_word(body, 1, 2U);  // landing pad is the root pointer itself
    EXPECT_TRUE(error_of(FrameKind::ping, body));
    set_word(body, 1, 2U | 4U);  // a double far pointer to itself
    EXPECT_TRUE(error_of(FrameKind::ping, body));
}

// --- numbers only -------------------------------------------------------------

bool travels_toward_ot(FrameKind kind) {
    return kind == FrameKind::resume || kind == FrameKind::ack || kind == FrameKind::echo;
}

TEST(NumbersOnly, IsTrueForResumeAckAndEchoAlone) {
    for (const auto& sample : every_kind())
        EXPECT_EQ(is_numbers_only(sample.kind, body_of(sample.message)),
                  travels_toward_ot(sample.kind))
            << int(sample.kind);
}

TEST(NumbersOnly, IsTrueForAnyNumbers) {
    for (const auto& sample : every_kind()) {
        if (!travels_toward_ot(sample.kind)) continue;
        auto body = body_of(sample.message);
        for (std::size_t i = 16; i < body.size(); ++i) body[i] = 0xFF;
        EXPECT_TRUE(is_numbers_only(sample.kind, body));
    }
}

TEST(NumbersOnly, IsFalseForAnyOtherLength) {
    for (const auto& sample : every_kind()) {
        if (!travels_toward_ot(sample.kind)) continue;
        const auto body = body_of(sample.message);
        for (std::size_t size = 0; size <= body.size() + 64; ++size) {
            auto resized = body;
            resized.resize(size);
            EXPECT_EQ(is_numbers_only(sample.kind, resized), size == body.size()) << size;
        }
    }
}

TEST(NumbersOnly, IsFalseForAnyOtherShape) {
    for (const auto& sample : every_kind()) {
        if (!travels_toward_ot(sample.kind)) continue;
        const auto body = body_of(sample.message);
        for (std::size_t bit = 0; bit < 128; ++bit) {  // segment table and root pointer
            auto altered = body;
            altered[bit / 8] = static_cast<std::uint8_t>(altered[bit / 8] ^ (1U << (bit % 8)));
            EXPECT_FALSE(is_numbers_only(sample.kind, altered)) << "bit " << bit;
        }
    }
}

TEST(NumbersOnly, IsFalseForAPointerInANumbersPlace) {
    auto body = body_of(encode(kSession, Ack{{1, 2, 3}, 4, 5}));
    // Four words of data and one pointer: the size is right, the shape is not.
    set_word(body, 1, (4ULL << 32U) | (1ULL << 48U));
    EXPECT_FALSE(is_numbers_only(FrameKind::ack, body));
}

TEST(NumbersOnly, IsFalseForAnyOtherKind) {
    const auto body = body_of(encode(kSession, Ack{{1, 2, 3}, 4, 5}));
    for (int kind = 0; kind < 256; ++kind) {
        const auto frame_kind = FrameKind{static_cast<std::uint8_t>(kind)};
        const bool same_shape = frame_kind == FrameKind::ack || frame_kind == FrameKind::resume;
        EXPECT_EQ(is_numbers_only(frame_kind, body), same_shape) << kind;
    }
}

TEST(NumbersOnly, HoldsForWhatTheSchemasDecodersAccept) {
    const auto resume = body_of(encode(kSession, Resume{1, {2, 3, 4}, 5}));
    ASSERT_TRUE(is_numbers_only(FrameKind::resume, resume));
    EXPECT_EQ(decode_resume(resume)->credit, 5U);
    const auto echo = body_of(encode(kSession, Echo{1, {2}}));
    ASSERT_TRUE(is_numbers_only(FrameKind::echo, echo));
    EXPECT_FALSE(is_numbers_only(FrameKind::ack, echo));
}

}  // namespace
}  // namespace sallyport::tunnel
