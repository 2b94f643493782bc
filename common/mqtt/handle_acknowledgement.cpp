// PUBACK, PUBREC, PUBREL, PUBCOMP (sections 3.4 to 3.7, 4.3).
#include "common/base/mutants.hpp"
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
    auto* entry = session.outbound.find(received.packet_id);
    if (entry != nullptr && entry->delivery.qos != Qos::exactly_once) {
        disconnect(connection, ReasonCode::protocol_error);
        return;
    }
    if (received.reason >= ReasonCode::unspecified_error) {
        if (entry != nullptr) complete(session, received.packet_id);
        return;
    }
    if (entry == nullptr) {
        send(connection, Acknowledgement{PacketType::pubrel,
                                         received.packet_id,
                                         ReasonCode::packet_identifier_not_found,
                                         {}});
    } else {
        if (!entry->released) release_flight(session, received.packet_id, *entry);
        if (entry->sent) send_in_flight(connection, session, received.packet_id);
    }
    session.last_progress = now_.instant;
    pump(session);
}

/// The message is the client's. PUBREL says so, and must not be taken back: it waits for the disk.
void Broker::Impl::release_flight(Session& session, std::uint16_t packet_id,
                                  OutboundQueue::InFlight& entry) {
    const StoredMessagePtr message = entry.delivery.message;
    session.outbound.release(packet_id);
    if (!session.lists_are_kept || base::mutant(base::Mutant::release_not_kept)) return;
    entry.delivery.held_until = keep_delivery(session, entry.delivery, packet_id, true, false);
    unkeep_message(message);
}

void Broker::Impl::on_pubrel(Connection& connection, Session& session, std::uint16_t packet_id) {
    using State = InboundReceipts::State;
    auto* receipt = session.inbound.find(packet_id);
    if (receipt == nullptr || receipt->qos != Qos::exactly_once) {
        send(connection,
             Acknowledgement{
                 PacketType::pubcomp, packet_id, ReasonCode::packet_identifier_not_found, {}});
        return;
    }
    const bool awaits_pubrec =
        receipt->state == State::with_owner ||
        (receipt->state == State::acknowledged && !journal_.is_saved(receipt->held_until));
    if (awaits_pubrec) {
        // A release of what has not been received yet: PUBREC is still to come.
        disconnect(connection, ReasonCode::protocol_error);
        return;
    }
    receipt->asked_on = connection.id;
    if (receipt->state != State::released) begin_release(session, packet_id, *receipt);
    answer_receipt(session, packet_id);
}

/// The receipt must be gone from the disk before PUBCOMP lets the client use the identifier again.
void Broker::Impl::begin_release(Session& session, std::uint16_t packet_id,
                                 InboundReceipts::Receipt& receipt) {
    receipt.state = InboundReceipts::State::released;
    receipt.reason = ReasonCode::success;
    receipt.owner_released = !options_.owner_keeps_receipts;
    unkeep_receipt(session, packet_id, receipt);
    if (receipt.owner_released) return;
    events_.emplace_back(Released{session.client_id, packet_id,
                                  AckToken{session.key, packet_id, receipt.generation}});
}

void Broker::Impl::acknowledge_release(AckToken token, base::Now now) {
    now_ = now;
    Session* session = find_session(token.session);
    if (session == nullptr) return;
    auto* receipt = session->inbound.find(token.packet_id);
    if (receipt == nullptr || receipt->generation != token.generation ||
        receipt->state != InboundReceipts::State::released)
        return;
    receipt->owner_released = true;
    answer_receipt(*session, token.packet_id);
    release_saved();
}

void Broker::Impl::on_pubcomp(Session& session, std::uint16_t packet_id) {
    const auto* entry = session.outbound.find(packet_id);
    if (entry != nullptr && entry->released) complete(session, packet_id);
}

void Broker::Impl::complete(Session& session, std::uint16_t packet_id) {
    complete_delivery(session, packet_id);
    session.last_progress = now_.instant;
    pump(session);
}

}  // namespace sallyport::mqtt
