// A start: what is over or contradictory goes, the rest is read.
#include <limits>
#include <string>

#include <sqlite3.h>

#include "common/storage/broker_store.hpp"

namespace sallyport::storage {
namespace {

/// Runs one deletion whose only parameter, if it has one, is the time; gives the rows it took.
std::int64_t drop(Database& database, const std::string& sql) {
    database.prepare(sql).run();
    return database.changes();
}
std::int64_t drop(Database& database, const std::string& sql, base::WallTime now) {
    database.prepare(sql).with(now.ns).run();
    return database.changes();
}

/// 4294967295: never (MQTT 5.0, 3.1.2.11.2).
const std::string kExpired =
    "(expiry_s <> 4294967295 AND ended_at IS NOT NULL"
    " AND ended_at + expiry_s * 1000000000 <= ?1)";

BrokerLoadReport clean(Database& database, base::WallTime now) {
    BrokerLoadReport report;
    for (const char* list : {"subscriptions", "deliveries", "receipts"})
        (void)drop(database,
                   "DELETE FROM " + std::string(list) +
                       " WHERE client_id IN (SELECT client_id FROM sessions WHERE " + kExpired +
                       ")",
                   now);
    report.sessions_expired =
        drop(database, "DELETE FROM sessions WHERE will_topic IS NULL AND " + kExpired, now);
    for (const char* list : {"subscriptions", "deliveries", "receipts"})
        report.without_session +=
            drop(database, "DELETE FROM " + std::string(list) +
                               " WHERE client_id NOT IN (SELECT client_id FROM sessions)");
    // After PUBREC only the packet identifier counts; dropping it would strand the receiver's.
    database.execute(
        "UPDATE deliveries SET message = 0 WHERE released AND message <> 0"
        " AND message NOT IN (SELECT number FROM messages)");
    report.without_message = drop(database,
                                  "DELETE FROM deliveries WHERE NOT released"
                                  " AND message NOT IN (SELECT number FROM messages)");
    // Sending has begun where there is a packet identifier (MQTT 5.0, 3.3.2.3.3).
    report.deliveries_expired = drop(database,
                                     "DELETE FROM deliveries WHERE packet_id = 0 AND message IN"
                                     " (SELECT number FROM messages WHERE expires_at <= ?)",
                                     now);
    report.messages_unneeded = drop(database,
                                    "DELETE FROM messages WHERE NOT EXISTS"
                                    " (SELECT 1 FROM deliveries WHERE message = number)");
    report.retained_expired = drop(database, "DELETE FROM retained WHERE expires_at <= ?", now);
    return report;
}

/// Damage in an index shows when it is written, and then at every commit: better found at a start.
void require_sound(Database& database) {
    auto check = database.prepare("PRAGMA quick_check(1)");
    if (check.step() && check.text(0) != "ok")
        throw DatabaseError(SQLITE_CORRUPT, database.path() + ": " + std::string(check.text(0)));
}

/// A number that cannot be is damage that the file's own format does not show.
template <class Number>
Number number(const Statement& row, int column,
              std::int64_t most = std::numeric_limits<Number>::max()) {
    const auto value = row.integer(column);
    if (value < 0 || value > most)
        throw DatabaseError(SQLITE_CORRUPT, "a row of the broker's tables holds " +
                                                std::to_string(value) + " where at most " +
                                                std::to_string(most) + " can be");
    return static_cast<Number>(value);
}
bool flag(const Statement& row, int column) {
    return number<std::uint8_t>(row, column, 1) != 0;
}
mqtt::Qos qos(const Statement& row, int column) {
    return mqtt::Qos{number<std::uint8_t>(row, column, 2)};
}
std::uint64_t whole(const Statement& row, int column) {
    return static_cast<std::uint64_t>(row.integer(column));
}
base::Bytes bytes(const Statement& row, int column) {
    const auto view = row.blob(column);
    return {view.begin(), view.end()};
}
std::optional<base::WallTime> time(const Statement& row, int column) {
    if (row.is_null(column)) return std::nullopt;
    return base::WallTime{row.integer(column)};
}
std::vector<std::uint32_t> unpacked(base::ByteView bytes) {
    std::vector<std::uint32_t> numbers(bytes.size() / 4);
    for (std::size_t i = 0; i < numbers.size() * 4; ++i)
        numbers[i / 4] |= std::uint32_t{bytes[i]} << 8 * (i % 4);
    return numbers;
}

/// Columns from 1: expires_at, qos, publisher, topic, properties, payload.
std::shared_ptr<const mqtt::DurableMessage> message(const Statement& row) {
    auto made = std::make_shared<mqtt::DurableMessage>();
    made->expires_at = time(row, 1);
    made->qos = qos(row, 2);
    made->publisher = row.text(3);
    made->topic = row.text(4);
    made->properties = bytes(row, 5);
    made->payload = bytes(row, 6);
    return made;
}

void read_sessions(Database& database, mqtt::DurableState& state) {
    auto row = database.prepare(
        "SELECT client_id, expiry_s, ended_at, will_topic, will_payload, will_properties,"
        " will_qos, will_retain, will_delay_ns, key FROM sessions ORDER BY client_id");
    while (row.step()) {
        auto& session = state.sessions.emplace_back();
        session.client_id = row.text(0);
        session.expiry_s = number<std::uint32_t>(row, 1);
        session.ended_at = time(row, 2);
        session.key = whole(row, 9);
        if (row.is_null(3)) continue;
        session.will = mqtt::OwnedWill{
            std::string(row.text(3)),      bytes(row, 4), bytes(row, 5), qos(row, 6), flag(row, 7),
            base::Duration{row.integer(8)}};
    }
}

void read_lists(Database& database, mqtt::DurableState& state) {
    auto row = database.prepare(
        "SELECT client_id, filter, qos, no_local, retain_as_published, identifier"
        " FROM subscriptions ORDER BY client_id, filter");
    while (row.step())
        state.subscriptions.push_back(
            {std::string(row.text(0)),
             std::string(row.text(1)),
             {qos(row, 2), flag(row, 3), flag(row, 4), number<std::uint32_t>(row, 5)}});
    row = database.prepare("SELECT client_id, packet_id FROM receipts ORDER BY client_id");
    while (row.step())
        state.receipts.push_back({std::string(row.text(0)), number<std::uint16_t>(row, 1)});
}

void read_messages(Database& database, mqtt::DurableState& state) {
    auto row = database.prepare(
        "SELECT number, expires_at, qos, publisher, topic, properties, payload FROM messages"
        " ORDER BY number");
    while (row.step()) state.messages.push_back({whole(row, 0), message(row)});
    row = database.prepare(
        "SELECT client_id, place, message, qos, retain, shared, subscription_ids, packet_id,"
        " released FROM deliveries ORDER BY client_id, place");
    while (row.step())
        state.deliveries.push_back({std::string(row.text(0)), whole(row, 1), whole(row, 2),
                                    qos(row, 3), flag(row, 4), flag(row, 5), unpacked(row.blob(6)),
                                    number<std::uint16_t>(row, 7), flag(row, 8)});
    row = database.prepare(
        "SELECT topic, expires_at, qos, publisher, topic, properties, payload FROM retained");
    while (row.step()) state.retained.push_back({std::string(row.text(0)), message(row)});
}

}  // namespace

mqtt::DurableState BrokerStore::load(base::WallTime now) {
    mqtt::DurableState state;
    require_sound(database_);
    // Nothing is written before the commit, so that a full disk cannot stop the clean-up half-way.
    database_.execute("PRAGMA cache_spill = OFF");
    {
        Transaction transaction(database_);
        report_ = clean(database_, now);
        read_sessions(database_, state);
        read_lists(database_, state);
        read_messages(database_, state);
        try {
            transaction.commit();
        } catch (const DatabaseError& error) {
            if (!error.is_disk()) throw;
            report_.cleaned = false;
        }
    }
    database_.execute("PRAGMA cache_spill = ON");
    return state;
}

}  // namespace sallyport::storage
