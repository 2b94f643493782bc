// Walks the intact entries of one segment through whatever piece of it is in memory. What is not an
// entry is searched, word by word, for the next one: the seeded checksum of an entry's header tells
// it from anything that merely looks like one.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>

#include "common/base/bytes.hpp"
#include "edge-agent/spool/entry_format.hpp"

namespace sallyport::spool {

constexpr std::size_t kReadChunkBytes = 1U << 20U;

class EntryScanner {
public:
    /// Supply the bytes from `offset` on; `length` of them, or fewer where the file ends there.
    struct NeedBytes {
        std::uint64_t offset = 0;
        std::size_t length = 0;
    };
    struct Found {
        EntryHeader header;
        std::uint64_t offset = 0;
        base::ByteView body, local;  // until the next supply()
    };
    struct End {};
    using Step = std::variant<NeedBytes, Found, End>;

    /// Begins at `offset`, a multiple of 8; looks at nothing from `limit` on. Where the seed is not
    /// known it begins with the segment's header: without that it finds nothing.
    EntryScanner(std::optional<std::uint64_t> seed, std::uint64_t offset, std::uint64_t limit)
        : seed_(seed), next_(seed ? offset : 0), limit_(limit) {}

    /// Entries come in rising order; one that does not rise is not an entry.
    Step next();
    void supply(std::uint64_t offset, base::Bytes bytes, std::size_t asked);
    /// More of the segment has been written.
    void set_limit(std::uint64_t limit) { limit_ = limit < file_end_ ? limit : file_end_; }

    std::optional<std::uint64_t> seed() const { return seed_; }
    /// Bytes other than zero lay between the last entry found and the place reached.
    bool met_garbage() const { return met_garbage_; }
    /// Behind the last entry found; where the search stands while bytes are needed.
    std::uint64_t offset() const { return next_; }
    /// The header at the place reached, where it is in memory.
    std::optional<EntryHeader> peek() const;

private:
    base::ByteView in_memory() const;  // from next_ on
    NeedBytes need(std::uint64_t length) const;
    /// What it waits for, or that there is nothing to find; nothing once the seed is known.
    std::optional<Step> read_header();

    std::optional<std::uint64_t> seed_;
    std::uint64_t next_;
    std::uint64_t limit_;
    std::uint64_t file_end_ = UINT64_MAX;  // known once the file has given fewer bytes than asked
    record::Seq last_seq_ = 0;
    bool met_garbage_ = false;
    std::uint64_t chunk_offset_ = 0;
    base::Bytes chunk_;
};

}  // namespace sallyport::spool
