// Messages that outlive the bytes they came in: queued, in flight, retained, or a client's will.
#pragma once

#include <initializer_list>
#include <memory>
#include <optional>
#include <string>

#include "common/base/time.hpp"
#include "common/mqtt/packet.hpp"

namespace sallyport::mqtt {

/// One Application Message, shared by every queue it stands in and by the retained store.
struct StoredMessage {
    std::string topic;
    base::Bytes payload;
    base::Bytes
        properties;  // raw v5 block; without Message Expiry Interval, which `expires_at` stands for
    std::string
        publisher;  // client identifier, for No Local on retained messages; empty: the owner's
    Qos qos = Qos::at_most_once;
    std::optional<base::Instant> expires_at;

    // Where queues of lasting sessions hold it: its number on disk (0: it has none) and how many
    // deliveries name it. The broker's book-keeping, not part of the message.
    mutable std::uint64_t number = 0;
    mutable std::uint32_t deliveries = 0;
    mutable bool owner_keeps_retained = false;  // as a retained message: not the journal's

    std::size_t bytes() const { return topic.size() + payload.size() + properties.size(); }
    bool expired(base::Instant now) const { return expires_at && *expires_at <= now; }
};
using StoredMessagePtr = std::shared_ptr<const StoredMessage>;

/// A will as CONNECT gave it. Its Message Expiry Interval counts from publication, so it stays in
/// the block; the Will Delay Interval does not.
struct OwnedWill {
    std::string topic;
    base::Bytes payload;
    base::Bytes properties;
    Qos qos = Qos::at_most_once;
    bool retain = false;
    base::Duration delay{};
};

StoredMessagePtr store(const Publish& message, std::string_view publisher, base::Instant now);
OwnedWill own(const Will& will);

/// Seconds left, as the Message Expiry Interval says them on delivery (3.3.2.3.3). At least 1: a
/// message that was sent once before it expired may be sent again.
std::uint32_t remaining_seconds(base::Instant expires_at, base::Instant now);

/// Appends them to a block that has no Message Expiry Interval.
void append_remaining(base::Bytes& block, base::Instant expires_at, base::Instant now);

/// A copy of an accepted block without the properties of these kinds.
base::Bytes without_properties(base::ByteView block, std::initializer_list<PropertyId> ids);

}  // namespace sallyport::mqtt
