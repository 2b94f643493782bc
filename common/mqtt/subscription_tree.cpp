#include "common/mqtt/subscription_tree.hpp"

#include <algorithm>

#include "common/mqtt/topic.hpp"
#include "common/mqtt/topic_levels.hpp"

namespace sallyport::mqtt {

struct SubscriptionTree::Node {
    TextMap<std::unique_ptr<Node>> children;
    std::unique_ptr<Node> plus;  // "+"
    std::unique_ptr<Node> hash;  // "#": a leaf
    std::vector<Subscriber> subscribers;
    std::vector<ShareGroup> groups;

    bool unused() const {
        return children.empty() && !plus && !hash && subscribers.empty() && groups.empty();
    }

    std::unique_ptr<Node>& slot(std::string_view level) {
        if (level == "+") return plus;
        if (level == "#") return hash;
        const auto found = children.find(level);
        if (found != children.end()) return found->second;
        return children.emplace(std::string(level), nullptr).first->second;
    }
};

namespace {

/// Adds or replaces. True: added.
bool put(std::vector<Subscriber>& subscribers, const Subscriber& subscriber) {
    const auto same = std::ranges::find(subscribers, subscriber.session, &Subscriber::session);
    if (same == subscribers.end()) {
        subscribers.push_back(subscriber);
        return true;
    }
    same->options = subscriber.options;
    return false;
}

bool take(std::vector<Subscriber>& subscribers, const Session* session) {
    const auto same = std::ranges::find(subscribers, session, &Subscriber::session);
    if (same == subscribers.end()) return false;
    *same = subscribers.back();
    subscribers.pop_back();
    return true;
}

}  // namespace

SubscriptionTree::SubscriptionTree() : root_(std::make_unique<Node>()) {}
SubscriptionTree::~SubscriptionTree() = default;

bool SubscriptionTree::add(std::string_view filter, const Subscriber& subscriber) {
    const auto shared = split_shared(filter);
    Node* node = root_.get();
    std::optional<std::string_view> rest = shared.filter;
    while (rest) {
        const auto [level, next] = first_level(*rest);
        auto& slot = node->slot(level);
        if (!slot) slot = std::make_unique<Node>();
        node = slot.get();
        rest = next;
    }
    const bool added = add_at(*node, shared.group, subscriber);
    size_ += added ? 1U : 0U;
    return added;
}

bool SubscriptionTree::add_at(Node& node, std::string_view group, const Subscriber& subscriber) {
    if (group.empty()) return put(node.subscribers, subscriber);
    const auto same = std::ranges::find(node.groups, group, &ShareGroup::name);
    if (same != node.groups.end()) return put(same->members, subscriber);
    node.groups.push_back({++last_group_, std::string(group), {subscriber}, 0});
    return true;
}

bool SubscriptionTree::remove(std::string_view filter, const Session* session) {
    const auto shared = split_shared(filter);
    const bool removed = remove_below(*root_, shared.filter, shared.group, session);
    size_ -= removed ? 1U : 0U;
    return removed;
}

bool SubscriptionTree::remove_below(Node& node, std::optional<std::string_view> rest,
                                    std::string_view group, const Session* session) {
    if (!rest) return remove_at(node, group, session);
    const auto [level, next] = first_level(*rest);
    if (level == "+" || level == "#") {
        auto& child = level == "+" ? node.plus : node.hash;
        if (!child || !remove_below(*child, next, group, session)) return false;
        if (child->unused()) child.reset();
        return true;
    }
    const auto child = node.children.find(level);
    if (child == node.children.end() || !remove_below(*child->second, next, group, session))
        return false;
    if (child->second->unused()) node.children.erase(child);
    return true;
}

bool SubscriptionTree::remove_at(Node& node, std::string_view group, const Session* session) {
    if (group.empty()) return take(node.subscribers, session);
    const auto same = std::ranges::find(node.groups, group, &ShareGroup::name);
    if (same == node.groups.end() || !take(same->members, session)) return false;
    if (same->members.empty()) node.groups.erase(same);
    return true;
}

void SubscriptionTree::match(std::string_view topic, Matches& out) {
    match_below(*root_, topic, !topic.starts_with('$'), out);
}

void SubscriptionTree::match_below(Node& node, std::optional<std::string_view> rest, bool wildcards,
                                   Matches& out) {
    // "a/#" matches "a" too, so the "#" below a node counts even when no level is left.
    if (wildcards && node.hash) collect(*node.hash, out);
    if (!rest) {
        collect(node, out);
        return;
    }
    const auto [level, next] = first_level(*rest);
    const auto child = node.children.find(level);
    if (child != node.children.end()) match_below(*child->second, next, true, out);
    if (wildcards && node.plus) match_below(*node.plus, next, true, out);
}

void SubscriptionTree::collect(Node& node, Matches& out) {
    for (const auto& subscriber : node.subscribers) out.subscribers.push_back(&subscriber);
    for (auto& group : node.groups) out.groups.push_back(&group);
}

}  // namespace sallyport::mqtt
