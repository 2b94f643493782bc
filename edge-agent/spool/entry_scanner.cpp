#include "edge-agent/spool/entry_scanner.hpp"

#include <algorithm>

#include "common/base/assert.hpp"
#include "common/base/mutants.hpp"

namespace sallyport::spool {

base::ByteView EntryScanner::in_memory() const {
    if (next_ < chunk_offset_ || next_ >= chunk_offset_ + chunk_.size()) return {};
    const auto rest = base::ByteView(chunk_).subspan(next_ - chunk_offset_);
    return rest.first(std::min<std::uint64_t>(rest.size(), limit_ - next_));
}

EntryScanner::NeedBytes EntryScanner::need(std::uint64_t length) const {
    const auto wanted = std::max<std::uint64_t>(length, kReadChunkBytes);
    return {next_, static_cast<std::size_t>(std::min(wanted, limit_ - next_))};
}

std::optional<EntryHeader> EntryScanner::peek() const {
    if (next_ >= limit_ || !seed_) return std::nullopt;
    return decode_entry_header(in_memory(), *seed_);
}

std::optional<EntryScanner::Step> EntryScanner::read_header() {
    if (seed_) return std::nullopt;
    if (limit_ < kSegmentHeaderBytes) return End{};
    const auto page = in_memory();
    if (page.size() < kSegmentHeaderBytes) return NeedBytes{0, kSegmentHeaderBytes};
    const auto header = decode_segment_header(page);
    if (!header) return End{};
    seed_ = header->seed;
    next_ = kSegmentHeaderBytes;
    return std::nullopt;
}

EntryScanner::Step EntryScanner::next() {
    if (auto step = read_header()) return *step;
    for (; next_ + kEntryHeaderBytes <= limit_; next_ += 8) {
        const auto bytes = in_memory();
        if (bytes.size() < kEntryHeaderBytes) return need(kEntryHeaderBytes);
        const auto header = decode_entry_header(bytes, *seed_);
        const bool fits = header && header->size() <= limit_ - next_;
        if (fits && header->first > last_seq_) {
            if (bytes.size() < header->size()) return need(header->size());
            const auto payload = bytes.subspan(kEntryHeaderBytes, header->payload_bytes());
            if (is_intact(*header, payload, *seed_) ||
                base::mutant(base::Mutant::entry_checksum_unread)) {
                Found found{*header, next_, payload.first(header->body_bytes),
                            payload.subspan(header->body_bytes)};
                next_ += header->size();
                last_seq_ = header->last;
                met_garbage_ = false;
                return found;
            }
        }
        met_garbage_ = met_garbage_ || !is_zero(bytes.first(8));
        // A sound header's lengths can be trusted: the search goes on behind the entry.
        if (fits) next_ += header->size() - 8;
    }
    return End{};
}

void EntryScanner::supply(std::uint64_t offset, base::Bytes bytes, std::size_t asked) {
    SALLYPORT_ASSERT(offset % 8 == 0);
    if (bytes.size() < asked) file_end_ = offset + bytes.size();
    set_limit(limit_);
    chunk_offset_ = offset;
    chunk_ = std::move(bytes);
}

}  // namespace sallyport::spool
