#include "common/mqtt/utf8.hpp"

#include <cstdint>
#include <cstring>

namespace sallyport::mqtt {
namespace {

constexpr std::uint64_t kHighBits = 0x8080'8080'8080'8080U;
constexpr std::uint64_t kLowBits = 0x0101'0101'0101'0101U;

/// True if the next eight bytes are there and all in U+0001..U+007F: almost every topic goes this
/// way.
bool starts_plain(std::string_view text) {
    std::uint64_t word = 0;
    if (text.size() < sizeof word) return false;
    std::memcpy(&word, text.data(), sizeof word);
    return ((word | (word - kLowBits)) & kHighBits) == 0;
}

bool is_continuation(unsigned char byte) {
    return (byte & 0xC0U) == 0x80U;
}

/// Length of the well-formed sequence at the start of `text`, 0 if there is none. The second byte
/// carries every special case: overlong forms, surrogates, the end of the code space.
std::size_t sequence_length(std::string_view text) {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char lead = at(0);
    if (lead < 0x80U) return lead != 0 ? 1 : 0;
    if (lead < 0xC2U || lead > 0xF4U) return 0;
    const std::size_t length = lead < 0xE0U ? 2 : lead < 0xF0U ? 3 : 4;
    if (text.size() < length) return 0;
    unsigned char low = 0x80U;
    unsigned char high = 0xBFU;
    if (lead == 0xE0U) low = 0xA0U;
    if (lead == 0xEDU) high = 0x9FU;
    if (lead == 0xF0U) low = 0x90U;
    if (lead == 0xF4U) high = 0x8FU;
    if (at(1) < low || at(1) > high) return 0;
    for (std::size_t i = 2; i < length; ++i)
        if (!is_continuation(at(i))) return 0;
    return length;
}

}  // namespace

bool is_valid_utf8(std::string_view text) {
    while (!text.empty()) {
        if (starts_plain(text)) {
            text.remove_prefix(sizeof(std::uint64_t));
            continue;
        }
        const std::size_t length = sequence_length(text);
        if (length == 0) return false;
        text.remove_prefix(length);
    }
    return true;
}

}  // namespace sallyport::mqtt
