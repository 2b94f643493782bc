#include "common/ops/escape.hpp"

#include <array>

namespace sallyport::ops {
namespace {

constexpr std::string_view kEllipsis = "...";
constexpr std::string_view kHexDigits = "0123456789abcdef";

std::string hex(unsigned char byte) {
    return {'\\', 'x', kHexDigits[byte >> 4U], kHexDigits[byte & 15U]};
}

bool is_control(unsigned char byte) {
    return byte < 0x20U || byte == 0x7FU;
}

}  // namespace

std::string escape(std::string_view text, std::size_t bytes_max) {
    std::string out;
    std::size_t whole = 0;  // of `out`, what leaves room for the ellipsis
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        std::string next(1, c);
        if (is_control(byte) || byte >= 0x80U)
            next = hex(byte);
        else if (c == '"' || c == '\\')
            next.insert(0, 1, '\\');
        if (out.size() + next.size() > bytes_max) {
            out.resize(whole);
            return out.append(kEllipsis.substr(0, bytes_max - whole));
        }
        out += next;
        if (out.size() + kEllipsis.size() <= bytes_max) whole = out.size();
    }
    return out;
}

std::string one_line(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (is_control(byte))
            out += hex(byte);
        else
            out += c;
    }
    return out;
}

}  // namespace sallyport::ops
