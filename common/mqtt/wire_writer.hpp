// Writes the field types of section 1.5 at the end of `out`. The caller has asserted the lengths.
#pragma once

#include "common/base/assert.hpp"
#include "common/mqtt/packet.hpp"

namespace sallyport::mqtt {

constexpr std::size_t kBinaryBytesMax = 65'535;

/// Bytes that `value` takes as a Variable Byte Integer.
constexpr std::size_t varint_size(std::size_t value) {
    return value < 0x80U ? 1 : value < 0x4000U ? 2 : value < 0x20'0000U ? 3 : 4;
}
constexpr std::size_t binary_size(base::ByteView bytes) {
    return 2 + bytes.size();
}
inline std::size_t text_size(std::string_view text) {
    return 2 + text.size();
}

inline void write_u8(base::Bytes& out, std::uint8_t value) {
    out.push_back(value);
}

inline void write_u16(base::Bytes& out, std::uint32_t value) {
    out.push_back(static_cast<std::uint8_t>(value >> 8U));
    out.push_back(static_cast<std::uint8_t>(value));
}

inline void write_u32(base::Bytes& out, std::uint32_t value) {
    write_u16(out, value >> 16U);
    write_u16(out, value & 0xFFFFU);
}

inline void write_varint(base::Bytes& out, std::size_t value) {
    SALLYPORT_ASSERT(value <= kRemainingLengthMax);
    for (; value >= 0x80U; value >>= 7U) out.push_back(static_cast<std::uint8_t>(value | 0x80U));
    out.push_back(static_cast<std::uint8_t>(value));
}

inline void write_binary(base::Bytes& out, base::ByteView bytes) {
    SALLYPORT_ASSERT(bytes.size() <= kBinaryBytesMax);
    write_u16(out, static_cast<std::uint32_t>(bytes.size()));
    base::append(out, bytes);
}

inline void write_text(base::Bytes& out, std::string_view text) {
    write_binary(out, base::as_bytes(text));
}

}  // namespace sallyport::mqtt
