// One message to everybody who subscribes to it, and to the retained store.
#include <algorithm>
#include <utility>

#include "common/base/assert.hpp"
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
        const Qos qos = std::min(recipient.qos, message.qos);
        if (!serves(*recipient.session, qos)) continue;
        recipients_.identifiers(recipient, identifiers_);
        deliver(*recipient.session, qos, recipient.retain_as_published && message.retain, false);
    }
    for (ShareGroup* group : matches_.groups)
        if (serves(*group)) deliver_shared(*group);
    if (message.retain && step_ == Step::all) retain_passing();
    passing_stored_.reset();
}

/// Whether the session is served in this step. `stage_` gets to know whom the first has served.
bool Broker::Impl::serves(const Session& session, Qos qos) const {
    if (step_ == Step::all) return true;
    if (step_ == Step::lasting) return is_served_first(session, qos);
    return !is_served_first(session, qos) &&
           !std::ranges::binary_search(stage_.sessions, session.key);
}

/// What lies in its queue is on disk. A session is so for all its life, or loses it once.
bool Broker::Impl::is_served_first(const Session& session, Qos qos) {
    return session.lists_are_kept && qos != Qos::at_most_once;
}

bool Broker::Impl::serves(const ShareGroup& group) const {
    if (step_ == Step::all) return true;
    if (step_ == Step::passing) return !std::ranges::binary_search(stage_.groups, group.id);
    return std::ranges::any_of(group.members, [&](const Subscriber& member) {
        return serves(*member.session, std::min(member.options.qos, passing_.qos));
    });
}

/// One subscriber's copy, with the Subscription Identifiers in `identifiers_`.
void Broker::Impl::deliver(Session& session, Qos qos, bool retain, bool shared) {
    if (qos == Qos::at_most_once)
        deliver_at_most_once(session, retain, shared);
    else
        deliver_acknowledged(session, qos, retain, shared);
}

void Broker::Impl::deliver_at_most_once(Session& session, bool retain, bool shared) {
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
    if (connection->overflow.has_waiting() || !has_room_at_most_once(session, *connection, bytes)) {
        overflow(session, *connection,
                 {stored_passing(), Qos::at_most_once, retain, shared, identifiers_});
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
    if (step_ == Step::lasting && !shared) stage_.sessions.push_back(session.key);
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
    if (!hold_first_sending(session, packet_id)) {
        encoded_.append_to(connection->output, attached.version, qos, retain, packet_id);
        ++counters_.messages_sent;
        announce(*connection);
    }
    update_holding(session);
}

/// 4.8.2: one member gets it.
void Broker::Impl::deliver_shared(ShareGroup& group) {
    const Subscriber& member = choose_member(group);
    if (step_ == Step::lasting) stage_.groups.push_back(group.id);
    identifiers_.clear();
    if (member.options.identifier != 0) identifiers_.push_back(member.options.identifier);
    deliver(*member.session, std::min(member.options.qos, passing_.qos),
            member.options.retain_as_published && passing_.retain, true);
}

/// Members take turns; those who are offline are passed over while another is not, and otherwise it
/// waits in the queue of the one whose turn it is. In the first of two steps only those count whose
/// queue is on disk.
const Subscriber& Broker::Impl::choose_member(ShareGroup& group) {
    const std::size_t count = group.members.size();
    std::optional<std::size_t> chosen;
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t candidate = (group.next + i) % count;
        const Subscriber& member = group.members[candidate];
        const bool counts = step_ != Step::lasting ||
                            serves(*member.session, std::min(member.options.qos, passing_.qos));
        if (!counts) continue;
        const bool is_online = online(*member.session) != nullptr;
        if (!chosen || is_online) chosen = candidate;
        if (is_online) break;
    }
    SALLYPORT_ASSERT(chosen.has_value());
    group.next = (*chosen + 1) % count;
    return group.members[*chosen];
}

void Broker::Impl::retain_passing() {
    // A client's is newer than what is staged; the owner's own order says what it stages last.
    if (!staged_retained_.empty() && !passing_owner_keeps_) {
        const auto staged = staged_retained_.find(passing_.topic);
        if (staged != staged_retained_.end()) staged_retained_.erase(staged);
    }
    const auto message = passing_.payload.empty() ? StoredMessagePtr{} : stored_passing();
    if (message) message->owner_keeps_retained = passing_owner_keeps_;
    retain(passing_.topic, message);
}

/// No message, or none that there is room for, clears (3.3.1.3).
void Broker::Impl::retain(std::string_view topic, const StoredMessagePtr& message) {
    // Also where its owner kept it: that is on disk, too.
    const bool was_there = options_.keeps_state && retained_.find(topic) != nullptr;
    const bool owner_keeps = message ? message->owner_keeps_retained : passing_owner_keeps_;
    const bool is_there = message != nullptr && show_retained(message);
    if (is_there)
        keep_retained(message, !was_there);
    else if (owner_keeps)
        forget_retained(topic);
    else if (was_there)
        unkeep_retained(topic);
    if (message == nullptr) retained_.erase(topic);
    counters_.retained = retained_.size();
}

const StoredMessagePtr& Broker::Impl::stored_passing() {
    if (!passing_stored_) passing_stored_ = store(passing_, passing_publisher_, now_.instant);
    return passing_stored_;
}

}  // namespace sallyport::mqtt
