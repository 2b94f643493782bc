// SUBSCRIBE and UNSUBSCRIBE (sections 3.8 to 3.11), and the retained messages that a subscription
// brings.
#include <algorithm>
#include <utility>

#include "common/mqtt/broker_impl.hpp"
#include "common/mqtt/decode.hpp"
#include "common/mqtt/topic.hpp"

namespace sallyport::mqtt {
namespace {

constexpr std::uint8_t kRetainedIfNew = 1;  // 3.8.3.1
constexpr std::uint8_t kRetainedNever = 2;

ReasonCode granted(Qos qos) {
    switch (qos) {
        case Qos::at_most_once: return ReasonCode::success;
        case Qos::at_least_once: return ReasonCode::granted_qos_1;
        case Qos::exactly_once: return ReasonCode::granted_qos_2;
    }
    return ReasonCode::unspecified_error;
}

Delivery retained_delivery(const StoredMessagePtr& message, const SubscribeFilter& wanted,
                           std::uint32_t identifier) {
    Delivery delivery{message, std::min(message->qos, wanted.qos), true, false, {}};
    if (identifier != 0) delivery.subscription_ids.push_back(identifier);
    return delivery;
}

}  // namespace

void Broker::Impl::handle(Connection& connection, const Subscribe& received) {
    Session& session = *connection.attached()->session;
    const auto identifier = find_property(received.properties, PropertyId::subscription_identifier);
    const std::uint32_t number = identifier ? identifier->number : 0;
    Suback suback{received.packet_id, {}, {}};
    std::vector<const SubscribeFilter*> with_retained;
    for (const auto& wanted : received.filters) {
        bool brings_retained = false;
        suback.reasons.push_back(subscribe(session, wanted, number, brings_retained));
        if (brings_retained) with_retained.push_back(&wanted);
    }
    counters_.subscriptions = subscriptions_.size();
    send_after(connection, suback, session.subscriptions_held_until);
    for (const auto* wanted : with_retained) send_retained(session, *wanted, number);
    pump(session);
}

ReasonCode Broker::Impl::subscribe(Session& session, const SubscribeFilter& wanted,
                                   std::uint32_t identifier, bool& brings_retained) {
    if (const auto reason = authorisation_.refuse_subscribe(session, wanted.filter)) return *reason;
    const SubscriptionOptions options{wanted.qos, wanted.no_local, wanted.retain_as_published,
                                      identifier};
    const auto existing = session.subscriptions.find(wanted.filter);
    const bool is_new = existing == session.subscriptions.end();
    if (is_new && session.subscriptions.size() >= limits_.max_subscriptions_per_client)
        return ReasonCode::quota_exceeded;
    subscriptions_.add(wanted.filter, Subscriber{&session, options});
    if (is_new)
        session.subscriptions.emplace(std::string(wanted.filter), options);
    else
        existing->second = options;
    keep_subscription(session, wanted.filter, options, is_new);
    const bool is_shared = !split_shared(wanted.filter).group.empty();
    brings_retained = !is_shared && wanted.retain_handling != kRetainedNever &&
                      (is_new || wanted.retain_handling != kRetainedIfNew);
    return granted(wanted.qos);
}

void Broker::Impl::send_retained(Session& session, const SubscribeFilter& wanted,
                                 std::uint32_t identifier) {
    matched_retained_.clear();
    retained_.match(wanted.filter, now_.instant, matched_retained_);
    if (session.lists_are_kept && !staged_retained_.empty())
        send_staged_retained(session, wanted, identifier);
    for (const auto& message : matched_retained_) {
        if (wanted.no_local && message->publisher == session.client_id) continue;
        Delivery delivery = retained_delivery(message, wanted, identifier);
        if (delivery.qos != Qos::at_most_once) {
            enqueue(session, std::move(delivery));
            continue;
        }
        Connection* connection = online(session);
        if (connection == nullptr) break;
        const Publish packet = to_packet(delivery, connection->attached()->version);
        const std::size_t bytes = encoded_size(packet, connection->attached()->version);
        if (!connection->overflow.has_waiting() &&
            has_room_at_most_once(session, *connection, bytes))
            write(*connection, packet);
        else
            overflow(session, *connection, std::move(delivery));
    }
    matched_retained_.clear();
}

/// Lasting sessions are served in the first of two steps. So one that subscribes between them is
/// given what the first has staged, as soon as that is saved, and the second passes it over.
void Broker::Impl::send_staged_retained(Session& session, const SubscribeFilter& wanted,
                                        std::uint32_t identifier) {
    const auto is_served_first = [&](const StoredMessage& message) {
        return std::min(message.qos, wanted.qos) != Qos::at_most_once;
    };
    std::erase_if(matched_retained_, [&](const StoredMessagePtr& shown) {
        const auto staged = staged_retained_.find(shown->topic);
        if (staged == staged_retained_.end()) return false;
        return !staged->second.message || is_served_first(*staged->second.message);
    });
    step_ = Step::lasting;
    for (const auto& [topic, staged] : staged_retained_)
        if (staged.message && is_served_first(*staged.message) && matches(wanted.filter, topic))
            enqueue(session, retained_delivery(staged.message, wanted, identifier));
    step_ = Step::all;
}

void Broker::Impl::handle(Connection& connection, const Unsubscribe& received) {
    Session& session = *connection.attached()->session;
    Unsuback unsuback{received.packet_id, {}, {}};
    for (const auto filter : received.filters) {
        const auto existing = session.subscriptions.find(filter);
        if (existing == session.subscriptions.end()) {
            unsuback.reasons.push_back(ReasonCode::no_subscription_existed);
            continue;
        }
        subscriptions_.remove(filter, &session);
        session.subscriptions.erase(existing);
        unkeep_subscription(session, filter);
        unsuback.reasons.push_back(ReasonCode::success);
    }
    counters_.subscriptions = subscriptions_.size();
    send_after(connection, unsuback, session.subscriptions_held_until);
}

}  // namespace sallyport::mqtt
