// Who subscribes to what: a trie over the levels of topic filters (section 4.7), shared
// subscriptions included (MQTT 5.0, 4.8.2). Matching a topic visits only nodes that exist and
// allocates nothing once the caller's `Matches` has grown.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/mqtt/packet.hpp"
#include "common/mqtt/text_map.hpp"

namespace sallyport::mqtt {

struct Session;

struct SubscriptionOptions {
    Qos qos = Qos::at_most_once;
    bool no_local = false;
    bool retain_as_published = false;
    std::uint32_t identifier = 0;  // 0: none
};
struct Subscriber {
    Session* session = nullptr;
    SubscriptionOptions options;
};
/// The members of one shared subscription; each message goes to one of them.
struct ShareGroup {
    std::uint64_t id = 0;  // never reused
    std::string name;
    std::vector<Subscriber> members;
    std::size_t next = 0;  // whose turn it is
};

class SubscriptionTree {
public:
    /// Valid until the tree changes. A session with overlapping filters appears once for each.
    struct Matches {
        std::vector<const Subscriber*> subscribers;
        std::vector<ShareGroup*> groups;

        void clear() {
            subscribers.clear();
            groups.clear();
        }
    };

    SubscriptionTree();
    ~SubscriptionTree();
    SubscriptionTree(const SubscriptionTree&) = delete;
    SubscriptionTree& operator=(const SubscriptionTree&) = delete;

    /// `filter` is a valid filter, with its `$share/<name>/` where shared. True: it is new for that
    /// session; false: the options of the existing subscription were replaced.
    bool add(std::string_view filter, const Subscriber& subscriber);
    /// False: the session has no such subscription.
    bool remove(std::string_view filter, const Session* session);
    /// Appends to `out` everything that matches the topic name.
    void match(std::string_view topic, Matches& out);
    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }

private:
    struct Node;

    bool add_at(Node& node, std::string_view group, const Subscriber& subscriber);
    static bool remove_at(Node& node, std::string_view group, const Session* session);
    static bool remove_below(Node& node, std::optional<std::string_view> rest,
                             std::string_view group, const Session* session);
    static void match_below(Node& node, std::optional<std::string_view> rest, bool wildcards,
                            Matches& out);
    static void collect(Node& node, Matches& out);

    std::unique_ptr<Node> root_;
    std::size_t size_ = 0;
    std::uint64_t last_group_ = 0;
};

}  // namespace sallyport::mqtt
