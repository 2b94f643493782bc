// PUBLISH from a client (section 3.3), and the owner's acknowledgement of it.
#include <utility>

#include "common/mqtt/broker_impl.hpp"
#include "common/mqtt/decode.hpp"

namespace sallyport::mqtt {
namespace {

constexpr std::size_t kTopicAliasBytes = 3;

bool is_failure(ReasonCode reason) {
    return reason >= ReasonCode::unspecified_error;
}

PacketType acknowledgement_of(Qos qos) {
    return qos == Qos::exactly_once ? PacketType::pubrec : PacketType::puback;
}

}  // namespace

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
    if (authorisation_.refuse_publish(session, publish.topic))
        ++counters_.refused_publishes;
    else
        take_in(session, publish, AckToken{});
}

void Broker::Impl::receive_acknowledged(Connection& connection, Session& session,
                                        const Publish& publish) {
    const bool is_v5 = connection.attached()->version == Version::v5;
    const auto* earlier = session.inbound.find(publish.packet_id);
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
        // 4.3.3: the same message once more. While the owner has not answered, PUBREC is still to
        // come.
        if (earlier->acknowledged)
            send(connection,
                 Acknowledgement{PacketType::pubrec, publish.packet_id, ReasonCode::success, {}});
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
    const auto generation = session.inbound.begin(publish.packet_id, publish.qos);
    take_in(session, publish, AckToken{session.key, publish.packet_id, generation});
}

/// 3.1.1 cannot say no: the message is acknowledged and goes nowhere (3.3.5 there).
void Broker::Impl::answer_refused(Connection& connection, Session& session, const Publish& publish,
                                  ReasonCode reason) {
    ++counters_.refused_publishes;
    session.inbound.erase(publish.packet_id);
    const bool is_v5 = connection.attached()->version == Version::v5;
    if (!is_v5 && publish.qos == Qos::exactly_once) {
        session.inbound.begin(publish.packet_id, publish.qos);
        session.inbound.find(publish.packet_id)->acknowledged = true;
    }
    send(connection, Acknowledgement{acknowledgement_of(publish.qos),
                                     publish.packet_id,
                                     is_v5 ? reason : ReasonCode::success,
                                     {}});
}

void Broker::Impl::take_in(Session& session, const Publish& publish, AckToken token) {
    distribute(publish, &session);
    events_.emplace_back(Published{session.client_id, publish.topic, publish.payload,
                                   publish.properties, publish.qos, publish.retain, false, token});
}

void Broker::Impl::acknowledge(AckToken token, ReasonCode reason, base::Now now) {
    now_ = now;
    Session* session = find_session(token.session);
    if (session == nullptr) return;
    auto* receipt = session->inbound.find(token.packet_id);
    if (receipt == nullptr || receipt->generation != token.generation || receipt->acknowledged)
        return;
    const Qos qos = receipt->qos;
    Connection* connection = online(*session);
    const bool is_v3 = connection != nullptr && connection->attached()->version == Version::v3_1_1;
    if (qos == Qos::exactly_once && (is_v3 || !is_failure(reason)))
        receipt->acknowledged = true;
    else
        session->inbound.erase(token.packet_id);
    if (connection == nullptr) return;
    send(*connection,
         Acknowledgement{
             acknowledgement_of(qos), token.packet_id, is_v3 ? ReasonCode::success : reason, {}});
}

}  // namespace sallyport::mqtt
