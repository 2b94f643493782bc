// PUBLISH from a client (section 3.3), and the owner's acknowledgement of it.
#include <utility>

#include "common/base/mutants.hpp"
#include "common/mqtt/broker_impl.hpp"
#include "common/mqtt/decode.hpp"

namespace sallyport::mqtt {
namespace {

constexpr std::size_t kTopicAliasBytes = 3;

bool is_failure(ReasonCode reason) {
    return reason >= ReasonCode::unspecified_error;
}

/// 3.1.1 cannot say no.
bool is_v3(const Connection* connection) {
    return connection != nullptr &&
           std::get<Attached>(connection->state).version == Version::v3_1_1;
}

PacketType acknowledgement_of(Qos qos) {
    return qos == Qos::exactly_once ? PacketType::pubrec : PacketType::puback;
}

}  // namespace

/// A will's session may have no connection, and its token names none.
Published to_event(const Session& session, const Publish& publish, AckToken token) {
    Published event;
    event.client_id = session.client_id;
    event.topic = publish.topic;
    event.payload = publish.payload;
    event.properties = publish.properties;
    event.qos = publish.qos;
    event.retain = publish.retain;
    event.token = token;
    event.may_be_refused =
        token.session != 0 && session.connection->attached()->version == Version::v5;
    event.dup = publish.dup;
    event.session_is_lasting = session.lists_are_kept;
    return event;
}

void Broker::Impl::handle(Connection& connection, const Publish& received) {
    ++counters_.messages_received;
    Attached& attached = *connection.attached();
    Session& session = *attached.session;
    Publish publish = received;
    if (const auto error = resolve_topic(attached, publish)) {
        disconnect(connection, *error);
        return;
    }
    if (publish.qos == Qos::at_most_once)
        receive_at_most_once(session, publish);
    else
        receive_acknowledged(connection, session, publish);
}

/// Puts the aliased topic in place of an empty one and takes the Topic Alias out of the properties,
/// which belongs to this connection and not to the message (3.3.2.3.4). The error closes the
/// connection.
std::optional<ReasonCode> Broker::Impl::resolve_topic(Attached& attached, Publish& publish) {
    std::optional<std::uint32_t> alias;
    bool is_first = true, alias_is_first = false, alias_is_last = false;
    PropertyReader reader(publish.properties);
    while (const auto property = reader.next()) {
        // MQTT-3.3.4-6: only servers send these.
        if (property->id == PropertyId::subscription_identifier) return ReasonCode::protocol_error;
        alias_is_last = property->id == PropertyId::topic_alias;
        if (alias_is_last) {
            alias = property->number;
            alias_is_first = is_first;
        }
        is_first = false;
    }
    if (!alias) return std::nullopt;
    if (*alias == 0 || *alias > limits_.max_topic_aliases) return ReasonCode::topic_alias_invalid;

    if (alias_is_first)
        publish.properties = publish.properties.subspan(kTopicAliasBytes);
    else if (alias_is_last)
        publish.properties = publish.properties.first(publish.properties.size() - kTopicAliasBytes);
    else
        publish.properties = event_blocks_.emplace_back(
            without_properties(publish.properties, {PropertyId::topic_alias}));

    if (attached.aliases.size() < *alias) attached.aliases.resize(*alias);
    auto& topic = attached.aliases[*alias - 1];
    if (!publish.topic.empty()) {
        if (topic && *topic == publish.topic) return std::nullopt;
        if (topic) event_topics_.push_back(std::move(topic));
        topic = std::make_shared<const std::string>(publish.topic);
    } else if (topic) {
        publish.topic = *topic;
    } else {
        return ReasonCode::protocol_error;  // 3.3.2.3.4: an alias that was never set
    }
    return std::nullopt;
}

void Broker::Impl::receive_at_most_once(Session& session, const Publish& publish) {
    if (authorisation_.refuse_publish(session, publish.topic)) {
        ++counters_.refused_publishes;
        return;
    }
    distribute(publish, &session);
    events_.emplace_back(to_event(session, publish, AckToken{}));
}

void Broker::Impl::receive_acknowledged(Connection& connection, Session& session,
                                        const Publish& publish) {
    const bool is_v5 = connection.attached()->version == Version::v5;
    auto* earlier = session.inbound.find(publish.packet_id);
    if (earlier != nullptr && earlier->qos != publish.qos) {
        if (is_v5)
            send(connection, Acknowledgement{acknowledgement_of(publish.qos),
                                             publish.packet_id,
                                             ReasonCode::packet_identifier_in_use,
                                             {}});
        else
            disconnect(connection, ReasonCode::protocol_error);
        return;
    }
    if (earlier != nullptr && publish.qos == Qos::exactly_once) {
        earlier->asked_on = connection.id;
        receive_repeat(session, publish, *earlier);
        return;
    }
    if (is_v5 && earlier == nullptr && session.inbound.size() >= limits_.max_inflight) {
        disconnect(connection, ReasonCode::receive_maximum_exceeded);
        return;
    }
    if (const auto reason = authorisation_.refuse_publish(session, publish.topic)) {
        answer_refused(connection, session, publish, *reason);
        return;
    }
    if (earlier != nullptr) forget_held(session, publish.packet_id, *earlier);
    auto& receipt = session.inbound.begin(publish.packet_id, publish.qos, connection.id);
    distribute_acknowledged(session, publish, receipt);
    events_.emplace_back(
        to_event(session, publish, {session.key, publish.packet_id, receipt.generation}));
}

/// Fan-out, and the receipt in the same batch of changes. The acknowledgement waits for whatever of
/// that is kept on disk.
void Broker::Impl::distribute_acknowledged(Session& session, const Publish& publish,
                                           InboundReceipts::Receipt& receipt) {
    const std::uint64_t before = journal_.last();
    distribute(publish, &session);
    keep_receipt(session, publish.packet_id, receipt);
    if (journal_.last() != before) receipt.held_until = journal_.last();
    receipt.distributed = true;
}

/// 4.3.3: the same message once more.
void Broker::Impl::receive_repeat(Session& session, const Publish& publish,
                                  InboundReceipts::Receipt& earlier) {
    using State = InboundReceipts::State;
    if (earlier.state == State::with_owner) return;  // PUBREC is still to come
    if (earlier.state == State::released) {
        send(*session.connection,
             Acknowledgement{PacketType::pubrec, publish.packet_id, ReasonCode::success, {}});
        return;
    }
    if (earlier.state == State::interrupted && (!earlier.distributed || !earlier.owner_has_it)) {
        const bool was_distributed = earlier.distributed;
        session.inbound.ask_again(earlier);
        if (!was_distributed) distribute_acknowledged(session, publish, earlier);
        Published event =
            to_event(session, publish, {session.key, publish.packet_id, earlier.generation});
        event.already_distributed = was_distributed;
        event.already_yours = !was_distributed;
        events_.emplace_back(event);
        return;
    }
    earlier.state = State::acknowledged;
    answer_receipt(session, publish.packet_id);
}

/// 3.1.1 cannot say no: the message is acknowledged and goes nowhere (3.3.5 there).
void Broker::Impl::answer_refused(Connection& connection, Session& session, const Publish& publish,
                                  ReasonCode reason) {
    ++counters_.refused_publishes;
    if (const auto* earlier = session.inbound.find(publish.packet_id))
        forget_held(session, publish.packet_id, *earlier);
    session.inbound.erase(publish.packet_id);
    const bool is_v5 = connection.attached()->version == Version::v5;
    if (!is_v5 && publish.qos == Qos::exactly_once)
        session.inbound.begin(publish.packet_id, publish.qos, connection.id).state =
            InboundReceipts::State::acknowledged;
    send(connection, Acknowledgement{acknowledgement_of(publish.qos),
                                     publish.packet_id,
                                     is_v5 ? reason : ReasonCode::success,
                                     {}});
}

/// The packet identifier stands for another message now: what the earlier one waited for is void.
void Broker::Impl::forget_held(const Session& session, std::uint16_t packet_id,
                               const InboundReceipts::Receipt& receipt) {
    held_.erase({receipt.held_until, Held::Kind::receipt, session.key, packet_id});
}

bool Broker::Impl::awaits(AckToken token) {
    Session* session = find_session(token.session);
    if (session == nullptr) return false;
    const auto* receipt = session->inbound.find(token.packet_id);
    return receipt != nullptr && receipt->generation == token.generation &&
           receipt->state == InboundReceipts::State::with_owner;
}

void Broker::Impl::acknowledge(AckToken token, ReasonCode reason, base::Now now) {
    now_ = now;
    if (!awaits(token)) return;
    Session* session = find_session(token.session);
    auto* receipt = session->inbound.find(token.packet_id);
    receipt->state = InboundReceipts::State::acknowledged;
    receipt->reason = is_v3(online(*session)) ? ReasonCode::success : reason;
    // A failure ends the exchange; the identifier may stand for a new message as soon as the client
    // knows.
    if (is_failure(receipt->reason)) unkeep_receipt(*session, token.packet_id, *receipt);
    answer_receipt(*session, token.packet_id);
    release_saved();
}

/// PUBACK, PUBREC or PUBCOMP, if it is due: the owner has answered and what it stands for is on
/// disk. It goes to the connection on which the client waits for it, or nowhere.
void Broker::Impl::answer_receipt(Session& session, std::uint16_t packet_id) {
    using State = InboundReceipts::State;
    auto* receipt = session.inbound.find(packet_id);
    if (receipt == nullptr || receipt->state == State::with_owner ||
        receipt->state == State::interrupted ||
        (receipt->state == State::released && !receipt->owner_released))
        return;
    if (!journal_.is_saved(receipt->held_until) &&
        !base::mutant(base::Mutant::broker_ack_before_saved)) {
        held_.insert({receipt->held_until, Held::Kind::receipt, session.key, packet_id});
        return;
    }
    Connection* connection = online(session);
    if (connection != nullptr && connection->id != receipt->asked_on) connection = nullptr;
    // The client knows that nothing has come of it only when it is told.
    if (receipt->qos == Qos::exactly_once && is_failure(receipt->reason) && connection == nullptr)
        return;
    if (is_v3(connection)) receipt->reason = ReasonCode::success;
    Acknowledgement answer{PacketType::pubcomp, packet_id, receipt->reason, {}};
    if (receipt->state == State::acknowledged) answer.type = acknowledgement_of(receipt->qos);
    if (answer.type != PacketType::pubrec || is_failure(receipt->reason))
        session.inbound.erase(packet_id);
    if (connection != nullptr) send(*connection, answer);
}

}  // namespace sallyport::mqtt
