// CONNECT (section 3.1) and its answer (3.2): who it is, on what terms, and which session goes on.
#include <algorithm>
#include <string>
#include <utility>

#include "common/base/assert.hpp"
#include "common/mqtt/broker_impl.hpp"
#include "common/mqtt/decode.hpp"

namespace sallyport::mqtt {
namespace {

constexpr std::string_view kAssignedPrefix = "sallyport-";

/// The protocol version that an undecodable CONNECT names, where it gets as far as that.
std::optional<Version> named_version(base::ByteView packet) {
    std::size_t at = 1;
    while (at < packet.size() && (packet[at] & 0x80U) != 0) ++at;
    const std::string_view text = base::as_text(packet.subspan(std::min(at + 1, packet.size())));
    constexpr std::string_view kName{"\0\4MQTT", 6};
    if (!text.starts_with(kName) || text.size() == kName.size()) return std::nullopt;
    const auto level = static_cast<std::uint8_t>(text[kName.size()]);
    if (level == static_cast<std::uint8_t>(Version::v5)) return Version::v5;
    if (level == static_cast<std::uint8_t>(Version::v3_1_1)) return Version::v3_1_1;
    return std::nullopt;
}

base::Duration keep_alive_timeout(std::uint16_t keep_alive_s) {
    return std::chrono::milliseconds(1500) * keep_alive_s;  // 3.1.2.10
}

}  // namespace

/// The first packet must be a CONNECT (MQTT-3.1.0-1); anything else is not answered.
void Broker::Impl::handle_first(Connection& connection, base::ByteView packet) {
    if (packet[0] >> 4U != static_cast<unsigned>(PacketType::connect)) {
        ++counters_.connections_refused;
        close(connection, false);
        return;
    }
    const auto decoded = decode(packet, Version::v5);
    if (!decoded) {
        refuse_undecodable(connection, packet, decoded.error());
        return;
    }
    const auto& connect = std::get<Connect>(*decoded);
    const ConnectTerms terms = read_terms(connect);
    if (const auto reason = refusal(connect, terms))
        refuse(connection, connect.version, *reason);
    else
        accept(connection, connect, terms);
}

/// An unknown protocol is answered in 3.1.1's form, which every older client understands (3.1.2.2
/// there); a malformed 3.1.1 CONNECT is closed in silence.
void Broker::Impl::refuse_undecodable(Connection& connection, base::ByteView packet,
                                      ReasonCode reason) {
    if (reason == ReasonCode::unsupported_protocol_version) {
        refuse(connection, Version::v3_1_1, reason);
    } else if (named_version(packet) == Version::v5) {
        refuse(connection, Version::v5, reason);
    } else {
        ++counters_.connections_refused;
        close(connection, false);
    }
}

void Broker::Impl::refuse(Connection& connection, Version version, ReasonCode reason) {
    ++counters_.connections_refused;
    encode(connection.output, Connack{false, reason, {}}, version);
    close(connection, true);
}

/// Only v5 has a way to tell a client another keep alive than its own (3.2.2.3.14).
std::uint16_t Broker::Impl::keep_alive_for(const Connect& connect) const {
    const auto max = std::chrono::floor<std::chrono::seconds>(limits_.max_keep_alive).count();
    const bool is_too_long = connect.keep_alive_s == 0 || connect.keep_alive_s > max;
    if (connect.version == Version::v3_1_1 || max == 0 || !is_too_long) return connect.keep_alive_s;
    return static_cast<std::uint16_t>(std::min<std::int64_t>(max, 65'535));
}

ConnectTerms Broker::Impl::read_terms(const Connect& connect) const {
    ConnectTerms terms;
    terms.keep_alive_s = keep_alive_for(connect);
    const auto expiry_max = session_expiry_max(connect.client_id);
    if (connect.version == Version::v3_1_1) {
        terms.expiry = connect.clean_start ? base::Duration{} : expiry_max;
        return terms;
    }
    PropertyReader reader(connect.properties);
    while (const auto property = reader.next()) {
        if (property->id == PropertyId::session_expiry_interval) {
            terms.expiry = std::chrono::seconds(property->number);
            if (terms.expiry <= expiry_max) continue;
            terms.expiry = expiry_max;
            terms.granted_expiry_s = static_cast<std::uint32_t>(
                std::chrono::duration_cast<std::chrono::seconds>(terms.expiry).count());
        } else if (property->id == PropertyId::receive_maximum) {
            terms.receive_maximum = static_cast<std::uint16_t>(property->number);
        } else if (property->id == PropertyId::maximum_packet_size) {
            terms.packet_bytes_max = property->number;
        } else if (property->id == PropertyId::authentication_method) {
            terms.has_authentication = true;
        }
    }
    return terms;
}

std::optional<ReasonCode> Broker::Impl::refusal(const Connect& connect, const ConnectTerms& terms) {
    if (terms.has_authentication) return ReasonCode::bad_authentication_method;
    // MQTT-3.1.3-8 of 3.1.1: no session can be kept for a client that does not say who it is.
    if (connect.client_id.empty() && connect.version == Version::v3_1_1 && !connect.clean_start)
        return ReasonCode::client_identifier_not_valid;
    const Session* existing = find_session(connect.client_id);
    const bool takes_over = existing != nullptr && existing->connection != nullptr;
    if (!takes_over && counters_.clients_connected >= limits_.max_clients)
        return ReasonCode::server_busy;
    if (existing == nullptr && sessions_.size() >= limits_.max_sessions)
        return ReasonCode::quota_exceeded;
    return std::nullopt;
}

void Broker::Impl::accept(Connection& connection, const Connect& connect,
                          const ConnectTerms& terms) {
    std::string client_id =
        connect.client_id.empty() ? assign_client_id() : std::string(connect.client_id);
    Session* session = find_session(client_id);
    if (session != nullptr && !release_for_successor(*session, connect.clean_start))
        session = nullptr;
    const bool session_present = session != nullptr;
    if (session == nullptr) session = &begin_session(std::move(client_id));
    attach(connection, *session, connect, terms);
    send_connack(connection, connect, terms, *session, session_present);
    events_.emplace_back(ClientConnected{session->client_id, session_present});
    pump(*session);
}

void Broker::Impl::attach(Connection& connection, Session& session, const Connect& connect,
                          const ConnectTerms& terms) {
    Attached attached;
    attached.session = &session;
    attached.version = connect.version;
    attached.keep_alive = keep_alive_timeout(terms.keep_alive_s);
    attached.packet_bytes_max = terms.packet_bytes_max;
    attached.may_extend_expiry = terms.expiry > base::Duration{};
    session.expiry = terms.expiry;
    session.last_progress = now_.instant;
    session.connection = &connection;
    session.ended_at.reset();
    session.return_voids_will = false;
    if (connect.will) session.will = own(*connect.will);
    keep_session(session);
    session.outbound.connected(terms.receive_maximum);
    const auto keep_alive = attached.keep_alive;
    connection.state = std::move(attached);
    if (keep_alive > base::Duration{})
        deadlines_.set(connection.due, now_.instant + keep_alive, DeadlineKind::connection,
                       deadline_key(connection));
    else
        deadlines_.cancel(connection.due, DeadlineKind::connection, deadline_key(connection));
    ++counters_.clients_connected;
    ++counters_.connections_accepted;
}

/// Says only what differs from the standard's defaults (3.2.2.3).
void Broker::Impl::send_connack(Connection& connection, const Connect& connect,
                                const ConnectTerms& terms, const Session& session,
                                bool session_present) {
    base::Bytes properties;
    const auto say = [&](PropertyId id, std::uint32_t number) {
        append_property(properties, {id, number, {}, {}});
    };
    if (terms.granted_expiry_s) say(PropertyId::session_expiry_interval, *terms.granted_expiry_s);
    if (terms.keep_alive_s != connect.keep_alive_s)
        say(PropertyId::server_keep_alive, terms.keep_alive_s);
    if (limits_.max_inflight < 65'535) say(PropertyId::receive_maximum, limits_.max_inflight);
    if (limits_.max_topic_aliases > 0)
        say(PropertyId::topic_alias_maximum, limits_.max_topic_aliases);
    say(PropertyId::maximum_packet_size, limits_.max_packet_bytes);
    if (connect.client_id.empty())
        append_property(properties,
                        {PropertyId::assigned_client_identifier, 0, session.client_id, {}});
    send(connection, Connack{session_present, ReasonCode::success, properties});
}

std::string Broker::Impl::assign_client_id() {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string client_id;
    do {
        client_id = kAssignedPrefix;
        std::uint64_t random = next_random();
        for (int i = 0; i < 16; ++i, random >>= 4U) client_id += kDigits[random & 0xFU];
    } while (find_session(client_id) != nullptr);
    return client_id;
}

}  // namespace sallyport::mqtt
