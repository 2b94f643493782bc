#include "edge-agent/spool/entry_format.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>

#include <xxhash.h>

#include "common/base/assert.hpp"

namespace sallyport::spool {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are copied as they lie");

constexpr std::uint64_t kSegmentMagic = 0x31474F4C594C4153;  // "SALYLOG1"
constexpr std::uint32_t kEntryMagic = 0xE5A1'10E5;
constexpr std::size_t kHeaderSectorBytes = 512;  // the header lies within one sector: never torn
constexpr std::size_t kHeaderChecksumAt = kHeaderSectorBytes - 8;
constexpr std::size_t kEntryChecksumAt = kEntryHeaderBytes - 8;
constexpr std::size_t kHexDigits = 16;
constexpr std::string_view kSuffix = ".log";
constexpr std::string_view kUnfinishedSuffix = ".unfinished";

enum class Section : std::uint16_t { tags = 1, receipts = 2 };

template <class T>
void put(std::uint8_t* to, T value) {
    std::memcpy(to, &value, sizeof value);
}
template <class T>
T get(const std::uint8_t* from) {
    T value;
    std::memcpy(&value, from, sizeof value);
    return value;
}
template <class T>
void push(base::Bytes& to, T value) {
    to.resize(to.size() + sizeof value);
    put(to.data() + to.size() - sizeof value, value);
}

std::string hex(std::uint64_t value) {
    std::string text(kHexDigits, '0');
    for (auto at = text.rbegin(); at != text.rend(); ++at, value >>= 4U)
        *at = "0123456789abcdef"[value & 0xFU];
    return text;
}
std::optional<std::uint64_t> parse_hex(std::string_view text) {
    std::uint64_t value = 0;
    if (text.size() != kHexDigits) return std::nullopt;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

}  // namespace

std::string to_string(const SegmentName& name) {
    return hex(name.first) + '-' + hex(name.epoch) + '-' + hex(name.ordinal) + std::string(kSuffix);
}
std::string unfinished_name(const SegmentName& name) {
    return to_string(name) + std::string(kUnfinishedSuffix);
}
bool is_unfinished_name(std::string_view text) {
    if (!text.ends_with(kUnfinishedSuffix)) return false;
    text.remove_suffix(kUnfinishedSuffix.size());
    return parse_segment_name(text).has_value();
}

std::optional<SegmentName> parse_segment_name(std::string_view text) {
    if (!text.ends_with(kSuffix)) return std::nullopt;
    text.remove_suffix(kSuffix.size());
    // An earlier version named the ordinal only where it had to.
    const bool has_ordinal = text.size() == 3 * kHexDigits + 2;
    if (!has_ordinal && text.size() != 2 * kHexDigits + 1) return std::nullopt;
    if (text[kHexDigits] != '-' || (has_ordinal && text[2 * kHexDigits + 1] != '-'))
        return std::nullopt;
    const auto first = parse_hex(text.substr(0, kHexDigits));
    const auto epoch = parse_hex(text.substr(kHexDigits + 1, kHexDigits));
    const auto ordinal =
        has_ordinal ? parse_hex(text.substr(2 * kHexDigits + 2)) : std::optional<std::uint64_t>(0);
    if (!first || !epoch || !ordinal) return std::nullopt;
    return SegmentName{*first, *epoch, *ordinal};
}

base::Bytes encode(const SegmentHeader& header) {
    base::Bytes page(kSegmentHeaderBytes);
    const auto name_bytes = std::min(header.edge.size(), kEdgeNameBytesMax);
    put(page.data(), kSegmentMagic);
    put(page.data() + 8, kFormatVersion);
    put(page.data() + 12, static_cast<std::uint32_t>(kSegmentHeaderBytes));
    put(page.data() + 16, header.epoch);
    put(page.data() + 24, header.first);
    put(page.data() + 32, header.ordinal);
    put(page.data() + 40, header.seed);
    put(page.data() + 48, static_cast<std::uint64_t>(name_bytes));
    std::copy_n(header.edge.begin(), name_bytes, page.begin() + 56);
    put(page.data() + kHeaderChecksumAt,
        static_cast<std::uint64_t>(XXH3_64bits(page.data(), kHeaderChecksumAt)));
    return page;
}

std::optional<SegmentHeader> decode_segment_header(base::ByteView page) {
    if (page.size() < kSegmentHeaderBytes) return std::nullopt;
    const auto* at = page.data();
    if (get<std::uint64_t>(at) != kSegmentMagic) return std::nullopt;
    if (get<std::uint64_t>(at + kHeaderChecksumAt) != XXH3_64bits(at, kHeaderChecksumAt))
        return std::nullopt;
    if (get<std::uint32_t>(at + 8) != kFormatVersion ||
        get<std::uint32_t>(at + 12) != kSegmentHeaderBytes)
        return std::nullopt;
    const auto name_bytes = get<std::uint64_t>(at + 48);
    SegmentHeader header;
    header.epoch = get<std::uint64_t>(at + 16);
    header.first = get<std::uint64_t>(at + 24);
    header.ordinal = get<std::uint64_t>(at + 32);
    header.seed = get<std::uint64_t>(at + 40);
    if (name_bytes > kEdgeNameBytesMax || header.epoch == 0 || header.first == 0 ||
        header.first >= kSeqEnd || header.ordinal >= kSeqEnd)
        return std::nullopt;
    header.edge = base::as_text(page.subspan(56, name_bytes));
    return header;
}

std::uint64_t segment_seed(std::uint64_t start_seed, std::uint64_t ordinal) {
    return XXH3_64bits_withSeed(&ordinal, sizeof ordinal, start_seed);
}

bool is_zero(base::ByteView bytes) {
    return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

void append_entry(base::Bytes& to, std::uint64_t seed, EntryHeader header, base::ByteView body,
                  base::ByteView local) {
    SALLYPORT_ASSERT(body.size() % 8 == 0 && local.size() % 8 == 0 && to.size() % 8 == 0);
    SALLYPORT_ASSERT(body.size() < UINT32_MAX && local.size() < UINT32_MAX);
    const auto start = to.size();
    to.resize(start + kEntryHeaderBytes);
    base::append(to, body);
    base::append(to, local);
    auto* at = to.data() + start;
    put(at, kEntryMagic);
    put(at + 4, std::uint16_t{0});  // flags
    put(at + 6, header.records);
    put(at + 8, static_cast<std::uint32_t>(body.size()));
    put(at + 12, static_cast<std::uint32_t>(local.size()));
    put(at + 16, header.first);
    put(at + 24, header.last);
    put(at + 32, header.first_arrival.ns);
    put(at + 40, static_cast<std::uint64_t>(XXH3_64bits_withSeed(
                     at + kEntryHeaderBytes, body.size() + local.size(), seed)));
    put(at + kEntryChecksumAt,
        static_cast<std::uint64_t>(XXH3_64bits_withSeed(at, kEntryChecksumAt, seed)));
}

std::optional<EntryHeader> decode_entry_header(base::ByteView bytes, std::uint64_t seed) {
    if (bytes.size() < kEntryHeaderBytes) return std::nullopt;
    const auto* at = bytes.data();
    if (get<std::uint32_t>(at) != kEntryMagic) return std::nullopt;
    if (get<std::uint64_t>(at + kEntryChecksumAt) !=
        XXH3_64bits_withSeed(at, kEntryChecksumAt, seed))
        return std::nullopt;
    EntryHeader header;
    header.records = get<std::uint16_t>(at + 6);
    header.body_bytes = get<std::uint32_t>(at + 8);
    header.local_bytes = get<std::uint32_t>(at + 12);
    header.first = get<std::uint64_t>(at + 16);
    header.last = get<std::uint64_t>(at + 24);
    header.first_arrival.ns = get<std::int64_t>(at + 32);
    header.checksum = get<std::uint64_t>(at + 40);
    const bool sound = header.body_bytes % 8 == 0 && header.local_bytes % 8 == 0 &&
                       header.first != 0 && header.last >= header.first && header.last < kSeqEnd;
    if (!sound) return std::nullopt;
    return header;
}

bool is_intact(const EntryHeader& header, base::ByteView payload, std::uint64_t seed) {
    return payload.size() == header.payload_bytes() &&
           XXH3_64bits_withSeed(payload.data(), payload.size(), seed) == header.checksum;
}

namespace {

/// Gives where the section begins, for end_section().
std::size_t begin_section(base::Bytes& local, Section kind, std::size_t count) {
    const auto start = local.size();
    push(local, kind);
    push(local, std::uint16_t{0});
    push(local, std::uint32_t{0});  // length of its content, set at its end
    push(local, static_cast<std::uint32_t>(count));
    return start;
}

void end_section(base::Bytes& local, std::size_t start) {
    put(local.data() + start + 4, static_cast<std::uint32_t>(local.size() - start - 8));
    local.resize(padded(local.size()));
}

}  // namespace

std::uint8_t flags_of(const Receipt& receipt) {
    return static_cast<std::uint8_t>((receipt.is_exactly_once ? 1U : 0U) |
                                     (receipt.awaits_delivery ? 2U : 0U) |
                                     (receipt.left_out ? 4U : 0U));
}

void set_flags(Receipt& receipt, std::uint8_t flags) {
    receipt.is_exactly_once = (flags & 1U) != 0;
    receipt.awaits_delivery = (flags & 2U) != 0;
    receipt.left_out = (flags & 4U) != 0;
}

base::Bytes encode_local(std::span<const record::Tag> new_tags, std::span<const Receipt> receipts) {
    base::Bytes local;
    if (!new_tags.empty()) {
        const auto start = begin_section(local, Section::tags, new_tags.size());
        for (const auto& tag : new_tags) {
            SALLYPORT_ASSERT(tag.topic.size() <= UINT16_MAX);
            push(local, tag.id);
            push(local, static_cast<std::uint16_t>(tag.topic.size()));
            base::append(local, base::as_bytes(tag.topic));
        }
        end_section(local, start);
    }
    if (!receipts.empty()) {
        const auto start = begin_section(local, Section::receipts, receipts.size());
        for (const auto& receipt : receipts) {
            push(local, receipt.seq);
            push(local, receipt.session);
            push(local, receipt.packet_id);
            push(local, flags_of(receipt));
            push(local, receipt.tag);
            push(local, receipt.digest);
        }
        end_section(local, start);
    }
    return local;
}

namespace {

bool decode_tags(base::ByteView content, std::vector<record::Tag>& tags) {
    if (content.size() < 4) return false;
    auto count = get<std::uint32_t>(content.data());
    content = content.subspan(4);
    for (; count > 0; --count) {
        if (content.size() < 6) return false;
        const auto id = get<std::uint32_t>(content.data());
        const std::size_t length = get<std::uint16_t>(content.data() + 4);
        if (content.size() < 6 + length) return false;
        tags.push_back({id, std::string(base::as_text(content.subspan(6, length)))});
        content = content.subspan(6 + length);
    }
    return true;
}

bool decode_receipts(base::ByteView content, std::vector<Receipt>& receipts) {
    if (content.size() < 4) return false;
    auto count = get<std::uint32_t>(content.data());
    content = content.subspan(4);
    for (; count > 0; --count, content = content.subspan(kReceiptBytes)) {
        if (content.size() < kReceiptBytes) return false;
        const auto* at = content.data();
        auto& receipt = receipts.emplace_back();
        receipt.seq = get<std::uint64_t>(at);
        receipt.session = get<std::uint64_t>(at + 8);
        receipt.packet_id = get<std::uint16_t>(at + 16);
        set_flags(receipt, get<std::uint8_t>(at + 18));
        receipt.tag = get<std::uint32_t>(at + 19);
        receipt.digest = get<std::uint64_t>(at + 23);
    }
    return true;
}

}  // namespace

bool decode_local(base::ByteView local, LocalPart& part) {
    while (!local.empty()) {
        if (local.size() < 8) return false;
        const auto kind = get<Section>(local.data());
        const std::size_t length = get<std::uint32_t>(local.data() + 4);
        if (local.size() < 8 + padded(length)) return false;
        const auto content = local.subspan(8, length);
        if (kind == Section::tags && !decode_tags(content, part.new_tags)) return false;
        if (kind == Section::receipts && !decode_receipts(content, part.receipts)) return false;
        local = local.subspan(8 + padded(length));
    }
    return true;
}

}  // namespace sallyport::spool
