#include "dmz-relay/policy/routes.hpp"

#include <gtest/gtest.h>

namespace sallyport::policy {
namespace {

using Topics = std::vector<std::string>;

base::Identity edge(const std::string& plant, const std::string& name) {
    return {plant, base::Role::edge, name};
}
base::Identity it(const std::string& plant, const std::string& name) {
    return {plant, base::Role::it, name};
}

TEST(RoutePolicy, JoinsNobodyWithoutARoute) {
    const RoutePolicy policy("acme", {});
    EXPECT_EQ(policy.topics_between(edge("acme", "line3"), it("acme", "hq")), Topics{});
}

TEST(RoutePolicy, JoinsWhatBothPatternsName) {
    const RoutePolicy policy("acme", {{"line*", "hq", {"plant/#"}}});
    EXPECT_EQ(policy.topics_between(edge("acme", "line3"), it("acme", "hq")), Topics{"plant/#"});
    EXPECT_EQ(policy.topics_between(edge("acme", "line"), it("acme", "hq")), Topics{"plant/#"});
    EXPECT_EQ(policy.topics_between(edge("acme", "oven1"), it("acme", "hq")), Topics{});
    EXPECT_EQ(policy.topics_between(edge("acme", "line3"), it("acme", "hq2")), Topics{});
}

TEST(RoutePolicy, TakesAPatternWithoutSlashForItsOwnPlant) {
    const RoutePolicy policy("acme", {{"*", "*", {"#"}}});
    EXPECT_EQ(policy.topics_between(edge("other", "line3"), it("acme", "hq")), Topics{});
    EXPECT_EQ(policy.topics_between(edge("acme", "line3"), it("other", "hq")), Topics{});
    EXPECT_EQ(policy.topics_between(edge("acme", "line3"), it("acme", "hq")), Topics{"#"});
}

TEST(RoutePolicy, JoinsOtherPlantsWhereTheRouteNamesThem) {
    const RoutePolicy policy("acme", {{"west*/line*", "central/hq", {"#"}}});
    EXPECT_EQ(policy.topics_between(edge("west2", "line3"), it("central", "hq")), Topics{"#"});
    EXPECT_EQ(policy.topics_between(edge("acme", "line3"), it("central", "hq")), Topics{});
    EXPECT_EQ(policy.topics_between(edge("west2", "line3"), it("acme", "hq")), Topics{});
}

TEST(RoutePolicy, AStarDoesNotReachOverTheSlash) {
    const RoutePolicy policy("acme", {{"w*3/line*", "hq", {"#"}}});
    EXPECT_EQ(policy.topics_between(edge("west", "line3"), it("acme", "hq")), Topics{});
    EXPECT_EQ(policy.topics_between(edge("west3", "line"), it("acme", "hq")), Topics{"#"});
}

TEST(RoutePolicy, GathersTheTopicsOfEveryRouteThatJoinsThem) {
    const RoutePolicy policy(
        "acme",
        {{"line3", "hq", {"a/#", "b"}}, {"oven", "hq", {"not/this"}}, {"line*", "*", {"c/+"}}});
    EXPECT_EQ(policy.topics_between(edge("acme", "line3"), it("acme", "hq")),
              (Topics{"a/#", "b", "c/+"}));
}

TEST(MayPass, NeedsAFilterThatMatches) {
    const Topics filters{"plant/+/temp", "oven/#"};
    EXPECT_TRUE(may_pass(filters, "plant/3/temp"));
    EXPECT_TRUE(may_pass(filters, "oven"));
    EXPECT_TRUE(may_pass(filters, "oven/1/door"));
    EXPECT_FALSE(may_pass(filters, "plant/3/temp/raw"));
    EXPECT_FALSE(may_pass(filters, "plant/temp"));
    EXPECT_FALSE(may_pass({}, "plant/3/temp"));
}

TEST(MayPass, DoesNotMatchDollarTopicsWithAWildcard) {
    EXPECT_FALSE(may_pass({"#"}, "$SYS/uptime"));
    EXPECT_FALSE(may_pass({"+/uptime"}, "$SYS/uptime"));
}

}  // namespace
}  // namespace sallyport::policy
