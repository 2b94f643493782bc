// The times that payloads carry, as text (RFC 3339) or as numbers since 1970, to the nanosecond.
#pragma once

#include <optional>
#include <string_view>

#include "common/base/time.hpp"

namespace sallyport::ingest {

enum class TimeFormat {
    automatic,  // texts as iso, numbers by their size: seconds below 10^11, ms below 10^14, µs
                // below 10^17, else ns
    iso,
    s,
    ms,
    us,
    ns,
};

/// RFC 3339: "2026-01-02T03:04:05.678Z", "2026-01-02 04:04:05+01:00". A fraction may have any
/// number of digits, those beyond ns are cut off. The 60th second of a leap second, which only
/// 23:59 UTC has, is the second that follows. Nothing for another form, for one without an offset,
/// and for what 64 bits of ns do not hold (before 1677, after 2262).
std::optional<base::WallTime> parse_rfc3339(std::string_view text);

/// A JSON number ("1700000000.25", "1.7e12") in the unit of `format`, digit by digit, so that no
/// floating point rounds it. Nothing for `iso` and for what 64 bits of ns do not hold.
std::optional<base::WallTime> parse_time_number(std::string_view number, TimeFormat format);

}  // namespace sallyport::ingest
