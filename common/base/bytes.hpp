// Bytes as every room passes them: owned (`Bytes`) or borrowed (`ByteView`).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace sallyport::base {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;

/// The same memory seen as text; valid as long as `bytes` is.
inline std::string_view as_text(ByteView bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// The same memory seen as bytes; valid as long as `text` is.
inline ByteView as_bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

inline void append(Bytes& to, ByteView from) {
    to.insert(to.end(), from.begin(), from.end());
}

}  // namespace sallyport::base
