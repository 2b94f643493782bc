// Text from elsewhere (peers, files, operators) made fit for one line of a log or a terminal.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sallyport::ops {

constexpr std::size_t kEscapedBytesMax = 256;

/// Printable ASCII as it is, but " and \ behind a backslash; every other byte as \xNN. At most
/// `bytes_max` bytes come out, and "..." tells where more was cut off.
std::string escape(std::string_view text, std::size_t bytes_max = kEscapedBytesMax);

/// A whole log line: control characters and DEL as \xNN, all else as it is, whatever its length.
std::string one_line(std::string_view text);

}  // namespace sallyport::ops
