#include "common/base/identity.hpp"

#include <algorithm>

#include <gtest/gtest.h>

namespace sallyport::base {
namespace {

TEST(IdentityUri, IsReadAndWrittenBackForEveryRole) {
    for (const auto role : {Role::edge, Role::relay, Role::it, Role::server, Role::client}) {
        const Identity identity{"acme", role, "line3"};
        const auto uri = "sallyport://acme/" + std::string(to_string(role)) + "/line3";
        EXPECT_EQ(to_uri(identity), uri);
        EXPECT_EQ(parse_identity_uri(uri), identity);
    }
}

TEST(IdentityUri, IsRefusedUnlessExactlyOfTheForm) {
    const std::string long_name(64, 'a');
    const std::string refused[] = {
        "",
        "sallyport://",
        "sallyport://acme",
        "sallyport://acme/edge",
        "sallyport://acme/edge/",
        "sallyport:///edge/line3",
        "sallyport://acme//line3",
        "sallyport://acme/edge/line3/",
        "sallyport://acme/edge/line3/more",
        "sallyport://acme//edge/line3",
        "sallyport://acme/Edge/line3",
        "sallyport://acme/edges/line3",
        "sallyport://acme/ot/line3",
        "sallyport://Acme/edge/line3",
        "sallyport://acme/edge/Line3",
        "sallyport://acme/edge/-line3",
        "sallyport://acme/edge/.line3",
        "sallyport://acme/edge/_line3",
        "sallyport://acme/edge/line 3",
        " sallyport://acme/edge/line3",
        "sallyport://acme/edge/line3 ",
        "sallyport://acme/edge/line3\n",
        std::string("sallyport://acme/edge/line3\0", 28),
        std::string("sallyport://acme/edge/li\0ne", 27),
        "sallyport://acme/edge/line3?x=1",
        "sallyport://acme/edge/line3#x",
        "sallyport://acme/edge/line%33",
        "sallyport://acme/edge/l\xC3\xAEne3",
        "sallyport://user@acme/edge/line3",
        "sallyport://acme:1/edge/line3",
        "sallyport://*/edge/line3",
        "sallyport:/acme/edge/line3",
        "SALLYPORT://acme/edge/line3",
        "https://acme/edge/line3",
        "acme/edge/line3",
        "sallyport://acme/edge/" + long_name,
        "sallyport://" + long_name + "/edge/line3",
    };
    for (const auto& uri : refused) EXPECT_FALSE(parse_identity_uri(uri)) << uri;
}

TEST(IdentityUri, TakesNamesOfTheGreatestLength) {
    const std::string longest(63, 'z');
    const auto identity = parse_identity_uri("sallyport://" + longest + "/it/" + longest);
    ASSERT_TRUE(identity);
    EXPECT_EQ(qualified_name(*identity), longest + "/" + longest);
}

TEST(Names, AreOneTo63CharactersOfTheAllowedSet) {
    for (const auto* name : {"a", "0", "line3", "a.b", "a-b", "a_b", "3.x-y_z", "a.", "a-", "a_"})
        EXPECT_TRUE(is_valid_name(name)) << name;
    EXPECT_TRUE(is_valid_name(std::string(63, 'a')));
    EXPECT_FALSE(is_valid_name(std::string(64, 'a')));
    for (const auto* name : {"", ".a", "-a", "_a", "A", "aB", "a/b", "a b", "a*", "a+", "\xC3\xA9"})
        EXPECT_FALSE(is_valid_name(name)) << name;
}

TEST(Names, HoldNoOtherByte) {
    constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789._-";
    for (int byte = 0; byte < 256; ++byte) {
        const char character = static_cast<char>(byte);
        const bool allowed = kAllowed.find(character) != std::string_view::npos;
        EXPECT_EQ(is_valid_name(std::string{'a', character}), allowed) << byte;
    }
}

TEST(Roles, AreReadOnlyByTheirExactNames) {
    EXPECT_EQ(parse_role("relay"), Role::relay);
    for (const auto* text : {"", "Relay", "relay ", "edg", "edgeX", "?"})
        EXPECT_FALSE(parse_role(text)) << text;
}

struct PatternRow {
    std::string_view pattern;
    std::string_view plant;
    std::string_view name;
    bool matches;
};

TEST(NamePatterns, StarStandsForAnyRunWithinOneLevel) {
    constexpr PatternRow kRows[] = {
        {"line3", "acme", "line3", true},
        {"line3", "acme", "line33", false},
        {"line3", "acme", "line", false},
        {"line3", "other", "line3", false},  // without '/': one's own plant, acme
        {"line*", "acme", "line3", true},
        {"line*", "acme", "line", true},
        {"line*", "acme", "lin", false},
        {"*", "acme", "line3", true},
        {"*", "other", "line3", false},
        {"*3", "acme", "line3", true},
        {"*3", "acme", "line34", false},
        {"l*e*3", "acme", "line3", true},
        {"l*e*3", "acme", "le3", true},
        {"l*e*3", "acme", "l3e", false},
        {"a*ab", "acme", "aaab", true},
        {"**", "acme", "x", true},
        {"acme/line3", "acme", "line3", true},
        {"*/line3", "other", "line3", true},
        {"*/*", "other", "x", true},
        {"oth*/x", "other", "x", true},
        {"other/*", "acme", "x", false},
        {"acmeline3", "acme", "line3", false},
        {"acme*line3", "acme", "line3", false},  // the star does not cross the level
        {"acme/line3/x", "acme", "line3", false},
        {"LINE3", "acme", "line3", false},
        {"lin?3", "acme", "line3", false},
        {"", "acme", "line3", false},
        {"/", "acme", "line3", false},
    };
    for (const auto& row : kRows) {
        const Identity identity{std::string(row.plant), Role::edge, std::string(row.name)};
        EXPECT_EQ(matches_name_pattern(row.pattern, "acme", identity), row.matches)
            << row.pattern << " on " << row.plant << '/' << row.name;
    }
}

// A matcher that tries every split of the text over the stars would not come back from these.
TEST(NamePatterns, ManyStarsEndInTime) {
    std::string stars;
    for (int i = 0; i < 500; ++i) stars += "*a";
    const Identity matching{"acme", Role::edge, std::string(5000, 'a')};
    const Identity almost{"acme", Role::edge, std::string(5000, 'a') + 'c'};
    EXPECT_TRUE(matches_name_pattern(stars, "acme", matching));
    EXPECT_FALSE(matches_name_pattern(stars + 'b', "acme", matching));
    EXPECT_FALSE(matches_name_pattern(stars, "acme", almost));
    EXPECT_TRUE(matches_name_pattern(stars + '*', "acme", almost));
    EXPECT_TRUE(matches_name_pattern(std::string(100'000, '*'), "acme", almost));
    EXPECT_FALSE(matches_name_pattern(std::string(100'000, '*') + 'b', "acme", almost));
    EXPECT_FALSE(matches_name_pattern(stars, "acme", {"acme", Role::edge, std::string(499, 'a')}));
}

/// The same question answered by definition: the star is empty, or takes one character.
bool matches_by_definition(std::string_view pattern, std::string_view text) {
    if (pattern.empty()) return text.empty();
    if (pattern.front() == '*')
        return matches_by_definition(pattern.substr(1), text) ||
               (!text.empty() && matches_by_definition(pattern, text.substr(1)));
    return !text.empty() && pattern.front() == text.front() &&
           matches_by_definition(pattern.substr(1), text.substr(1));
}

TEST(NamePatterns, AgreeWithTheDefinitionOnAllShortOnes) {
    constexpr std::string_view kAlphabet = "ab*";
    for (int code = 0; code < 3 * 3 * 3 * 3 * 3; ++code) {
        std::string pattern;
        for (int rest = code, i = 0; i < 5; ++i, rest /= 3)
            pattern += kAlphabet[static_cast<std::size_t>(rest % 3)];
        for (int bits = 0; bits < 64; ++bits) {
            std::string text;
            for (int i = 0; i < 6; ++i) text += (bits >> i & 1) != 0 ? 'b' : 'a';
            for (std::size_t size = 1; size <= text.size(); ++size) {
                const auto name = text.substr(0, size);
                EXPECT_EQ(matches_name_pattern(pattern, "acme", {"acme", Role::edge, name}),
                          matches_by_definition(pattern, name))
                    << pattern << " on " << name;
            }
        }
    }
}

}  // namespace
}  // namespace sallyport::base
