// Retained messages (section 3.3.1.3), in a trie over topic levels so that a subscription with
// wildcards visits only what it may match. Bounded in messages and bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "common/mqtt/stored_message.hpp"

namespace sallyport::mqtt {

class RetainedStore {
public:
    /// What one retained message costs beyond its own bytes, about: its node and its bookkeeping.
    static constexpr std::size_t kOverheadBytes = 256;

    RetainedStore(std::uint64_t messages_max, std::uint64_t bytes_max);
    ~RetainedStore();
    RetainedStore(const RetainedStore&) = delete;
    RetainedStore& operator=(const RetainedStore&) = delete;

    /// Replaces what is retained on the message's topic. False: there is no room; then nothing is
    /// retained on that topic any more, because the older message would pass for the newest.
    /// What expired before `now` goes first, and is appended to `expired`.
    bool set(StoredMessagePtr message, base::Instant now, std::vector<StoredMessagePtr>* expired);
    bool set(StoredMessagePtr message, base::Instant now) {
        return set(std::move(message), now, nullptr);
    }
    /// False: nothing was retained there.
    bool erase(std::string_view topic);
    StoredMessagePtr find(std::string_view topic) const;
    /// Appends every message whose topic matches `filter` (not a shared one) and that has not
    /// expired.
    void match(std::string_view filter, base::Instant now,
               std::vector<StoredMessagePtr>& out) const;

    std::uint64_t size() const { return messages_; }
    std::uint64_t bytes() const { return bytes_; }

private:
    struct Node;

    Node* find_node(std::string_view topic) const;
    static bool erase_below(Node& node, std::optional<std::string_view> rest,
                            StoredMessagePtr& erased);
    static void match_below(const Node& node, std::optional<std::string_view> rest, bool at_root,
                            base::Instant now, std::vector<StoredMessagePtr>& out);
    static void match_all(const Node& node, bool at_root, base::Instant now,
                          std::vector<StoredMessagePtr>& out);
    void count_in(const StoredMessage& message);
    void count_out(const StoredMessage& message);
    void erase_expired(base::Instant now, std::vector<StoredMessagePtr>* expired);

    std::unique_ptr<Node> root_;
    std::set<std::pair<base::Instant, const StoredMessage*>> by_expiry_;
    std::uint64_t messages_max_;
    std::uint64_t bytes_max_;
    std::uint64_t messages_ = 0;
    std::uint64_t bytes_ = 0;
};

}  // namespace sallyport::mqtt
