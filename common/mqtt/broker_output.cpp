// What leaves the broker: replies, closing words, output, events, commands.
#include <algorithm>
#include <utility>

#include "common/mqtt/broker_impl.hpp"
#include "common/mqtt/reason_codes.hpp"

namespace sallyport::mqtt {
namespace {

/// Output memory above this goes back to the heap when it has been written.
constexpr std::size_t kRecycledBytes = 64U << 10U;

}  // namespace

/// A reply stands in the output from `start` on. Replies are not bounded by what subscribers are: a
/// client that sends and never reads would fill memory with them.
void Broker::Impl::finish_reply(Connection& connection, std::size_t start) {
    const Attached* attached = connection.attached();
    const bool too_large = connection.output.size() - start > attached->packet_bytes_max;
    if (too_large) connection.output.resize(start);
    if (too_large || connection.output.size() > limits_.session_queue_bytes) {
        abandon(connection);
        return;
    }
    announce(connection);
}

void Broker::Impl::announce(Connection& connection) {
    if (connection.output_announced || connection.output.empty()) return;
    connection.output_announced = true;
    commands_.emplace_back(base::OutputReady{connection.id});
}

void Broker::Impl::close(Connection& connection, bool flush) {
    deadlines_.cancel(connection.due, DeadlineKind::connection, deadline_key(connection));
    connection.state = Closing{};
    connection.assembly = base::Bytes{};
    connection.packet_bytes.reset();
    if (flush)
        announce(connection);
    else
        connection.output = base::Bytes{};
    commands_.emplace_back(base::Close{connection.id, flush});
}

/// The server ends the connection: v5 is told why (3.14), 3.1.1 has no word for it.
void Broker::Impl::disconnect(Connection& connection, ReasonCode reason, bool flush) {
    const Attached* attached = connection.attached();
    if (attached == nullptr) {
        close(connection, flush);
        return;
    }
    Session& session = *attached->session;
    // A second CONNECT can fail with a reason that only CONNACK knows.
    const bool can_say = is_allowed(reason, PacketType::disconnect);
    if (attached->version == Version::v5)
        encode(connection.output, Disconnect{can_say ? reason : ReasonCode::protocol_error, {}},
               Version::v5);
    close(connection, flush);
    detach(session, false);
}

/// For places that must not change sessions or make events: closed() does the rest.
void Broker::Impl::abandon(Connection& connection) {
    Session& session = *connection.attached()->session;
    close(connection, false);
    connection.state = Overrun{&session};
    update_holding(session);
}

void Broker::Impl::pause_publisher(AckToken token) {
    const Session* session = find_session(token.session);
    Connection* connection = session == nullptr ? nullptr : online(*session);
    if (connection == nullptr || connection->reading_paused) return;
    connection->reading_paused = true;
    commands_.emplace_back(base::SetReading{connection->id, false});
}

void Broker::Impl::disconnect_publisher(AckToken token, ReasonCode reason, base::Now now) {
    now_ = now;
    Session* session = find_session(token.session);
    if (session == nullptr) return;
    auto* receipt = session->inbound.find(token.packet_id);
    if (receipt != nullptr && receipt->generation == token.generation &&
        receipt->state == InboundReceipts::State::with_owner) {
        // QoS 1 counts as new when it is sent again; of QoS 2 the owner's share is missing.
        if (receipt->qos == Qos::exactly_once)
            receipt->state = InboundReceipts::State::interrupted;
        else
            session->inbound.erase(token.packet_id);
    }
    Connection* connection = online(*session);
    if (connection != nullptr) disconnect(*connection, reason);
    release_saved();
}

void Broker::Impl::resume_publisher(AckToken token, base::Now now) {
    now_ = now;
    const Session* session = find_session(token.session);
    Connection* connection = session == nullptr ? nullptr : online(*session);
    if (connection == nullptr || !connection->reading_paused) return;
    connection->reading_paused = false;
    connection->last_received = now.instant;
    commands_.emplace_back(base::SetReading{connection->id, true});
}

/// Sessions stay as they are: whether a client's will is due is for a later start to decide.
void Broker::Impl::shut_down(base::Now now) {
    now_ = now;
    std::vector<Connection*> open;
    open.reserve(connections_.size());
    for (const auto& [id, connection] : connections_) open.push_back(connection.get());
    std::ranges::sort(open, {}, [](const Connection* connection) { return connection->id; });
    for (Connection* connection : open) {
        Session* session = nullptr;
        if (const Attached* attached = connection->attached()) {
            session = attached->session;
            if (attached->version == Version::v5)
                encode(connection->output, Disconnect{ReasonCode::server_shutting_down, {}},
                       Version::v5);
        }
        if (session != nullptr || std::holds_alternative<AwaitingConnect>(connection->state))
            close(*connection, true);
        if (session == nullptr) continue;
        session->connection = nullptr;
        --counters_.clients_connected;
        update_holding(*session);
    }
}

std::optional<BrokerEvent> Broker::Impl::next_event() {
    if (events_taken_ == events_.size()) {
        events_.clear();
        events_taken_ = 0;
        return std::nullopt;
    }
    return events_[events_taken_++];
}

std::optional<base::Command> Broker::Impl::next_command() {
    if (commands_taken_ == commands_.size()) {
        commands_.clear();
        commands_taken_ = 0;
        return std::nullopt;
    }
    return commands_[commands_taken_++];
}

bool Broker::Impl::take_output(base::ConnectionId id, base::Bytes& out) {
    out.clear();
    Connection* connection = find_connection(id);
    if (connection == nullptr || connection->output.empty()) return false;
    if (out.capacity() > kRecycledBytes) out = base::Bytes{};
    std::swap(out, connection->output);
    connection->output_announced = false;
    counters_.bytes_sent += out.size();
    if (const Attached* attached = connection->attached()) pump(*attached->session);
    release_saved();
    return true;
}

}  // namespace sallyport::mqtt
