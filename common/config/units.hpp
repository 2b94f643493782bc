// Durations and sizes as configuration files write them: a whole number and a unit, nothing
// between.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/time.hpp"

namespace sallyport::config {

/// "500ms", "2s", "1m", "2h", "7d". Nothing for another form or what does not fit in nanoseconds.
std::optional<base::Duration> parse_duration(std::string_view text);
/// The largest unit that leaves a whole number: 120 s is "2m".
std::string format_duration(base::Duration duration);

/// "1000B", "32KiB", "64MiB", "8GiB", "1TiB" in bytes. Nothing for another form or more than 64
/// bits.
std::optional<std::uint64_t> parse_size(std::string_view text);
std::string format_size(std::uint64_t bytes);

}  // namespace sallyport::config
