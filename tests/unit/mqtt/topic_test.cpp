#include "common/mqtt/topic.hpp"

#include <string>

#include <gtest/gtest.h>

namespace sallyport::mqtt {
namespace {

using namespace std::string_view_literals;

TEST(Topic, NameIsNotEmptyAndHasNoWildcardOrNul) {
    for (const auto good : {"a"sv, "/"sv, "//"sv, "a/b"sv, " "sv, "a b/c"sv, "$SYS/x"sv,
                            "/finance"sv, "ACCOUNTS"sv, "\xC3\xA4/\xE2\x82\xAC"sv})
        EXPECT_TRUE(is_valid_topic_name(good)) << good;
    for (const auto bad : {""sv, "+"sv, "#"sv, "a/+"sv, "a+b"sv, "a#"sv, "a/#"sv, "a\0b"sv})
        EXPECT_FALSE(is_valid_topic_name(bad)) << bad;
}

TEST(Topic, NameAndFilterTakeAtMost65535Bytes) {
    const std::string longest(kTopicBytesMax, 'a');
    EXPECT_TRUE(is_valid_topic_name(longest));
    EXPECT_TRUE(is_valid_topic_filter(longest));
    EXPECT_FALSE(is_valid_topic_name(longest + "a"));
    EXPECT_FALSE(is_valid_topic_filter(longest + "a"));
}

TEST(Topic, FilterHasWildcardsAsWholeLevelsAndHashLast) {
    for (const auto good :
         {"#"sv, "+"sv, "/"sv, "//"sv, "a"sv, "a/#"sv, "+/#"sv, "+/+"sv, "/+"sv, "+/"sv,
          "sport/tennis/player1/#"sv, "sport/+/player1"sv, "+/tennis/#"sv, "$SYS/#"sv,
          "$SYS/monitor/+"sv, "/#"sv, "a//#"sv, "$share"sv, "$shared/x"sv})
        EXPECT_TRUE(is_valid_topic_filter(good)) << good;
    for (const auto bad :
         {""sv, "sport/tennis#"sv, "sport/tennis/#/ranking"sv, "sport+"sv, "#/"sv, "##"sv, "++"sv,
          "+a"sv, "a/+b"sv, "a/b+/c"sv, "#a"sv, "a/#b"sv, "a\0"sv, "+#"sv})
        EXPECT_FALSE(is_valid_topic_filter(bad)) << bad;
}

TEST(Topic, SharedFilterNeedsANameAndAFilter) {
    for (const auto good : {"$share/g/a"sv, "$share/g/#"sv, "$share/g//"sv, "$share/g/+/b"sv,
                            "$share/consumer1//finance"sv, "$share/g/$SYS/x"sv})
        EXPECT_TRUE(is_valid_topic_filter(good)) << good;
    for (const auto bad : {"$share/"sv, "$share/g"sv, "$share/g/"sv, "$share//a"sv, "$share/+/a"sv,
                           "$share/#/a"sv, "$share/g+/a"sv, "$share/g/a#"sv, "$share/g/#/a"sv})
        EXPECT_FALSE(is_valid_topic_filter(bad)) << bad;
}

TEST(Topic, SplitSharedGivesGroupAndFilter) {
    EXPECT_EQ(split_shared("$share/g/a/#").group, "g");
    EXPECT_EQ(split_shared("$share/g/a/#").filter, "a/#");
    EXPECT_EQ(split_shared("$share/g//a").filter, "/a");
    EXPECT_EQ(split_shared("a/b").group, "");
    EXPECT_EQ(split_shared("a/b").filter, "a/b");
    EXPECT_EQ(split_shared("$share").filter, "$share");
    EXPECT_EQ(split_shared("$shared/g/a").group, "");
}

struct Match {
    std::string_view filter;
    std::string_view topic;
    bool matches;
};

// Section 4.7's examples first, then the corners around them.
constexpr Match kMatches[] = {
    {"sport/tennis/player1/#", "sport/tennis/player1", true},
    {"sport/tennis/player1/#", "sport/tennis/player1/ranking", true},
    {"sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true},
    {"sport/tennis/player1/#", "sport/tennis/player10", false},
    {"sport/tennis/player1/#", "sport/tennis", false},
    {"sport/#", "sport", true},
    {"#", "sport", true},
    {"#", "sport/tennis", true},
    {"#", "/", true},
    {"sport/tennis/+", "sport/tennis/player1", true},
    {"sport/tennis/+", "sport/tennis/player1/ranking", false},
    {"sport/+", "sport", false},
    {"sport/+", "sport/", true},
    {"+/+", "/finance", true},
    {"/+", "/finance", true},
    {"+", "/finance", false},
    {"+/tennis/#", "sport/tennis", true},
    {"+/tennis/#", "sport/tennis/a/b", true},
    {"sport/+/player1", "sport/tennis/player1", true},
    {"sport/+/player1", "sport/tennis/ladies/player1", false},
    {"#", "$SYS/monitor", false},
    {"+/monitor/Clients", "$SYS/monitor/Clients", false},
    {"$SYS/#", "$SYS/monitor", true},
    {"$SYS/#", "$SYS", true},
    {"$SYS/monitor/+", "$SYS/monitor/Clients", true},
    {"+/#", "$SYS", false},
    {"a/+", "a/$SYS", true},
    {"a/#", "a/$SYS", true},
    {"ACCOUNTS", "Accounts", false},
    {"/finance", "finance", false},
    {"finance", "/finance", false},
    {"a", "a", true},
    {"a", "a/", false},
    {"a/", "a", false},
    {"a/", "a/", true},
    {"a", "ab", false},
    {"ab", "a", false},
    {"a/b", "a/b/c", false},
    {"a/b/c", "a/b", false},
    {"/", "/", true},
    {"/", "//", false},
    {"+/+", "/", true},
    {"+", "/", false},
    {"a//b", "a//b", true},
    {"a//b", "a/b", false},
    {"a/+/b", "a//b", true},
    {"a/+/b", "a/b", false},
    {"/#", "/", true},
    {"/#", "/a/b", true},
    {"/#", "a", false},
    {"+/#", "a", true},
    {"+/#", "/", true},
    {"a/+/#", "a", false},
    {"a/+/#", "a/b", true},
    {"a/+/#", "a/", true},
    {"a/b/#", "a/bc", false},
    {"", "a", false},
    {"#", "", false},
    {"\xE2\x82\xAC/+", "\xE2\x82\xAC/x", true},
};

TEST(Topic, MatchesAsSection47Says) {
    for (const Match& match : kMatches)
        EXPECT_EQ(matches(match.filter, match.topic), match.matches)
            << match.filter << " against " << match.topic;
}

}  // namespace
}  // namespace sallyport::mqtt
