#include "common/mqtt/retained_store.hpp"

#include "common/mqtt/text_map.hpp"
#include "common/mqtt/topic_levels.hpp"

namespace sallyport::mqtt {

struct RetainedStore::Node {
    TextMap<std::unique_ptr<Node>> children;
    StoredMessagePtr message;
};

RetainedStore::RetainedStore(std::uint64_t messages_max, std::uint64_t bytes_max)
    : root_(std::make_unique<Node>()), messages_max_(messages_max), bytes_max_(bytes_max) {}
RetainedStore::~RetainedStore() = default;

bool RetainedStore::set(StoredMessagePtr message, base::Instant now,
                        std::vector<StoredMessagePtr>* expired) {
    erase_expired(now, expired);
    if (Node* node = find_node(message->topic); node != nullptr && node->message) {
        count_out(*node->message);
        count_in(*message);
        node->message = std::move(message);
        if (bytes_ <= bytes_max_) return true;
        const std::string topic = node->message->topic;
        erase(topic);
        return false;
    }
    if (messages_ >= messages_max_ || bytes_ + message->bytes() + kOverheadBytes > bytes_max_)
        return false;
    Node* node = root_.get();
    std::optional<std::string_view> rest = message->topic;
    while (rest) {
        const auto [level, next] = first_level(*rest);
        auto child = node->children.find(level);
        if (child == node->children.end())
            child = node->children.emplace(std::string(level), std::make_unique<Node>()).first;
        node = child->second.get();
        rest = next;
    }
    count_in(*message);
    node->message = std::move(message);
    return true;
}

bool RetainedStore::erase(std::string_view topic) {
    StoredMessagePtr erased;
    erase_below(*root_, topic, erased);
    if (!erased) return false;
    count_out(*erased);
    return true;
}

/// True: the node holds nothing any more and may go.
bool RetainedStore::erase_below(Node& node, std::optional<std::string_view> rest,
                                StoredMessagePtr& erased) {
    if (!rest) {
        erased = std::move(node.message);
        node.message.reset();
    } else {
        const auto [level, next] = first_level(*rest);
        const auto child = node.children.find(level);
        if (child != node.children.end() && erase_below(*child->second, next, erased))
            node.children.erase(child);
    }
    return node.children.empty() && !node.message;
}

RetainedStore::Node* RetainedStore::find_node(std::string_view topic) const {
    Node* node = root_.get();
    std::optional<std::string_view> rest = topic;
    while (rest) {
        const auto [level, next] = first_level(*rest);
        const auto child = node->children.find(level);
        if (child == node->children.end()) return nullptr;
        node = child->second.get();
        rest = next;
    }
    return node;
}

StoredMessagePtr RetainedStore::find(std::string_view topic) const {
    const Node* node = find_node(topic);
    return node == nullptr ? nullptr : node->message;
}

void RetainedStore::match(std::string_view filter, base::Instant now,
                          std::vector<StoredMessagePtr>& out) const {
    match_below(*root_, filter, true, now, out);
}

void RetainedStore::match_below(const Node& node, std::optional<std::string_view> rest,
                                bool at_root, base::Instant now,
                                std::vector<StoredMessagePtr>& out) {
    if (!rest) {
        if (node.message && !node.message->expired(now)) out.push_back(node.message);
        return;
    }
    const auto [level, next] = first_level(*rest);
    if (level == "#") {
        match_all(node, at_root, now, out);
    } else if (level == "+") {
        for (const auto& [name, child] : node.children)
            if (!at_root || !name.starts_with('$')) match_below(*child, next, false, now, out);
    } else if (const auto child = node.children.find(level); child != node.children.end()) {
        match_below(*child->second, next, false, now, out);
    }
}

void RetainedStore::match_all(const Node& node, bool at_root, base::Instant now,
                              std::vector<StoredMessagePtr>& out) {
    if (node.message && !node.message->expired(now)) out.push_back(node.message);
    for (const auto& [name, child] : node.children)
        if (!at_root || !name.starts_with('$')) match_all(*child, false, now, out);
}

void RetainedStore::count_in(const StoredMessage& message) {
    ++messages_;
    bytes_ += message.bytes() + kOverheadBytes;
    if (message.expires_at) by_expiry_.emplace(*message.expires_at, &message);
}

void RetainedStore::count_out(const StoredMessage& message) {
    --messages_;
    bytes_ -= message.bytes() + kOverheadBytes;
    if (message.expires_at) by_expiry_.erase({*message.expires_at, &message});
}

void RetainedStore::erase_expired(base::Instant now, std::vector<StoredMessagePtr>* expired) {
    while (!by_expiry_.empty() && by_expiry_.begin()->first <= now) {
        const std::string topic = by_expiry_.begin()->second->topic;
        if (expired != nullptr) expired->push_back(find(topic));
        erase(topic);
    }
}

}  // namespace sallyport::mqtt
