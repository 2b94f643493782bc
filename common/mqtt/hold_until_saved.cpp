// What must not be said before the journal's change that it stands for is on disk, and what leaves
// when it is.
#include <utility>

#include "common/mqtt/broker_impl.hpp"

namespace sallyport::mqtt {

void Broker::Impl::changes_saved(std::uint64_t upto, base::Now now) {
    now_ = now;
    journal_.saved(upto);
    release_saved();
}

/// A PUBLISH or a PUBREL to a subscriber.
void Broker::Impl::hold_flight(const Session& session, std::uint16_t packet_id,
                               std::uint64_t until) {
    held_.insert({until, Held::Kind::flight, session.key, packet_id});
}

void Broker::Impl::release_saved() {
    while (!held_.empty() && journal_.is_saved(held_.begin()->until))
        release(held_.extract(held_.begin()).value());
}

void Broker::Impl::release(const Held& held) {
    if (held.kind == Held::Kind::reply) {
        Connection* connection = find_connection(base::ConnectionId{held.key});
        if (connection != nullptr) release_replies(*connection);
        return;
    }
    Session* session = find_session(held.key);
    if (session == nullptr) return;
    if (held.kind == Held::Kind::receipt) {
        answer_receipt(*session, held.packet_id);
        return;
    }
    Connection* connection = online(*session);
    const auto* entry = std::as_const(session->outbound).find(held.packet_id);
    // What is not counted as sent has lost its connection, and its turn on the new one will come.
    if (connection == nullptr || entry == nullptr || !entry->sent) return;
    send_in_flight(*connection, *session, held.packet_id);
    update_holding(*session);
}

/// Bounded as replies are that the client does not read.
void Broker::Impl::hold_reply(Connection& connection, HeldReply reply) {
    const std::uint64_t until = reply.held_until;
    connection.held_bytes += reply.packet.size() + sizeof(HeldReply);
    connection.held_replies.push_back(std::move(reply));
    if (connection.held_bytes + connection.output.size() > limits_.session_queue_bytes) {
        abandon(connection);
        return;
    }
    held_.insert({until, Held::Kind::reply, deadline_key(connection), 0});
}

void Broker::Impl::release_replies(Connection& connection) {
    auto& replies = connection.held_replies;
    while (connection.attached() != nullptr && !replies.empty() &&
           journal_.is_saved(replies.front().held_until)) {
        const HeldReply reply = std::move(replies.front());
        replies.pop_front();
        connection.held_bytes -= reply.packet.size() + sizeof(HeldReply);
        const std::size_t start = connection.output.size();
        base::append(connection.output, reply.packet);
        finish_reply(connection, start);
    }
}

}  // namespace sallyport::mqtt
