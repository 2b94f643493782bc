#include "it-agent/runtime/edge_overlap.hpp"

#include <gtest/gtest.h>

namespace sallyport::it_agent {
namespace {

TEST(PatternsIntersect, WhereSomeTextMatchesBoth) {
    EXPECT_TRUE(patterns_intersect("", ""));
    EXPECT_TRUE(patterns_intersect("abc", "abc"));
    EXPECT_TRUE(patterns_intersect("a*", "*c"));
    EXPECT_TRUE(patterns_intersect("*b*", "a*c"));
    EXPECT_TRUE(patterns_intersect("*", ""));
    EXPECT_TRUE(patterns_intersect("**/x", "a/*"));
    EXPECT_FALSE(patterns_intersect("abc", "abd"));
    EXPECT_FALSE(patterns_intersect("a*", "b*"));
    EXPECT_FALSE(patterns_intersect("*a", "*b"));
    EXPECT_FALSE(patterns_intersect("*", "a/b"));
    EXPECT_FALSE(patterns_intersect("*/*", "ab"));
}

TEST(PatternsIntersect, IsSymmetric) {
    for (const auto* a : {"", "*", "a*", "*b", "a*b*c", "x/*", "*/y", "ab"})
        for (const auto* b : {"", "*", "a*", "*b", "a*b*c", "x/*", "*/y", "ab"})
            EXPECT_EQ(patterns_intersect(a, b), patterns_intersect(b, a)) << a << " and " << b;
}

bool mixes(const EdgeSection& a, const EdgeSection& b) {
    EXPECT_EQ(can_emit_one_topic(a, b), can_emit_one_topic(b, a));
    return can_emit_one_topic(a, b);
}
bool mixes(const EdgeSection& one) {
    return can_emit_one_topic(one, one);
}

TEST(CanEmitOneTopic, OneEdgeNever) {
    EXPECT_FALSE(mixes({"line3", ""}));
    EXPECT_FALSE(mixes({"acme/line3", "x/"}));
}

TEST(CanEmitOneTopic, APatternUnlessItsPrefixTellsTheNames) {
    EXPECT_TRUE(mixes({"line*", ""}));
    EXPECT_TRUE(mixes({"line*", "{plant}/"}));
    EXPECT_FALSE(mixes({"line*", "{edge}/"}));
    EXPECT_TRUE(mixes({"*/line3", "{edge}/"}));
    EXPECT_FALSE(mixes({"*/line3", "{plant}/"}));
    EXPECT_TRUE(mixes({"*/*", "{edge}/"}));
    EXPECT_FALSE(mixes({"*/*", "{plant}/{edge}/"}));
    EXPECT_FALSE(mixes({"*/*", "{edge}/x/{plant}/"}));
}

TEST(CanEmitOneTopic, NamesRunTogetherTellNothing) {
    EXPECT_TRUE(mixes({"*/*", "{plant}-{edge}/"}));
    EXPECT_FALSE(mixes({"acme/*", "{plant}-{edge}/"}));
}

TEST(CanEmitOneTopic, TwoSectionsWithOneExpansion) {
    EXPECT_TRUE(mixes({"line3", ""}, {"line4", ""}));
    EXPECT_TRUE(mixes({"line3", ""}, {"beta/line3", ""}));
    EXPECT_TRUE(mixes({"line*", "{edge}/"}, {"press", "line3/"}));
    EXPECT_FALSE(mixes({"line*", "{edge}/"}, {"press", "press/"}));
    EXPECT_FALSE(mixes({"line3", "a/"}, {"line4", "b/"}));
    EXPECT_FALSE(mixes({"line*", "{edge}/"}, {"line3", "x/"}));
}

TEST(CanEmitOneTopic, PlantsApartByTheirPrefix) {
    EXPECT_FALSE(mixes({"line*", "{plant}/{edge}/"}, {"beta/line*", "{plant}/{edge}/"}));
    EXPECT_TRUE(mixes({"line*", "{edge}/"}, {"beta/line*", "{edge}/"}));
    EXPECT_FALSE(mixes({"acme/line*", "a/{edge}/"}, {"beta/line*", "b/{edge}/"}));
}

}  // namespace
}  // namespace sallyport::it_agent
