// JSON as indented "key: value" lines, for people at a terminal.
#pragma once

#include <string>
#include <string_view>

namespace sallyport::ops {

/// Objects are indented, lists of plain values stand on one line, lists of objects one after
/// another behind "- ". Control characters in texts are escaped, for they may come from a peer.
/// Text that is not JSON comes back as it is, escaped likewise.
std::string json_as_text(std::string_view json);

}  // namespace sallyport::ops
