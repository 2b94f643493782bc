// Two clocks that must not be confused: `Instant` (monotonic, for deadlines and ages) and
// `WallTime` (UTC, for what people and other systems read). Cores get both as an argument, `Now`.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>

namespace sallyport::base {

using Duration = std::chrono::nanoseconds;
using namespace std::chrono_literals;

/// A point on the process's monotonic clock, ns since an arbitrary start.
struct Instant {
    Duration since_start{};

    friend auto operator<=>(const Instant&, const Instant&) = default;
    friend Instant operator+(Instant at, Duration by) { return {at.since_start + by}; }
    friend Instant operator-(Instant at, Duration by) { return {at.since_start - by}; }
    friend Duration operator-(Instant a, Instant b) { return a.since_start - b.since_start; }
};

/// UTC, ns since 1970-01-01T00:00:00Z.
struct WallTime {
    std::int64_t ns = 0;

    friend auto operator<=>(const WallTime&, const WallTime&) = default;
    friend WallTime operator+(WallTime at, Duration by) { return {at.ns + by.count()}; }
    friend Duration operator-(WallTime a, WallTime b) { return Duration{a.ns - b.ns}; }
};

struct Now {
    Instant instant;
    WallTime wall;
};

/// The earlier of two deadlines, where nothing means never.
inline std::optional<Instant> earlier(std::optional<Instant> a, std::optional<Instant> b) {
    if (!a) return b;
    if (!b) return a;
    return *a < *b ? a : b;
}

/// RFC 3339 in UTC with nine digits of a second: "2026-01-02T03:04:05.000000006Z".
std::string to_rfc3339(WallTime time);

}  // namespace sallyport::base
