#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "common/mqtt/session.hpp"
#include "common/mqtt/subscription_tree.hpp"
#include "common/mqtt/topic.hpp"

namespace sallyport::mqtt {
namespace {

Subscriber subscriber(Session& session, Qos qos = Qos::at_most_once) {
    return {&session, {qos, false, false, 0}};
}

std::size_t count_matches(SubscriptionTree& tree, std::string_view topic) {
    SubscriptionTree::Matches matches;
    tree.match(topic, matches);
    return matches.subscribers.size();
}

TEST(SubscriptionTree, ReplacesTheOptionsOfTheSameFilter) {
    SubscriptionTree tree;
    Session session;
    EXPECT_TRUE(tree.add("a/b", subscriber(session)));
    EXPECT_FALSE(tree.add("a/b", subscriber(session, Qos::exactly_once)));
    EXPECT_EQ(tree.size(), 1U);
    SubscriptionTree::Matches matches;
    tree.match("a/b", matches);
    ASSERT_EQ(matches.subscribers.size(), 1U);
    EXPECT_EQ(matches.subscribers[0]->options.qos, Qos::exactly_once);
}

TEST(SubscriptionTree, HashMatchesTheParentLevelToo) {
    SubscriptionTree tree;
    Session session;
    tree.add("a/#", subscriber(session));
    EXPECT_EQ(count_matches(tree, "a"), 1U);
    EXPECT_EQ(count_matches(tree, "a/b/c"), 1U);
    EXPECT_EQ(count_matches(tree, "ab"), 0U);
}

TEST(SubscriptionTree, LeadingWildcardsDoNotMatchDollarTopics) {
    SubscriptionTree tree;
    Session session;
    tree.add("#", subscriber(session));
    tree.add("+/x", subscriber(session));
    EXPECT_EQ(count_matches(tree, "$SYS/x"), 0U);
    tree.add("$SYS/+", subscriber(session));
    EXPECT_EQ(count_matches(tree, "$SYS/x"), 1U);
}

TEST(SubscriptionTree, RemovesOnlyWhatThatSessionHas) {
    SubscriptionTree tree;
    Session one, other;
    tree.add("a/+", subscriber(one));
    EXPECT_FALSE(tree.remove("a/+", &other));
    EXPECT_FALSE(tree.remove("a/#", &one));
    EXPECT_FALSE(tree.remove("$share/g/a/+", &one));
    EXPECT_TRUE(tree.remove("a/+", &one));
    EXPECT_TRUE(tree.empty());
    EXPECT_EQ(count_matches(tree, "a/b"), 0U);
}

TEST(SubscriptionTree, SharesAreKeptByNameAndFilter) {
    SubscriptionTree tree;
    Session one, other;
    tree.add("$share/g/a", subscriber(one));
    tree.add("$share/g/a", subscriber(other));
    tree.add("$share/h/a", subscriber(one));
    tree.add("$share/g/+", subscriber(one));
    SubscriptionTree::Matches matches;
    tree.match("a", matches);
    EXPECT_TRUE(matches.subscribers.empty());
    ASSERT_EQ(matches.groups.size(), 3U);
    std::vector<std::size_t> sizes;
    sizes.reserve(matches.groups.size());
    for (const auto* group : matches.groups) sizes.push_back(group->members.size());
    std::ranges::sort(sizes);
    EXPECT_EQ(sizes, (std::vector<std::size_t>{1, 1, 2}));
}

/// Topics and filters over a small alphabet, so that they often meet.
std::string generate(std::mt19937& random, bool is_filter) {
    static const std::vector<std::string> kNames{"a", "b", "", "$c", "dd"};
    const auto pick = [&](std::size_t count) { return random() % count; };
    const std::size_t levels = 1 + pick(4);
    std::string text;
    for (std::size_t i = 0; i < levels; ++i) {
        if (i > 0) text += '/';
        const bool is_last = i + 1 == levels;
        if (is_filter && is_last && pick(4) == 0)
            text += '#';
        else if (is_filter && pick(3) == 0)
            text += '+';
        else
            text += kNames[pick(kNames.size())];
    }
    return text.empty() ? "a" : text;
}

TEST(SubscriptionTree, AgreesWithMatchesOverGeneratedFiltersAndTopics) {
    std::mt19937 random(20240611);
    SubscriptionTree tree;
    std::vector<std::unique_ptr<Session>> sessions;
    std::map<std::string, Session*> present;  // one session a filter
    std::size_t met = 0;
    for (int step = 0; step < 20'000; ++step) {
        const std::string filter = generate(random, true);
        ASSERT_TRUE(is_valid_topic_filter(filter)) << filter;
        if (const auto found = present.find(filter); found == present.end()) {
            sessions.push_back(std::make_unique<Session>());
            EXPECT_TRUE(tree.add(filter, subscriber(*sessions.back())));
            present.emplace(filter, sessions.back().get());
        } else if (random() % 2 == 0) {
            EXPECT_TRUE(tree.remove(filter, found->second));
            present.erase(found);
        }
        const std::string topic = generate(random, false);
        std::set<const Session*> expected;
        for (const auto& [each, session] : present)
            if (matches(each, topic)) expected.insert(session);
        SubscriptionTree::Matches matched;
        tree.match(topic, matched);
        std::set<const Session*> got;
        for (const auto* each : matched.subscribers) got.insert(each->session);
        ASSERT_EQ(got.size(), matched.subscribers.size()) << "a subscription twice for " << topic;
        ASSERT_EQ(got, expected) << topic;
        met += got.size();
        ASSERT_EQ(tree.size(), present.size());
    }
    EXPECT_GT(met, 20'000U);  // the generator does make them meet
    for (const auto& [filter, session] : present) EXPECT_TRUE(tree.remove(filter, session));
    EXPECT_TRUE(tree.empty());
}

}  // namespace
}  // namespace sallyport::mqtt
