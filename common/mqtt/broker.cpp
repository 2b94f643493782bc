#include "common/mqtt/broker.hpp"

#include <algorithm>
#include <utility>

#include "common/base/assert.hpp"
#include "common/mqtt/broker_impl.hpp"
#include "common/mqtt/decode.hpp"

namespace sallyport::mqtt {

Broker::Impl::Impl(const BrokerLimits& limits, std::uint64_t seed, const BrokerOptions& options)
    : limits_(limits),
      options_(options),
      random_state_(seed),
      authorisation_(limits.max_topic_levels),
      retained_(limits.retained_messages, limits.retained_bytes) {
    for (const auto& client_id : options_.consumers) consumers_.emplace(client_id, 0);
}

/// Events must be taken before the next input: they view memory that ends here.
void Broker::Impl::begin_input(base::Now now) {
    SALLYPORT_ASSERT(events_taken_ == events_.size());
    now_ = now;
    events_.clear();
    events_taken_ = 0;
    event_blocks_.clear();
    event_wills_.clear();
    event_topics_.clear();
    ended_.clear();
}

Connection* Broker::Impl::find_connection(base::ConnectionId id) {
    const auto found = connections_.find(id);
    return found == connections_.end() ? nullptr : found->second.get();
}

void Broker::Impl::opened(base::ConnectionId id, base::Now now) {
    begin_input(now);
    auto connection = std::make_unique<Connection>();
    connection->id = id;
    connection->last_received = now.instant;
    deadlines_.set(connection->due, now.instant + limits_.connect_timeout, DeadlineKind::connection,
                   deadline_key(*connection));
    const bool is_new = connections_.emplace(id, std::move(connection)).second;
    SALLYPORT_ASSERT(is_new);
}

void Broker::Impl::receive(base::ConnectionId id, base::ByteView bytes, base::Now now) {
    begin_input(now);
    Connection* connection = find_connection(id);
    if (connection == nullptr) return;
    counters_.bytes_received += bytes.size();
    connection->last_received = now.instant;
    const auto listens = [&] {
        return connection->attached() != nullptr ||
               std::holds_alternative<AwaitingConnect>(connection->state);
    };
    while (!bytes.empty() && listens()) bytes = bytes.subspan(consume(*connection, bytes));
}

/// Processes or stores what stands at the front of `bytes`; returns how much that was. Whole
/// packets are decoded where they lie.
std::size_t Broker::Impl::consume(Connection& connection, base::ByteView bytes) {
    if (!connection.assembly.empty()) return assemble(connection, bytes);
    const auto length = frame_length(bytes, packet_bytes_max(connection));
    if (!length) {
        reject(connection, length.error());
        return bytes.size();
    }
    if (*length && **length <= bytes.size()) {
        process(connection, bytes.first(**length));
        return **length;
    }
    connection.packet_bytes = *length;
    base::append(connection.assembly, bytes);
    return bytes.size();
}

/// Goes on with a split packet. Until its length is known it grows by one byte at a time, at most
/// five.
std::size_t Broker::Impl::assemble(Connection& connection, base::ByteView bytes) {
    const std::size_t missing =
        connection.packet_bytes ? *connection.packet_bytes - connection.assembly.size() : 1;
    const std::size_t taken = std::min(missing, bytes.size());
    base::append(connection.assembly, bytes.first(taken));
    if (!connection.packet_bytes) {
        const auto length = frame_length(connection.assembly, packet_bytes_max(connection));
        if (!length) {
            reject(connection, length.error());
            return taken;
        }
        connection.packet_bytes = *length;
    }
    if (connection.packet_bytes == connection.assembly.size()) {
        // Events view the packet until the next input, while the connection may begin another. One
        // input completes at most one split packet, so one buffer is enough.
        assembled_ = std::exchange(connection.assembly, {});
        connection.packet_bytes.reset();
        process(connection, assembled_);
    }
    return taken;
}

std::size_t Broker::Impl::packet_bytes_max(const Connection& connection) const {
    const std::size_t any = limits_.max_packet_bytes;
    return std::holds_alternative<AwaitingConnect>(connection.state)
               ? std::min(any, kConnectBytesMax)
               : any;
}

void Broker::Impl::reject(Connection& connection, ReasonCode reason) {
    if (connection.attached() == nullptr) ++counters_.connections_refused;
    disconnect(connection, reason);
}

void Broker::Impl::process(Connection& connection, base::ByteView packet) {
    const Attached* attached = connection.attached();
    if (attached == nullptr) {
        handle_first(connection, packet);
        release_saved();
        return;
    }
    const auto decoded = decode(packet, attached->version);
    if (!decoded) {
        disconnect(connection, decoded.error());
        return;
    }
    std::visit([&](const auto& whole) { handle(connection, whole); }, *decoded);
    release_saved();
}

void Broker::Impl::closed(base::ConnectionId id, base::Now now) {
    begin_input(now);
    const auto found = connections_.find(id);
    if (found == connections_.end()) return;
    const auto connection = std::move(found->second);
    connections_.erase(found);
    deadlines_.cancel(connection->due, DeadlineKind::connection, deadline_key(*connection));
    if (const auto* attached = connection->attached())
        detach(*attached->session, false);
    else if (const auto* overrun = std::get_if<Overrun>(&connection->state))
        detach(*overrun->session, false);
    else if (std::holds_alternative<AwaitingConnect>(connection->state))
        ++counters_.connections_refused;
    release_saved();
}

void Broker::Impl::expire(base::Now now) {
    begin_input(now);
    while (const auto due = deadlines_.take_due(now.instant)) on_due(*due);
    release_saved();
}

void Broker::Impl::on_due(const Deadline& due) {
    if (due.kind == DeadlineKind::connection) {
        Connection* connection = find_connection(base::ConnectionId{due.key});
        SALLYPORT_ASSERT(connection != nullptr);
        connection->due.reset();
        judge_silence(*connection);
        return;
    }
    Session* session = find_session(due.key);
    SALLYPORT_ASSERT(session != nullptr);
    switch (due.kind) {
        case DeadlineKind::will:
            session->will_due.reset();
            tell_gone(*session);
            break;
        case DeadlineKind::session:
            session->expiry_due.reset();
            tell_gone(*session);
            end_session(*session);
            break;
        case DeadlineKind::progress:
            session->progress_due.reset();
            update_holding(*session);
            break;
        case DeadlineKind::connection: break;
    }
}

/// The connection's deadline has come: was it really silent since?
void Broker::Impl::judge_silence(Connection& connection) {
    const Attached* attached = connection.attached();
    if (attached == nullptr) {
        ++counters_.connections_refused;
        close(connection, false);
        return;
    }
    if (connection.reading_paused) connection.last_received = now_.instant;
    const auto deadline = connection.last_received + attached->keep_alive;
    if (deadline > now_.instant) {
        deadlines_.set(connection.due, deadline, DeadlineKind::connection,
                       deadline_key(connection));
        return;
    }
    disconnect(connection, ReasonCode::keep_alive_timeout, attached->version == Version::v5);
}

Broker::Broker(const BrokerLimits& limits, std::uint64_t seed, const BrokerOptions& options)
    : impl_(std::make_unique<Impl>(limits, seed, options)) {}
Broker::~Broker() = default;

void Broker::protect(std::string_view filter) {
    impl_->protect(filter);
}
void Broker::restore(const DurableState& state, base::Now now) {
    impl_->restore(state, now);
}
bool Broker::awaits(AckToken token) const {
    return impl_->awaits(token);
}
bool Broker::has_session(std::uint64_t session) const {
    return impl_->has_session(session);
}
bool Broker::restore_receipt(std::uint64_t session, std::uint16_t packet_id) {
    return impl_->restore_receipt(session, packet_id);
}
void Broker::opened(base::ConnectionId id, const base::Peer& /*peer*/, base::Now now) {
    impl_->opened(id, now);
}
void Broker::receive(base::ConnectionId id, base::ByteView bytes, base::Now now) {
    impl_->receive(id, bytes, now);
}
void Broker::closed(base::ConnectionId id, base::CloseCause /*cause*/, base::Now now) {
    impl_->closed(id, now);
}
void Broker::expire(base::Now now) {
    impl_->expire(now);
}
void Broker::acknowledge(AckToken token, ReasonCode reason, base::Now now) {
    impl_->acknowledge(token, reason, now);
}
void Broker::acknowledge_release(AckToken token, base::Now now) {
    impl_->acknowledge_release(token, now);
}
void Broker::changes_saved(std::uint64_t upto, base::Now now) {
    impl_->changes_saved(upto, now);
}
std::optional<DurableChanges> Broker::next_changes() {
    return impl_->next_changes();
}
std::uint64_t Broker::publish_to_lasting(const Message& message, base::Now now) {
    return impl_->publish_to_lasting(message, now);
}
void Broker::publish_to_passing(const Message& message, std::uint64_t stage, base::Now now) {
    impl_->publish_to_passing(message, stage, now);
}
void Broker::publish(const Message& message, base::Now now) {
    impl_->publish(message, now);
}
void Broker::set_retained(const Message& message, base::Now now) {
    impl_->set_retained(message, now);
}
bool Broker::has_lasting_sessions() const {
    return impl_->has_lasting_sessions();
}
bool Broker::replace_retained_properties(std::string_view topic, base::ByteView properties) {
    return impl_->replace_retained(topic, std::nullopt, properties);
}
bool Broker::replace_retained(std::string_view topic, base::ByteView payload,
                              base::ByteView properties) {
    return impl_->replace_retained(topic, payload, properties);
}
void Broker::pause_publisher(AckToken token) {
    impl_->pause_publisher(token);
}
void Broker::resume_publisher(AckToken token, base::Now now) {
    impl_->resume_publisher(token, now);
}
void Broker::disconnect_publisher(AckToken token, ReasonCode reason, base::Now now) {
    impl_->disconnect_publisher(token, reason, now);
}
void Broker::shut_down(base::Now now) {
    impl_->shut_down(now);
}
std::optional<BrokerEvent> Broker::next_event() {
    return impl_->next_event();
}
std::optional<base::Command> Broker::next_command() {
    return impl_->next_command();
}
bool Broker::take_output(base::ConnectionId id, base::Bytes& out) {
    return impl_->take_output(id, out);
}
std::optional<base::Instant> Broker::next_deadline() const {
    return impl_->next_deadline();
}
bool Broker::holds_back() const {
    return impl_->holds_back();
}
bool Broker::holds_back_passing() const {
    return impl_->holds_back_passing();
}
std::vector<ConsumerState> Broker::consumers() const {
    return impl_->consumers();
}
bool Broker::was_heard() const {
    return impl_->was_heard();
}
const BrokerCounters& Broker::counters() const {
    return impl_->counters();
}

}  // namespace sallyport::mqtt
