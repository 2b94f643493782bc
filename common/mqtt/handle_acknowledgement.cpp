// PUBACK, PUBREC, PUBREL, PUBCOMP (sections 3.4 to 3.7, 4.3).
#include "common/mqtt/broker_impl.hpp"

namespace sallyport::mqtt {

void Broker::Impl::handle(Connection& connection, const Acknowledgement& received) {
    Session& session = *connection.attached()->session;
    if (received.type == PacketType::puback)
        on_puback(connection, session, received.packet_id);
    else if (received.type == PacketType::pubrec)
        on_pubrec(connection, session, received);
    else if (received.type == PacketType::pubrel)
        on_pubrel(connection, session, received.packet_id);
    else
        on_pubcomp(session, received.packet_id);
}

/// A PUBACK for nothing is late, not wrong: the message may have been given up in between.
void Broker::Impl::on_puback(Connection& connection, Session& session, std::uint16_t packet_id) {
    const auto* entry = session.outbound.find(packet_id);
    if (entry == nullptr) return;
    if (entry->delivery.qos != Qos::at_least_once) {
        disconnect(connection, ReasonCode::protocol_error);
        return;
    }
    complete(session, packet_id);
}

void Broker::Impl::on_pubrec(Connection& connection, Session& session,
                             const Acknowledgement& received) {
    const auto* entry = session.outbound.find(received.packet_id);
    if (entry != nullptr && entry->delivery.qos != Qos::exactly_once) {
        disconnect(connection, ReasonCode::protocol_error);
        return;
    }
    if (received.reason >= ReasonCode::unspecified_error) {
        if (entry != nullptr) complete(session, received.packet_id);
        return;
    }
    if (entry != nullptr) session.outbound.release(received.packet_id);
    send(connection, Acknowledgement{PacketType::pubrel,
                                     received.packet_id,
                                     entry != nullptr ? ReasonCode::success
                                                      : ReasonCode::packet_identifier_not_found,
                                     {}});
    session.last_progress = now_.instant;
    pump(session);
}

void Broker::Impl::on_pubrel(Connection& connection, Session& session, std::uint16_t packet_id) {
    const auto* receipt = session.inbound.find(packet_id);
    const bool known = receipt != nullptr && receipt->qos == Qos::exactly_once;
    if (known && !receipt->acknowledged) {
        // A release of what has not been received yet: PUBREC is still to come.
        disconnect(connection, ReasonCode::protocol_error);
        return;
    }
    if (known) session.inbound.erase(packet_id);
    send(connection,
         Acknowledgement{PacketType::pubcomp,
                         packet_id,
                         known ? ReasonCode::success : ReasonCode::packet_identifier_not_found,
                         {}});
}

void Broker::Impl::on_pubcomp(Session& session, std::uint16_t packet_id) {
    const auto* entry = session.outbound.find(packet_id);
    if (entry != nullptr && entry->released) complete(session, packet_id);
}

void Broker::Impl::complete(Session& session, std::uint16_t packet_id) {
    session.outbound.complete(packet_id);
    session.last_progress = now_.instant;
    pump(session);
}

}  // namespace sallyport::mqtt
