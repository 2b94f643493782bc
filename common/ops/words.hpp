// Numbers as people say them: on a page that is read at night, not parsed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/time.hpp"

namespace sallyport::ops {

/// "0.4 s", "6 s", "3 min 20 s", "2 h 5 min", "3 d 4 h".
std::string in_words(base::Duration time);
/// "412,000"
std::string with_commas(std::uint64_t number);
/// "1 client", "412,000 clients"
std::string counted(std::uint64_t number, std::string_view thing);
/// "912 bytes", "1.2 GiB"
std::string bytes_in_words(std::uint64_t bytes);
/// "38,000/s"; below ten with a decimal.
std::string rate_in_words(double per_second);
/// UTC: "03:12:44", with its date in front where that is not the day of `now`.
std::string clock_in_words(base::WallTime at, base::WallTime now);

}  // namespace sallyport::ops
