#include "edge-agent/spool/entry_format.hpp"

#include <gtest/gtest.h>

namespace sallyport::spool {
namespace {

TEST(SegmentName, IsReadBackAsWritten) {
    const SegmentName plain{0x1234, 0xABCDEF, 0x10};
    EXPECT_EQ(to_string(plain), "0000000000001234-0000000000abcdef-0000000000000010.log");
    for (const auto& name : {plain, SegmentName{1, UINT64_MAX, 7}}) {
        const auto read = parse_segment_name(to_string(name));
        ASSERT_TRUE(read);
        EXPECT_EQ(read->first, name.first);
        EXPECT_EQ(read->epoch, name.epoch);
        EXPECT_EQ(read->ordinal, name.ordinal);
        EXPECT_TRUE(is_unfinished_name(unfinished_name(name)));
        EXPECT_FALSE(parse_segment_name(unfinished_name(name)));
    }
}

TEST(SegmentName, MayHaveNoOrdinal) {
    const auto name = parse_segment_name("0000000000001234-0000000000abcdef.log");
    ASSERT_TRUE(name);
    EXPECT_EQ(name->first, 0x1234U);
    EXPECT_EQ(name->epoch, 0xABCDEFU);
    EXPECT_EQ(name->ordinal, 0U);
}

TEST(SegmentName, RefusesEverythingElse) {
    for (const auto* text : {"", ".log", "state.db", "0000000000001234-0000000000abcdef",
                             "000000000000123g-0000000000abcdef-0000000000000001.log",
                             "0000000000001234_0000000000abcdef-0000000000000001.log",
                             "0000000000001234-0000000000abcdef-0000000000000001.log.damaged",
                             "0000000000001234-0000000000abcdef_0000000000000001.log",
                             "+000000000001234-0000000000abcdef-0000000000000001.log"})
        EXPECT_FALSE(parse_segment_name(text)) << text;
}

TEST(SegmentHeader, IsReadBackAsWritten) {
    const auto page = encode(SegmentHeader{"acme/line3", 7, 8, 9, 10});
    ASSERT_EQ(page.size(), kSegmentHeaderBytes);
    const auto header = decode_segment_header(page);
    ASSERT_TRUE(header);
    EXPECT_EQ(header->edge, "acme/line3");
    EXPECT_EQ(header->epoch, 7U);
    EXPECT_EQ(header->first, 8U);
    EXPECT_EQ(header->ordinal, 9U);
    EXPECT_EQ(header->seed, 10U);
}

TEST(SegmentHeader, IsRefusedWithAnyBitChanged) {
    const auto page = encode(SegmentHeader{"acme/line3", 7, 8, 9, 10});
    for (std::size_t bit = 0; bit < std::size_t{512} * 8; ++bit) {
        auto changed = page;
        changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ (1U << (bit % 8)));
        EXPECT_FALSE(decode_segment_header(changed)) << bit;
    }
    EXPECT_FALSE(decode_segment_header(base::ByteView(page).first(100)));
}

TEST(EntryHeader, IsRefusedWithAnotherSeed) {
    base::Bytes bytes;
    EntryHeader header;
    header.first = 5;
    header.last = 6;
    header.records = 2;
    header.first_arrival.ns = -3;
    const base::Bytes body(16, 1);
    const base::Bytes local(8, 2);
    append_entry(bytes, 99, header, body, local);
    const auto read = decode_entry_header(bytes, 99);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->size(), bytes.size());
    EXPECT_EQ(read->first_arrival.ns, -3);
    EXPECT_TRUE(is_intact(*read, base::ByteView(bytes).subspan(kEntryHeaderBytes), 99));
    EXPECT_FALSE(is_intact(*read, base::ByteView(bytes).subspan(kEntryHeaderBytes), 98));
    EXPECT_FALSE(decode_entry_header(bytes, 98));
}

TEST(LocalPart, PassesOverSectionsItDoesNotKnow) {
    const std::vector<record::Tag> tags{{1, "a/b"}, {70000, "plant/line/3"}};
    const std::vector<Receipt> receipts{{7, 0xFFFF'0000'FFFF'0001, 65'535},
                                        {9, 2, 1, false, true, true, 70000, 0xFEDC'BA98'7654'3210}};
    auto local = encode_local(tags, receipts);
    base::Bytes unknown{9, 0, 0, 0, 3, 0, 0, 0, 'x', 'y', 'z', 0, 0, 0, 0, 0};
    base::append(unknown, local);
    LocalPart read;
    ASSERT_TRUE(decode_local(unknown, read));
    ASSERT_EQ(read.new_tags.size(), 2U);
    EXPECT_EQ(read.new_tags[0].topic, "a/b");
    EXPECT_EQ(read.new_tags[1].id, 70000U);
    EXPECT_EQ(read.new_tags[1].topic, "plant/line/3");
    EXPECT_EQ(read.receipts, receipts);
    EXPECT_TRUE(encode_local({}, {}).empty());
}

TEST(LocalPart, RefusesLengthsThatReachTooFar) {
    const auto tags = encode_local(std::vector<record::Tag>{{1, "a/b"}}, {});
    const auto receipts = encode_local({}, std::vector<Receipt>{{7, 8, 9}});
    LocalPart read;
    const auto refuses = [&](base::Bytes local, std::size_t at) {
        local[at] = 0xFF;
        return !decode_local(local, read);
    };
    for (const std::size_t at : {4U, 8U, 16U}) EXPECT_TRUE(refuses(tags, at)) << at;
    for (const std::size_t at : {4U, 8U}) EXPECT_TRUE(refuses(receipts, at)) << at;
}

}  // namespace
}  // namespace sallyport::spool
