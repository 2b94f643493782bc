#include "common/record/json_text.hpp"

#include <gtest/gtest.h>

namespace sallyport::record {
namespace {

using namespace std::string_view_literals;

JsonFound find(std::string_view json, std::string_view pointer) {
    EXPECT_TRUE(is_json(json)) << json;
    const std::vector<JsonPointer> pointers{JsonPointer::parse(pointer).value()};
    std::vector<JsonFound> found(1);
    find_in_json(json, pointers, found);
    return found[0];
}
std::string_view text_at(std::string_view json, std::string_view pointer) {
    return find(json, pointer).text;
}

TEST(JsonPointer, IsEmptyOrBeginsWithASlash) {
    for (const auto* good : {"", "/", "/value", "/a/0/b", "/a~1b/~0", "//"})
        EXPECT_TRUE(JsonPointer::parse(good)) << good;
    for (const auto* bad : {"value", "a/b", "/a~", "/a~2", " /a"})
        EXPECT_FALSE(JsonPointer::parse(bad)) << bad;
    std::string deep;
    for (std::size_t i = 0; i <= JsonPointer::kTokensMax; ++i) deep += "/a";
    EXPECT_FALSE(JsonPointer::parse(deep));
}

// The examples of RFC 6901, section 5.
TEST(JsonPointer, FindsWhatTheRfcSays) {
    constexpr auto kDocument = R"({"foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3,
        "g|h": 4, "i\\j": 5, "k\"l": 6, " ": 7, "m~n": 8})"sv;
    EXPECT_EQ(text_at(kDocument, ""), kDocument);
    EXPECT_EQ(text_at(kDocument, "/foo"), R"(["bar", "baz"])");
    EXPECT_EQ(text_at(kDocument, "/foo/0"), R"("bar")");
    EXPECT_EQ(text_at(kDocument, "/foo/1"), R"("baz")");
    EXPECT_EQ(text_at(kDocument, "/"), "0");
    EXPECT_EQ(text_at(kDocument, "/a~1b"), "1");
    EXPECT_EQ(text_at(kDocument, "/c%d"), "2");
    EXPECT_EQ(text_at(kDocument, "/e^f"), "3");
    EXPECT_EQ(text_at(kDocument, "/g|h"), "4");
    EXPECT_EQ(text_at(kDocument, R"(/i\j)"), "5");
    EXPECT_EQ(text_at(kDocument, "/k\"l"), "6");
    EXPECT_EQ(text_at(kDocument, "/ "), "7");
    EXPECT_EQ(text_at(kDocument, "/m~0n"), "8");
}

TEST(JsonPointer, FindsNothingWhereNothingIs) {
    for (const auto* pointer : {"/b", "/a/0", "/l/2", "/l/01", "/l/-", "/l/x", "/o/a/b", "/A"})
        EXPECT_EQ(text_at(R"({"a":1,"l":[1,2],"o":{"a":true}})", pointer), "") << pointer;
    EXPECT_EQ(text_at("21.5", "/value"), "");
}

TEST(JsonPointer, FindsValuesOfEveryKindAsTheyStand) {
    constexpr auto kDocument =
        R"( {"n" : -1.10e+05 ,"t":true,"f":false,"z":null,"s":"a\"},]\\","o":{"x":[{}]},"l":[[],"]"]} )"sv;
    EXPECT_EQ(text_at(kDocument, "/n"), "-1.10e+05");
    EXPECT_EQ(text_at(kDocument, "/t"), "true");
    EXPECT_EQ(text_at(kDocument, "/f"), "false");
    EXPECT_EQ(text_at(kDocument, "/z"), "null");
    EXPECT_EQ(text_at(kDocument, "/s"), R"("a\"},]\\")");
    EXPECT_EQ(text_at(kDocument, "/o"), R"({"x":[{}]})");
    EXPECT_EQ(text_at(kDocument, "/o/x/0"), "{}");
    EXPECT_EQ(text_at(kDocument, "/l"), R"([[],"]"])");
    EXPECT_EQ(text_at(kDocument, "/l/1"), R"("]")");
    EXPECT_EQ(text_at(" 21.5 ", ""), "21.5");
    EXPECT_EQ(text_at("true", ""), "true");
}

TEST(JsonPointer, FindsAllPlacesInOnePass) {
    const std::vector<JsonPointer> pointers{JsonPointer::parse("/d/v").value(),
                                            JsonPointer::parse("/d").value(),
                                            JsonPointer::parse("/q").value()};
    std::vector<JsonFound> found(3);
    find_in_json(R"({"d":{"v":[1]},"q":2})", pointers, found);
    EXPECT_EQ(found[0].text, "[1]");
    EXPECT_EQ(found[1].text, R"({"v":[1]})");
    EXPECT_EQ(found[2].text, "2");
}

TEST(JsonPointer, ReadsEscapedNames) {
    EXPECT_EQ(text_at(R"({"\u0076alue":1})", "/value"), "1");
    const auto long_name = "{\"\\n" + std::string(5000, 'x') + "\":1,\"v\":2}";
    EXPECT_EQ(text_at(long_name, "/v"), "2");
}

TEST(JsonPointer, SaysWhereANameStandsTwice) {
    EXPECT_TRUE(find(R"({"value":1,"value":2})", "/value").is_ambiguous);
    EXPECT_TRUE(find(R"({"d":{"v":1},"d":{}})", "/d/v").is_ambiguous);
    EXPECT_FALSE(find(R"({"value":1,"x":1,"x":2})", "/value").is_ambiguous);
    EXPECT_FALSE(find(R"([{"v":1},{"v":2}])", "/1/v").is_ambiguous);
}

TEST(JsonText, IsAllOfItAndWithinItsLimits) {
    for (const auto* good : {"1", " {} ", "\"\"", "[1,2]", "null", "-0.5e-7"})
        EXPECT_TRUE(is_json(good)) << good;
    for (const auto* bad :
         {"", " ", "{", "{}x", "[1,]", "{a:1}", "NaN", "Infinity", "01", "'a'", "+1", "// c\n1",
          "\"\x01\"", "\"\xff\"", "\"\\ud800\"", "{\"a\":1} {\"a\":2}", "\xEF\xBB\xBF{}"})
        EXPECT_FALSE(is_json(bad)) << bad;
    EXPECT_TRUE(is_json(std::string(kJsonDepthMax, '[') + std::string(kJsonDepthMax, ']')));
    EXPECT_FALSE(
        is_json(std::string(kJsonDepthMax + 1, '[') + std::string(kJsonDepthMax + 1, ']')));
    EXPECT_FALSE(is_json(std::string(kJsonBytesMax - 1, ' ') + "10"));
    EXPECT_FALSE(is_json(std::string(200'000, '[')));
}

TEST(JsonText, WritesAStringThatJsonTakes) {
    std::string out;
    append_json_string(out, "a\"b\\c\n\x01 \xC3\xA9");
    EXPECT_EQ(out, "\"a\\\"b\\\\c\\u000a\\u0001 \xC3\xA9\"");
    EXPECT_TRUE(is_json(out));
}

}  // namespace
}  // namespace sallyport::record
