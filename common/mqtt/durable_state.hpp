// What of the broker outlives its process: lasting sessions (those whose Session Expiry Interval is
// not 0; sections 3.1.2.11.2 and 4.1), their subscriptions, queued and in-flight messages and QoS 2
// receipts, and the retained messages.
//
// The broker journals every change of it. Its owner takes the journal in batches, one under way at
// a time, and says when a batch is on disk; what must not be said before that (see the README) the
// broker holds until then. A start gives it what load() of the store found.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/base/time.hpp"
#include "common/mqtt/packet.hpp"
#include "common/mqtt/stored_message.hpp"
#include "common/mqtt/subscription_tree.hpp"

namespace sallyport::mqtt {

/// Numbers a stored message; never reused within a store. 0: none.
using MessageNumber = std::uint64_t;
/// A message's place in its session's queue; rises, never reused within a session.
using DeliveryOrder = std::uint64_t;

/// A message as it is on disk: as StoredMessage, with the time of expiry in UTC, because a
/// monotonic clock does not outlive the machine.
struct DurableMessage {
    std::string topic;
    base::Bytes payload;
    base::Bytes properties;
    std::string publisher;
    Qos qos = Qos::at_most_once;
    std::optional<base::WallTime> expires_at;
};

/// One session without its lists. Put replaces all of it. A session that is not lasting stands here
/// for as long as it has a will, and has no lists.
struct SessionPut {
    std::string client_id;
    std::uint32_t expiry_s = 0;              // Session Expiry Interval; 0xFFFFFFFF: never
    std::optional<base::WallTime> ended_at;  // end of its last connection; none: it is connected
    std::optional<OwnedWill> will;           // not yet published
    std::uint64_t key = 0;                   // tells it from the client's other sessions
};
/// The session and everything of it.
struct SessionGone {
    std::string client_id;
};
struct SubscriptionPut {
    std::string client_id;
    std::string filter;  // as subscribed, with "$share/<name>/"
    SubscriptionOptions options;
};
struct SubscriptionGone {
    std::string client_id;
    std::string filter;
};
/// Stands before the first delivery that names it; gone with the last one.
struct MessagePut {
    MessageNumber number = 0;
    std::shared_ptr<const DurableMessage> message;
};
struct MessageGone {
    MessageNumber number = 0;
};
/// A queued message of a session (packet_id 0) or one in flight. Put replaces. Once it is released
/// its message is the client's, and `message` is 0.
struct DeliveryPut {
    std::string client_id;
    DeliveryOrder order = 0;
    MessageNumber message = 0;
    Qos qos = Qos::at_least_once;
    bool retain = false;
    bool shared = false;
    std::vector<std::uint32_t> subscription_ids;
    std::uint16_t packet_id = 0;
    bool released = false;  // PUBREC has come
};
struct DeliveryGone {
    std::string client_id;
    DeliveryOrder order = 0;
};
/// A QoS 2 PUBLISH that has been taken over and not yet released by PUBREL.
struct ReceiptPut {
    std::string client_id;
    std::uint16_t packet_id = 0;
};
struct ReceiptGone {
    std::string client_id;
    std::uint16_t packet_id = 0;
};
struct RetainedPut {
    std::string topic;
    std::shared_ptr<const DurableMessage> message;
};
struct RetainedGone {
    std::string topic;
};

using DurableChange = std::variant<SessionPut, SessionGone, SubscriptionPut, SubscriptionGone,
                                   MessagePut, MessageGone, DeliveryPut, DeliveryGone, ReceiptPut,
                                   ReceiptGone, RetainedPut, RetainedGone>;

/// Changes in the order in which they were made; all of them or none become durable. `upto` is the
/// number of the last one.
struct DurableChanges {
    std::uint64_t upto = 0;
    std::vector<DurableChange> changes;
};

/// What a start finds: the sum of all changes that became durable.
struct DurableState {
    std::vector<SessionPut> sessions;
    std::vector<SubscriptionPut> subscriptions;
    std::vector<MessagePut> messages;
    std::vector<DeliveryPut> deliveries;  // by client, then order
    std::vector<ReceiptPut> receipts;
    std::vector<RetainedPut> retained;
};

}  // namespace sallyport::mqtt
