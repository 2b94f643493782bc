// What every payload begins with: which run and publisher sent it, its number, and when it was due.
// Host byte order: both ends are this process.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>

#include "common/base/bytes.hpp"

namespace sallyport::bench {

struct Stamp {
    std::uint64_t run = 0;  // tells leftovers of an earlier run from this one's messages
    std::uint64_t publisher = 0;
    std::uint64_t number = 0;
    std::int64_t due_ns = 0;  // CLOCK_MONOTONIC
};

constexpr std::size_t kStampBytes = sizeof(Stamp);
static_assert(kStampBytes == 32);

/// Over the first kStampBytes of `payload`, which has at least that many.
inline void write_stamp(base::Bytes& payload, const Stamp& stamp) {
    std::memcpy(payload.data(), &stamp, kStampBytes);
}

/// Nothing where the payload is too short to hold one.
inline std::optional<Stamp> read_stamp(base::ByteView payload) {
    if (payload.size() < kStampBytes) return std::nullopt;
    Stamp stamp;
    std::memcpy(&stamp, payload.data(), kStampBytes);
    return stamp;
}

}  // namespace sallyport::bench
