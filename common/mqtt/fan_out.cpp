// One message to everybody who subscribes to it, and to the retained store.
#include <algorithm>
#include <utility>

#include "common/mqtt/broker_impl.hpp"

namespace sallyport::mqtt {

void Broker::Impl::distribute(const Publish& message, const Session* publisher) {
    passing_ = message;
    passing_.packet_id = 0;
    passing_.dup = false;
    passing_publisher_ = publisher == nullptr ? std::string_view{} : publisher->client_id;
    encoded_.reset(passing_);
    matches_.clear();
    subscriptions_.match(message.topic, matches_);
    recipients_.collect(matches_, publisher);
    for (const Recipient& recipient : recipients_.all()) {
        recipients_.identifiers(recipient, identifiers_);
        deliver(*recipient.session, std::min(recipient.qos, message.qos),
                recipient.retain_as_published && message.retain, false);
    }
    for (ShareGroup* group : matches_.groups) deliver_shared(*group);
    if (message.retain) retain_passing();
    passing_stored_.reset();
}

/// One subscriber's copy, with the Subscription Identifiers in `identifiers_`.
void Broker::Impl::deliver(Session& session, Qos qos, bool retain, bool shared) {
    if (qos == Qos::at_most_once)
        deliver_at_most_once(session, retain);
    else
        deliver_acknowledged(session, qos, retain, shared);
}

void Broker::Impl::deliver_at_most_once(Session& session, bool retain) {
    Connection* connection = online(session);
    if (connection == nullptr) return;
    const Attached& attached = *connection->attached();
    Publish packet = passing_;
    packet.qos = Qos::at_most_once;
    packet.retain = retain;
    const bool as_others = identifiers_.empty();
    if (!as_others) {
        block_.assign(passing_.properties.begin(), passing_.properties.end());
        for (const std::uint32_t identifier : identifiers_)
            append_property(block_, {PropertyId::subscription_identifier, identifier, {}, {}});
        packet.properties = block_;
    }
    const std::size_t bytes = as_others ? encoded_.size(attached.version, Qos::at_most_once, retain)
                                        : encoded_size(packet, attached.version);
    if (bytes > attached.packet_bytes_max) return;  // 3.1.2.11.4: as if it had been sent
    if (!has_room_at_most_once(session, *connection, bytes)) {
        ++counters_.dropped_qos0;
        return;
    }
    if (as_others)
        encoded_.append_to(connection->output, attached.version, Qos::at_most_once, retain, 0);
    else
        encode(connection->output, packet, attached.version);
    ++counters_.messages_sent;
    announce(*connection);
}

void Broker::Impl::deliver_acknowledged(Session& session, Qos qos, bool retain, bool shared) {
    Delivery delivery{stored_passing(), qos, retain, shared, identifiers_};
    Connection* connection = online(session);
    if (connection == nullptr || !delivery.subscription_ids.empty() ||
        !may_begin(session, *connection)) {
        enqueue(session, std::move(delivery));
        if (connection != nullptr) pump(session);
        return;
    }
    const Attached& attached = *connection->attached();
    if (encoded_.size(attached.version, qos, retain) > attached.packet_bytes_max) return;
    const std::uint16_t packet_id = begin_flight(session, std::move(delivery));
    encoded_.append_to(connection->output, attached.version, qos, retain, packet_id);
    ++counters_.messages_sent;
    announce(*connection);
    update_holding(session);
}

/// 4.8.2: one member gets it. Members take turns; those who are offline are passed over while
/// another is not, and otherwise it waits in the queue of the one whose turn it is.
void Broker::Impl::deliver_shared(ShareGroup& group) {
    const std::size_t count = group.members.size();
    std::size_t chosen = group.next % count;
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t candidate = (group.next + i) % count;
        if (online(*group.members[candidate].session) == nullptr) continue;
        chosen = candidate;
        break;
    }
    group.next = (chosen + 1) % count;
    const Subscriber& member = group.members[chosen];
    identifiers_.clear();
    if (member.options.identifier != 0) identifiers_.push_back(member.options.identifier);
    deliver(*member.session, std::min(member.options.qos, passing_.qos),
            member.options.retain_as_published && passing_.retain, true);
}

/// An empty payload clears (3.3.1.3).
void Broker::Impl::retain_passing() {
    if (passing_.payload.empty())
        retained_.erase(passing_.topic);
    else
        retained_.set(stored_passing(), now_.instant);
    counters_.retained = retained_.size();
}

const StoredMessagePtr& Broker::Impl::stored_passing() {
    if (!passing_stored_) passing_stored_ = store(passing_, passing_publisher_, now_.instant);
    return passing_stored_;
}

}  // namespace sallyport::mqtt
