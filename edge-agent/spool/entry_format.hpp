// The one owner of the spool's disk format (README.md, "Format"): segment names, segment headers,
// entry headers, local parts. Numbers are little-endian; every offset and length is a multiple
// of 8.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/bytes.hpp"
#include "common/base/time.hpp"
#include "common/record/record.hpp"
#include "edge-agent/spool/disk.hpp"

namespace sallyport::spool {

constexpr std::uint32_t kFormatVersion = 1;
constexpr std::size_t kSegmentHeaderBytes = 4096;  // the page in front of the first entry
constexpr std::size_t kEntryHeaderBytes = 56;
constexpr std::size_t kEdgeNameBytesMax = 127;
/// A record takes at least this much of a segment, so a segment of n bytes holds at most n / 56
/// seqs.
constexpr std::size_t kRecordBytesMin = 56;
/// Seqs from here up are refused as damage: no log counts so far.
constexpr record::Seq kSeqEnd = 1ULL << 62U;

/// Length rounded up to whole words.
constexpr std::size_t padded(std::size_t bytes) {
    return (bytes + 7U) & ~std::size_t{7};
}

/// What stands in a segment's name: no two have the same ordinal.
struct SegmentName {
    record::Seq first = 0;
    record::Epoch epoch = 0;
    std::uint64_t ordinal = 0;
};
std::string to_string(const SegmentName& name);
std::optional<SegmentName> parse_segment_name(std::string_view text);
/// What a tail that is being rewritten is called until it is whole.
std::string unfinished_name(const SegmentName& name);
bool is_unfinished_name(std::string_view text);

struct SegmentHeader {
    std::string edge;           // for people; cut at kEdgeNameBytesMax
    record::Epoch epoch = 0;    // of every entry in the segment
    record::Seq first = 0;      // of its first entry
    std::uint64_t ordinal = 0;  // rises with every segment the log ever had
    std::uint64_t seed = 0;     // of the checksums of its entries
};
/// The header page.
base::Bytes encode(const SegmentHeader& header);
/// Nothing where the page is not a whole header of kFormatVersion.
std::optional<SegmentHeader> decode_segment_header(base::ByteView page);
/// The seed of one segment, from the random seed of the start that makes it.
std::uint64_t segment_seed(std::uint64_t start_seed, std::uint64_t ordinal);
bool is_zero(base::ByteView bytes);

struct EntryHeader {
    std::uint16_t records = 0;
    std::uint32_t body_bytes = 0;  // multiples of 8
    std::uint32_t local_bytes = 0;
    record::Seq first = 0, last = 0;
    base::WallTime first_arrival;  // of its first record
    std::uint64_t checksum = 0;    // of body and local part

    std::uint64_t payload_bytes() const { return std::uint64_t{body_bytes} + local_bytes; }
    std::uint64_t size() const { return kEntryHeaderBytes + payload_bytes(); }
};
/// Appends the entry; lengths and checksums are filled in here. `body` and `local` are whole words.
void append_entry(base::Bytes& to, std::uint64_t seed, EntryHeader header, base::ByteView body,
                  base::ByteView local);
/// Reads the header at the start of `bytes`. Nothing where it is not one of this seed.
std::optional<EntryHeader> decode_entry_header(base::ByteView bytes, std::uint64_t seed);
/// `payload`: body and local part.
bool is_intact(const EntryHeader& header, base::ByteView payload, std::uint64_t seed);

/// What a receipt takes of a local part.
constexpr std::size_t kReceiptBytes = 31;

/// The local part: sections of the log's own, never sent. Empty where there is nothing to say.
struct LocalPart {
    std::vector<record::Tag> new_tags;
    std::vector<Receipt> receipts;
};
base::Bytes encode_local(std::span<const record::Tag> new_tags, std::span<const Receipt> receipts);
/// Adds to `part`; sections it does not know are passed over. False: not a local part.
bool decode_local(base::ByteView local, LocalPart& part);
/// A receipt's three truths as one number, and back.
std::uint8_t flags_of(const Receipt& receipt);
void set_flags(Receipt& receipt, std::uint8_t flags);

}  // namespace sallyport::spool
