#include "common/base/base64.hpp"

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace sallyport::base {

void append_base64(std::string& out, ByteView bytes) {
    constexpr std::string_view kDigits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        const auto have = std::min<std::size_t>(3, bytes.size() - at);
        std::uint32_t three = 0;
        for (std::size_t i = 0; i < 3; ++i) three = three << 8U | (i < have ? bytes[at + i] : 0U);
        for (std::size_t i = 0; i < 4; ++i)
            out += i <= have ? kDigits[three >> (18 - 6 * i) & 0x3FU] : '=';
    }
}

}  // namespace sallyport::base
