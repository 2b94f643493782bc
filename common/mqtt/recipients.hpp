// Who gets one message, each session once: overlapping subscriptions are merged to the highest QoS,
// with all their Subscription Identifiers (MQTT 5.0, 3.3.4; 3.1.1, 3.3.5). Memory is used again for
// the next message.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/mqtt/session.hpp"
#include "common/mqtt/subscription_tree.hpp"

namespace sallyport::mqtt {

struct Recipient {
    static constexpr std::uint32_t kNone = 0xFFFF'FFFF;

    Session* session = nullptr;
    Qos qos = Qos::at_most_once;  // the highest granted
    bool retain_as_published = false;
    std::uint32_t first_identifier = kNone;  // index into the list of identifiers
};

class Recipients {
public:
    /// `publisher` (or none) is left out where a subscription says No Local.
    void collect(const SubscriptionTree::Matches& matches, const Session* publisher);
    std::span<const Recipient> all() const { return recipients_; }
    /// Replaces `out`.
    void identifiers(const Recipient& recipient, std::vector<std::uint32_t>& out) const;

private:
    struct Identifier {
        std::uint32_t value = 0;
        std::uint32_t next = Recipient::kNone;
    };

    void merge(Recipient& recipient, const SubscriptionOptions& options);

    std::vector<Recipient> recipients_;
    std::vector<Identifier> identifiers_;
    std::uint64_t mark_ = 0;
};

}  // namespace sallyport::mqtt
