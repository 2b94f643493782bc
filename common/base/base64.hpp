// Base64 with padding (RFC 4648, section 4), for bytes that have to stand in JSON.
#pragma once

#include <string>

#include "common/base/bytes.hpp"

namespace sallyport::base {

void append_base64(std::string& out, ByteView bytes);

}  // namespace sallyport::base
