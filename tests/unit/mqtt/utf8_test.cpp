#include "common/mqtt/utf8.hpp"

#include <string>

#include <gtest/gtest.h>

namespace sallyport::mqtt {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kWellFormed[] = {
    ""sv,
    "a"sv,
    "\x01"sv,
    "\x7F"sv,
    "\xC2\x80"sv,          // U+0080
    "\xDF\xBF"sv,          // U+07FF
    "\xE0\xA0\x80"sv,      // U+0800
    "\xED\x9F\xBF"sv,      // U+D7FF, the last before the surrogates
    "\xEE\x80\x80"sv,      // U+E000, the first after
    "\xEF\xBB\xBF"sv,      // U+FEFF is never stripped (1.5.4)
    "\xEF\xBF\xBF"sv,      // U+FFFF, a non-character
    "\xF0\x90\x80\x80"sv,  // U+10000
    "\xF0\xAA\x9B\x94"sv,  // U+2A6D4, the standard's example
    "\xF4\x8F\xBF\xBF"sv,  // U+10FFFF
};

constexpr std::string_view kIllFormed[] = {
    "\0"sv,                // U+0000
    "\x80"sv,              // a continuation on its own
    "\xBF"sv,              //
    "\xC0\x80"sv,          // overlong U+0000
    "\xC1\xBF"sv,          // overlong U+007F
    "\xE0\x80\x80"sv,      // overlong
    "\xE0\x9F\xBF"sv,      // overlong U+07FF
    "\xF0\x80\x80\x80"sv,  // overlong
    "\xF0\x8F\xBF\xBF"sv,  // overlong U+FFFF
    "\xED\xA0\x80"sv,      // U+D800
    "\xED\xBF\xBF"sv,      // U+DFFF
    "\xF4\x90\x80\x80"sv,  // U+110000
    "\xF5\x80\x80\x80"sv,  //
    "\xFE"sv,              //
    "\xFF"sv,              //
    "\xC2"sv,              // cut short
    "\xE2\x82"sv,          //
    "\xF0\x90\x80"sv,      //
    "\xC2\x41"sv,          // no continuation
    "\xE2\x82\x41"sv,      //
    "\xE2\x41\x82"sv,      //
    "\xF0\x90\x80\xC0"sv,  //
};

// Each text at every distance from the start: the plain ASCII path takes eight bytes at a time.
TEST(Utf8, AcceptsWellFormedTextAnywhere) {
    for (const auto text : kWellFormed)
        for (std::size_t before = 0; before < 18; ++before)
            for (std::size_t after = 0; after < 18; ++after) {
                const auto whole =
                    std::string(before, 'x') + std::string(text) + std::string(after, 'y');
                EXPECT_TRUE(is_valid_utf8(whole)) << whole;
            }
}

TEST(Utf8, RefusesIllFormedTextAnywhere) {
    for (const auto text : kIllFormed)
        for (std::size_t before = 0; before < 18; ++before)
            for (std::size_t after = 0; after < 18; ++after) {
                const auto whole =
                    std::string(before, 'x') + std::string(text) + std::string(after, 'y');
                EXPECT_FALSE(is_valid_utf8(whole)) << ::testing::PrintToString(whole);
            }
}

}  // namespace
}  // namespace sallyport::mqtt
