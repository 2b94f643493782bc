// Batches: what a spool entry and a Batch frame hold.
#include <set>

#include <gtest/gtest.h>

#include "common/tunnel/frame.hpp"
#include "tests/unit/tunnel/samples.hpp"

namespace sallyport::tunnel {
namespace {

using namespace samples;

void expect_same(const BatchRecord& a, const BatchRecord& b) {
    EXPECT_EQ(a.seq, b.seq);
    EXPECT_EQ(a.tag, b.tag);
    EXPECT_EQ(a.flags, b.flags);
    EXPECT_EQ(a.quality, b.quality);
    EXPECT_EQ(a.source_time, b.source_time);
    EXPECT_EQ(a.arrival_time, b.arrival_time);
    EXPECT_EQ(base::as_text(a.value), base::as_text(b.value));
    EXPECT_EQ(base::as_text(a.properties), base::as_text(b.properties));
    EXPECT_EQ(a.also_tags, b.also_tags);
}

FrameError error_of(base::ByteView body) {
    std::vector<BatchRecord> records;
    const auto head = decode_batch(body, records);
    EXPECT_FALSE(head);
    return head ? FrameError::misaligned : head.error();
}

TEST(Batch, KeepsEveryFieldOfEveryRecord) {
    const auto sent = three_records();
    const auto body = encode_batch({0xABCDEF, 100, 103, 0x1234}, sent);
    std::vector<BatchRecord> records(5);  // what was in it goes
    const auto head = decode_batch(body, records);
    ASSERT_TRUE(head);
    EXPECT_EQ(head->epoch, 0xABCDEFU);
    EXPECT_EQ(head->first, 100U);
    EXPECT_EQ(head->last, 103U);
    EXPECT_EQ(head->whole_checksum, 0x1234U);
    ASSERT_EQ(records.size(), sent.size());
    for (std::size_t i = 0; i < sent.size(); ++i) expect_same(records[i], sent[i]);
}

TEST(Batch, HeadAloneIsTheSameHead) {
    const auto head = decode_batch_head(encode_batch({9, 100, 103, 0x1234}, three_records()));
    ASSERT_TRUE(head);
    EXPECT_EQ(head->epoch, 9U);
    EXPECT_EQ(head->first, 100U);
    EXPECT_EQ(head->last, 103U);
    EXPECT_EQ(head->whole_checksum, 0x1234U);
}

TEST(Batch, SaysWhatIsAbsentAndWhy) {
    const std::vector<Absent> absent{{100, 100, AbsentReason::refused, {5}},
                                     {105, 107, AbsentReason::conflated, {-7}}};
    auto records = three_records();
    for (auto& record : records) ++record.seq;
    const auto body = encode_batch({9, 100, 107, 0x1234, absent}, records);
    std::vector<BatchRecord> read;
    const auto head = decode_batch(body, read);
    ASSERT_TRUE(head);
    EXPECT_EQ(head->absent, absent);
    EXPECT_EQ(decode_batch_head(body)->absent, absent);
}

TEST(Batch, WhatIsAbsentRisesAndIsNotThere) {
    const auto error = [](std::vector<Absent> absent) {
        return error_of(encode_batch({9, 100, 107, 1, std::move(absent)}, three_records()));
    };
    const auto why = AbsentReason::conflated;
    EXPECT_EQ(error({{100, 100, why, {}}}), FrameError::out_of_range) << "there is a record";
    EXPECT_EQ(error({{105, 104, why, {}}}), FrameError::out_of_range);
    EXPECT_EQ(error({{105, 108, why, {}}}), FrameError::out_of_range);
    EXPECT_EQ(error({{106, 106, why, {}}, {105, 105, why, {}}}), FrameError::out_of_range);
    EXPECT_EQ(error({{105, 106, why, {}}, {106, 107, why, {}}}), FrameError::out_of_range);
    EXPECT_EQ(error({{105, 105, AbsentReason{3}, {}}}), FrameError::out_of_range);
}

TEST(Batch, MayHaveLostAllItsRecords) {
    const auto body = encode_batch({9, 5, 8, 77}, {});
    std::vector<BatchRecord> records;
    ASSERT_TRUE(decode_batch(body, records));
    EXPECT_TRUE(records.empty());
}

TEST(Batch, HoldsTheMostRecordsThereMayBe) {
    std::vector<BatchRecord> sent;
    for (record::Seq seq = 1; seq <= kBatchRecordsMax; ++seq) sent.push_back(record(seq, 1));
    const auto body = encode_batch({9, 1, kBatchRecordsMax}, sent);
    std::vector<BatchRecord> records;
    ASSERT_TRUE(decode_batch(body, records));
    ASSERT_EQ(records.size(), kBatchRecordsMax);
    EXPECT_EQ(records.back().seq, kBatchRecordsMax);
}

TEST(Batch, HoldsTheLargestValue) {
    const std::string packet(2U << 20U, 'v');
    const auto body = encode_batch({9, 1, 1}, std::vector{record(1, 1, packet)});
    const auto message = encode_frame(kSession, FrameKind::batch, body);
    ASSERT_LE(message.size(), kFrameBytesMax);
    const auto frame = decode_frame(message);
    ASSERT_TRUE(frame);
    std::vector<BatchRecord> records;
    ASSERT_TRUE(decode_batch(frame->body, records));
    EXPECT_EQ(base::as_text(records.front().value), packet);
}

TEST(Batch, ValuesBorrowFromTheBody) {
    const auto body = encode_batch({9, 1, 1}, std::vector{record(1, 1, "12345678")});
    std::vector<BatchRecord> records;
    ASSERT_TRUE(decode_batch(body, records));
    EXPECT_GE(records[0].value.data(), body.data());
    EXPECT_LE(records[0].value.data() + 8, body.data() + body.size());
}

TEST(Batch, RefusesSeqsThatDoNotRise) {
    EXPECT_EQ(error_of(encode_batch({9, 1, 3}, std::vector{record(2, 1), record(1, 1)})),
              FrameError::out_of_range);
    EXPECT_EQ(error_of(encode_batch({9, 1, 3}, std::vector{record(2, 1), record(2, 1)})),
              FrameError::out_of_range);
    EXPECT_EQ(
        error_of(encode_batch({9, 1, 3}, std::vector{record(1, 1), record(3, 1), record(2, 1)})),
        FrameError::out_of_range);
}

TEST(Batch, RefusesSeqsOutsideItsRange) {
    EXPECT_EQ(error_of(encode_batch({9, 10, 12}, std::vector{record(13, 1)})),
              FrameError::out_of_range);
    // One before the first: as an offset, the greatest.
    EXPECT_EQ(error_of(encode_batch({9, 10, 12}, std::vector{record(9, 1)})),
              FrameError::out_of_range);
}

constexpr std::size_t kEpochAt = 2, kFirstAt = 3, kLastAt = 4;  // words of a flat batch

struct HeadRow {
    std::size_t at;
    std::uint64_t value;
    const char* what;
};

TEST(Batch, RefusesHeadsOutsideTheirRange) {
    constexpr HeadRow kRows[] = {
        {kEpochAt, 0, "epoch 0"},
        {kFirstAt, 0, "first 0"},
        {kFirstAt, 13, "last before first"},
        {kLastAt, 0, "last 0"},
        {kLastAt, 10 + kBatchRecordsMax, "one seq too many"},
        {kLastAt, ~0ULL, "all the seqs there are"},
        {kFirstAt, ~0ULL, "first behind everything"},
    };
    std::vector<BatchRecord> records;
    for (const auto& row : kRows) {
        auto body = encode_batch({9, 10, 12}, std::vector{record(10, 1)});
        ASSERT_EQ(word(body, kEpochAt), 9U);
        ASSERT_EQ(word(body, kFirstAt), 10U);
        ASSERT_EQ(word(body, kLastAt), 12U);
        set_word(body, row.at, row.value);
        EXPECT_EQ(error_of(body), FrameError::out_of_range) << row.what;
        EXPECT_EQ(decode_batch_head(body).error(), FrameError::out_of_range) << row.what;
    }
}

TEST(Batch, SpansTheMostSeqsThereMayBe) {
    auto body = encode_batch({9, 10, 12}, std::vector{record(10, 1)});
    set_word(body, kLastAt, 10 + kBatchRecordsMax - 1);
    EXPECT_TRUE(decode_batch_head(body));
}

/// Table, root pointer, four words of data, two list pointers (the second is none), tag word, then
/// the records: as the encoder lays it out, but with one record too many.
TEST(Batch, RefusesTooManyRecords) {
    constexpr std::uint64_t kWordsEach = 7;
    constexpr std::uint64_t kCount = kBatchRecordsMax + 1;
    const auto like = encode_batch({9, 1, kBatchRecordsMax}, std::vector{record(1, 1)});
    base::Bytes body((9 + kCount * kWordsEach) * 8);
    for (std::size_t at = 1; at < 6; ++at) set_word(body, at, word(like, at));
    set_word(body, 0, (8 + kCount * kWordsEach) << 32U);
    set_word(body, 6, 1U | (1U << 2U) | (kCount * kWordsEach << 35U) | (7ULL << 32U));
    set_word(body, 8, (kCount << 2U) | (word(like, 8) >> 32U << 32U));
    EXPECT_EQ(decode_batch_head(body).error(), FrameError::out_of_range);
    EXPECT_EQ(error_of(body), FrameError::out_of_range);
    set_word(body, 8, ((kCount - 1) << 2U) | (word(like, 8) >> 32U << 32U));
    EXPECT_TRUE(decode_batch_head(body));  // shows that it was the count
}

TEST(BatchChecksum, DiffersByEpochAndByEveryBit) {
    auto body = encode_batch({9, 1, 1}, std::vector{record(1, 1)});
    const auto checksum = batch_checksum(9, body);
    EXPECT_EQ(batch_checksum(9, copy_of(body)), checksum);
    std::set<std::uint64_t> seen{checksum};
    for (record::Epoch epoch = 10; epoch < 100; ++epoch)
        EXPECT_TRUE(seen.insert(batch_checksum(epoch, body)).second);
    for (std::size_t bit = 0; bit < body.size() * 8; ++bit) {
        body[bit / 8] = static_cast<std::uint8_t>(body[bit / 8] ^ (1U << (bit % 8)));
        EXPECT_TRUE(seen.insert(batch_checksum(9, body)).second) << bit;
        body[bit / 8] = static_cast<std::uint8_t>(body[bit / 8] ^ (1U << (bit % 8)));
    }
    EXPECT_EQ(batch_checksum(9, body), checksum);
}

TEST(BatchChecksum, DiffersByEpochAtEveryLength) {
    for (std::size_t size = 0; size < 600; size += 8) {
        const base::Bytes body(size, 0x5A);
        EXPECT_NE(batch_checksum(1, body), batch_checksum(2, body)) << size;
    }
}

}  // namespace
}  // namespace sallyport::tunnel
