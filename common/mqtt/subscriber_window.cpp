// What one subscriber is sent next. A session's share of memory, session_queue_bytes, holds its
// output, its messages in flight and its queue: QoS 0 may fill half of it with output, messages in
// flight a quarter, so that room is left for the newest.
#include <algorithm>
#include <utility>

#include "common/base/mutants.hpp"
#include "common/mqtt/broker_impl.hpp"

namespace sallyport::mqtt {

/// Its connection, if it has one that output may be written for.
Connection* Broker::Impl::online(const Session& session) const {
    Connection* connection = session.connection;
    return connection != nullptr && connection->attached() != nullptr ? connection : nullptr;
}

bool Broker::Impl::has_room_at_most_once(const Session& session, const Connection& connection,
                                         std::size_t bytes) const {
    const std::size_t output = connection.output.size() + bytes;
    return output <= limits_.session_queue_bytes / 2 &&
           output + session.outbound.bytes() <= limits_.session_queue_bytes;
}

/// QoS 0 that there is no room for. The newest of each topic waits, so that who reads again is not
/// left with an old one; of shared subscriptions, whose messages are no state, nothing does.
void Broker::Impl::overflow(const Session& session, Connection& connection, Delivery delivery) {
    if (delivery.shared) {
        ++counters_.dropped_qos0;
        return;
    }
    connection.overflow.push(std::move(delivery));
    counters_.dropped_qos0 += connection.overflow.drop_superseded();
    trim_overflow(session, connection);
    send_overflow(session, connection);
}

/// What output and QoS 1 and 2 leave of the session's share.
void Broker::Impl::trim_overflow(const Session& session, Connection& connection) {
    const std::size_t all = limits_.session_queue_bytes;
    const std::size_t taken = connection.output.size() + session.outbound.bytes();
    counters_.dropped_qos0 +=
        connection.overflow.trim(limits_.session_queue_messages, all - std::min(all, taken));
}

/// As long as there is room; without output one goes in any case, or nothing would ask again.
void Broker::Impl::send_overflow(const Session& session, Connection& connection) {
    OutboundQueue& waiting = connection.overflow;
    while (waiting.has_waiting() && connection.output.size() < kOutputTargetBytes) {
        const Delivery& next = waiting.front();
        const bool expired = next.message->expired(now_.instant);
        const Publish packet = to_packet(next, connection.attached()->version);
        const std::size_t bytes = encoded_size(packet, connection.attached()->version);
        if (!expired && !connection.output.empty() &&
            !has_room_at_most_once(session, connection, bytes))
            return;
        if (expired)
            ++counters_.dropped_expired;
        else
            write(connection, packet);
        waiting.pop();
    }
}

/// A message may go in flight at once: nothing waits before it and there is room.
bool Broker::Impl::may_begin(const Session& session, const Connection& connection) const {
    const OutboundQueue& outbound = session.outbound;
    const std::size_t flight_max = limits_.session_queue_bytes / 4;
    return connection.output.size() < kOutputTargetBytes && outbound.window_open() &&
           !outbound.has_waiting() && !outbound.has_resend() &&
           (outbound.in_flight() == 0 || outbound.in_flight_bytes() < flight_max);
}

/// From a consumer's queue nothing is dropped that the owner publishes in two steps: it holds back.
void Broker::Impl::enqueue(Session& session, Delivery delivery) {
    delivery.must_stay = session.is_consumer && step_ != Step::all;
    Delivery& waiting = session.outbound.push(std::move(delivery));
    const std::uint64_t number = keep_delivery(session, waiting, 0, false, true);
    if (step_ == Step::lasting && !base::mutant(base::Mutant::stage_not_held))
        waiting.held_until = number;
    trim(session);
    if (session.is_consumer) update_holding(session);
}

void Broker::Impl::trim(Session& session) {
    const std::size_t all = limits_.session_queue_bytes;
    const std::size_t output =
        session.connection == nullptr ? 0 : session.connection->output.size();
    trimmed_.clear();
    counters_.dropped_queue_full += session.outbound.trim(limits_.session_queue_messages,
                                                          all - std::min(all, output), &trimmed_);
    for (const Delivery& dropped : trimmed_) unkeep_delivery(session, dropped);
    trimmed_.clear();
    if (session.connection != nullptr) trim_overflow(session, *session.connection);
}

/// Sends again what was in flight when the connection ended, then what waits, as far as the
/// client's Receive Maximum and the output allow.
void Broker::Impl::pump(Session& session) {
    Connection* connection = online(session);
    if (connection == nullptr) return;
    OutboundQueue& outbound = session.outbound;
    const std::size_t flight_max = limits_.session_queue_bytes / 4;
    while (connection->attached() != nullptr && connection->output.size() < kOutputTargetBytes &&
           outbound.window_open()) {
        if (const auto packet_id = outbound.next_resend()) {
            send_in_flight(*connection, session, *packet_id);
            continue;
        }
        const bool flight_is_full =
            outbound.in_flight() > 0 && outbound.in_flight_bytes() >= flight_max;
        if (!outbound.has_waiting() || flight_is_full) break;
        send_waiting(*connection, session);
    }
    if (connection->attached() != nullptr) send_overflow(session, *connection);
    update_holding(session);
}

/// What is due next of a message in flight, PUBLISH or PUBREL, unless it has to wait for the disk.
void Broker::Impl::send_in_flight(Connection& connection, Session& session,
                                  std::uint16_t packet_id) {
    OutboundQueue::InFlight& entry = *session.outbound.find(packet_id);
    if (!journal_.is_saved(entry.delivery.held_until)) {
        hold_flight(session, packet_id, entry.delivery.held_until);
        return;
    }
    if (entry.released) {
        send(connection, Acknowledgement{PacketType::pubrel, packet_id, ReasonCode::success, {}});
        return;
    }
    Publish packet = to_packet(entry.delivery, connection.attached()->version);
    packet.packet_id = packet_id;
    packet.dup = entry.attempted;
    entry.attempted = true;
    if (!write(connection, packet)) complete_delivery(session, packet_id);
}

void Broker::Impl::send_waiting(Connection& connection, Session& session) {
    Delivery delivery = session.outbound.pop();
    if (delivery.message->expired(now_.instant)) {
        ++counters_.dropped_expired;
    } else {
        Publish packet = to_packet(delivery, connection.attached()->version);
        packet.packet_id = 1;  // any: its size is what counts
        if (encoded_size(packet, connection.attached()->version) <=
            connection.attached()->packet_bytes_max) {
            packet.packet_id = begin_flight(session, std::move(delivery));
            if (!hold_first_sending(session, packet.packet_id)) write(connection, packet);
            return;
        }
    }
    unkeep_delivery(session, delivery);
}

/// Progress is judged from when there is something to complete. A QoS 2 message is not sent before
/// its packet identifier is on disk: sent under another one, it would be another message.
std::uint16_t Broker::Impl::begin_flight(Session& session, Delivery delivery) {
    if (session.outbound.in_flight() == 0) session.last_progress = now_.instant;
    const bool is_new = delivery.order == 0;
    const std::uint16_t packet_id = session.outbound.begin(std::move(delivery));
    if (!session.lists_are_kept) return packet_id;
    OutboundQueue::InFlight& begun = *session.outbound.find(packet_id);
    const std::uint64_t number = keep_delivery(session, begun.delivery, packet_id, false, is_new);
    const bool is_staged = step_ == Step::lasting && !base::mutant(base::Mutant::stage_not_held);
    const bool is_once =
        begun.delivery.qos == Qos::exactly_once && !base::mutant(base::Mutant::flight_not_held);
    if (is_once || is_staged)
        begun.delivery.held_until = std::max(begun.delivery.held_until, number);
    begun.attempted = journal_.is_saved(begun.delivery.held_until);
    return packet_id;
}

/// True: what was just put in flight has to wait for the disk.
bool Broker::Impl::hold_first_sending(const Session& session, std::uint16_t packet_id) {
    if (!session.lists_are_kept) return false;
    const OutboundQueue::InFlight& begun = *session.outbound.find(packet_id);
    if (!begun.attempted) hold_flight(session, packet_id, begun.delivery.held_until);
    return !begun.attempted;
}

void Broker::Impl::complete_delivery(Session& session, std::uint16_t packet_id) {
    unkeep_delivery(session, session.outbound.find(packet_id)->delivery);
    session.outbound.complete(packet_id);
}

/// The message as this subscriber gets it; its properties may stand in `block_`.
Publish Broker::Impl::to_packet(const Delivery& delivery, Version version) {
    const StoredMessage& message = *delivery.message;
    Publish packet;
    packet.topic = message.topic;
    packet.payload = message.payload;
    packet.properties = message.properties;
    packet.qos = delivery.qos;
    packet.retain = delivery.retain;
    if (version == Version::v3_1_1 || (!message.expires_at && delivery.subscription_ids.empty()))
        return packet;
    block_.assign(message.properties.begin(), message.properties.end());
    if (message.expires_at) append_remaining(block_, *message.expires_at, now_.instant);
    for (const std::uint32_t identifier : delivery.subscription_ids)
        append_property(block_, {PropertyId::subscription_identifier, identifier, {}, {}});
    packet.properties = block_;
    return packet;
}

/// False: larger than the client takes; then it counts as sent (3.1.2.11.4).
bool Broker::Impl::write(Connection& connection, const Publish& packet) {
    const Attached& attached = *connection.attached();
    if (encoded_size(packet, attached.version) > attached.packet_bytes_max) return false;
    encode(connection.output, packet, attached.version);
    ++counters_.messages_sent;
    announce(connection);
    return true;
}

/// More than half its share is taken. A consumer's by what must stay: the rest is dropped when due.
bool Broker::Impl::is_congested(const Session& session) const {
    const OutboundQueue& outbound = session.outbound;
    if (session.is_consumer)
        return outbound.staying() > limits_.session_queue_messages / 2 ||
               outbound.staying_bytes() > limits_.session_queue_bytes / 2;
    return online(session) != nullptr && (outbound.waiting() > limits_.session_queue_messages / 2 ||
                                          outbound.bytes() > limits_.session_queue_bytes / 2);
}

/// Broker::holds_back(): congested, and a consumer, or connected and getting on.
void Broker::Impl::update_holding(Session& session) {
    const bool congested = is_congested(session);
    const auto judged_at = session.last_progress + kProgressWindow;
    const bool holding = congested && (session.is_consumer || judged_at > now_.instant);
    if (holding && !session.is_consumer && !session.progress_due)
        deadlines_.set(session.progress_due, judged_at, DeadlineKind::progress, session.key);
    if (!congested) deadlines_.cancel(session.progress_due, DeadlineKind::progress, session.key);
    if (holding == session.holding_since.has_value()) return;
    if (holding)
        session.holding_since = now_;
    else
        session.holding_since.reset();
    holding_ = holding ? holding_ + 1 : holding_ - 1;
}

}  // namespace sallyport::mqtt
