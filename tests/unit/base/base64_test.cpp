#include "common/base/base64.hpp"

#include <array>
#include <utility>

#include <gtest/gtest.h>

namespace sallyport::base {
namespace {

// RFC 4648, section 10.
TEST(Base64, WritesTheVectorsOfItsStandard) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kVectors{
        {{"", ""},
         {"f", "Zg=="},
         {"fo", "Zm8="},
         {"foo", "Zm9v"},
         {"foob", "Zm9vYg=="},
         {"fooba", "Zm9vYmE="},
         {"foobar", "Zm9vYmFy"}}};
    for (const auto& [plain, encoded] : kVectors) {
        std::string text = "x";
        append_base64(text, as_bytes(plain));
        EXPECT_EQ(text, "x" + std::string(encoded));
    }
}

TEST(Base64, WritesEveryBit) {
    std::string text;
    append_base64(text, Bytes{0xFB, 0xEF, 0xBE, 0xFF});
    EXPECT_EQ(text, "++++/w==");
}

}  // namespace
}  // namespace sallyport::base
