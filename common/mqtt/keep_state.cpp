// Every change of what outlives the process, written to the journal. A session is lasting where its
// expiry is not 0; only then its subscriptions, deliveries and receipts are kept. A session that is
// not lasting is kept, without them, while it has a will.
#include <algorithm>
#include <utility>

#include "common/mqtt/broker_impl.hpp"

namespace sallyport::mqtt {
namespace {

using Kind = Journal::Kind;

std::uint32_t to_seconds(base::Duration expiry) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(expiry).count();
    return static_cast<std::uint32_t>(std::min<std::int64_t>(seconds, 0xFFFF'FFFF));
}

Journal::Thing thing(Kind kind, std::uint64_t owner, std::uint64_t number,
                     std::string_view text = {}) {
    return {kind, owner, number, std::string(text)};
}

}  // namespace

/// After any change of its expiry, its will or its connection.
void Broker::Impl::keep_session(Session& session) {
    if (!options_.keeps_state) return;
    const bool is_lasting = session.expiry > base::Duration{};
    if (session.lists_are_kept && !is_lasting) unkeep_session(session);
    keep_lists(session, is_lasting);
    if (!is_lasting && !session.will) {
        unkeep_session(session);
        return;
    }
    journal_.put(thing(Kind::session, session.key, 0),
                 SessionPut{session.client_id, to_seconds(session.expiry), session.ended_at,
                            session.will, session.key},
                 !session.is_kept);
    session.is_kept = true;
}

void Broker::Impl::keep_lists(Session& session, bool on) {
    if (session.lists_are_kept == on) return;
    session.lists_are_kept = on;
    lasting_sessions_ = on ? lasting_sessions_ + 1 : lasting_sessions_ - 1;
}

/// The session stands on, or ends; nothing of it stays on disk.
void Broker::Impl::unkeep_session(Session& session) {
    if (!session.is_kept) return;
    session.is_kept = false;
    if (!session.lists_are_kept) {
        journal_.drop_last(thing(Kind::session, session.key, 0), SessionGone{session.client_id});
        return;
    }
    keep_lists(session, false);
    for (const auto& [filter, options] : session.subscriptions)
        journal_.forget(thing(Kind::subscription, session.key, 0, filter));
    session.inbound.for_each([&](std::uint16_t packet_id, InboundReceipts::Receipt& receipt) {
        journal_.forget(thing(Kind::receipt, session.key, packet_id));
        receipt.kept = false;
    });
    session.outbound.for_each([&](const Delivery& delivery) {
        journal_.forget(thing(Kind::delivery, session.key, delivery.order));
    });
    journal_.drop_last(thing(Kind::session, session.key, 0), SessionGone{session.client_id});
    session.outbound.for_each([&](const Delivery& delivery) { unkeep_message(delivery.message); });
}

void Broker::Impl::keep_subscription(Session& session, std::string_view filter,
                                     const SubscriptionOptions& options, bool is_new) {
    if (!session.lists_are_kept) return;
    journal_.put(thing(Kind::subscription, session.key, 0, filter),
                 SubscriptionPut{session.client_id, std::string(filter), options}, is_new);
    session.subscriptions_held_until = journal_.last();
}

void Broker::Impl::unkeep_subscription(Session& session, std::string_view filter) {
    if (!session.lists_are_kept) return;
    journal_.drop(thing(Kind::subscription, session.key, 0, filter),
                  SubscriptionGone{session.client_id, std::string(filter)});
    session.subscriptions_held_until = journal_.last();
}

/// Returns the change's number; 0 where the session is not lasting.
std::uint64_t Broker::Impl::keep_delivery(const Session& session, const Delivery& delivery,
                                          std::uint16_t packet_id, bool released, bool is_new) {
    if (!session.lists_are_kept) return 0;
    const StoredMessage* message = delivery.message.get();
    if (is_new && message->deliveries++ == 0) {
        message->number = ++last_message_number_;
        journal_.put(thing(Kind::message, 0, message->number), MessagePut{message->number, {}},
                     true, delivery.message);
    }
    journal_.put(thing(Kind::delivery, session.key, delivery.order),
                 DeliveryPut{session.client_id, delivery.order,
                             message == nullptr ? MessageNumber{0} : message->number, delivery.qos,
                             delivery.retain, delivery.shared, delivery.subscription_ids, packet_id,
                             released},
                 is_new);
    return journal_.last();
}

void Broker::Impl::unkeep_delivery(const Session& session, const Delivery& delivery) {
    if (!session.lists_are_kept) return;
    journal_.drop(thing(Kind::delivery, session.key, delivery.order),
                  DeliveryGone{session.client_id, delivery.order});
    unkeep_message(delivery.message);
}

/// A delivery no longer names it. Nothing: it was released, and names none.
void Broker::Impl::unkeep_message(const StoredMessagePtr& message) {
    if (!message || --message->deliveries > 0) return;
    journal_.drop(thing(Kind::message, 0, message->number), MessageGone{message->number});
    message->number = 0;
}

void Broker::Impl::keep_receipt(const Session& session, std::uint16_t packet_id,
                                InboundReceipts::Receipt& receipt) {
    if (!session.lists_are_kept || receipt.qos != Qos::exactly_once) return;
    journal_.put(thing(Kind::receipt, session.key, packet_id),
                 ReceiptPut{session.client_id, packet_id}, true);
    receipt.kept = true;
    receipt.held_until = journal_.last();
}

void Broker::Impl::unkeep_receipt(const Session& session, std::uint16_t packet_id,
                                  InboundReceipts::Receipt& receipt) {
    if (!receipt.kept) return;
    journal_.drop(thing(Kind::receipt, session.key, packet_id),
                  ReceiptGone{session.client_id, packet_id});
    receipt.kept = false;
    receipt.held_until = journal_.last();
}

void Broker::Impl::keep_retained(const StoredMessagePtr& message, bool is_new) {
    if (!options_.keeps_state) return;
    if (message->owner_keeps_retained) return forget_retained(message->topic);
    journal_.put(thing(Kind::retained, 0, 0, message->topic), RetainedPut{message->topic, {}},
                 is_new, message);
}

/// The owner's own store has the topic from here on; what a client left there is older.
void Broker::Impl::forget_retained(std::string_view topic) {
    if (options_.keeps_state) journal_.forget(thing(Kind::retained, 0, 0, topic));
}

void Broker::Impl::unkeep_retained(std::string_view topic) {
    if (!options_.keeps_state) return;
    journal_.drop(thing(Kind::retained, 0, 0, topic), RetainedGone{std::string(topic)});
}

}  // namespace sallyport::mqtt
