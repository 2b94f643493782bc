// The broker's tables, version by version.
#include <array>

#include "common/storage/broker_store.hpp"
#include "common/storage/components.hpp"

namespace sallyport::storage {
namespace {

/// Times are ns UTC. Small columns stand before large ones, so that reading them follows no
/// overflow pages. No foreign keys: changes come in the broker's order, and load() checks.
void make_tables(Database& database) {
    database.execute(
        "CREATE TABLE sessions(client_id TEXT PRIMARY KEY NOT NULL, expiry_s INTEGER NOT NULL,"
        "  ended_at INTEGER, will_delay_ns INTEGER, will_qos INTEGER, will_retain INTEGER,"
        "  will_topic TEXT, will_properties BLOB, will_payload BLOB);"
        "CREATE TABLE subscriptions(client_id TEXT, filter TEXT, qos INTEGER NOT NULL,"
        "  no_local INTEGER NOT NULL, retain_as_published INTEGER NOT NULL,"
        "  identifier INTEGER NOT NULL, PRIMARY KEY(client_id, filter)) WITHOUT ROWID;"
        "CREATE TABLE messages(number INTEGER PRIMARY KEY, expires_at INTEGER,"
        "  qos INTEGER NOT NULL, publisher TEXT NOT NULL, topic TEXT NOT NULL,"
        "  properties BLOB NOT NULL, payload BLOB NOT NULL);"
        "CREATE TABLE deliveries(client_id TEXT, place INTEGER, message INTEGER NOT NULL,"
        "  qos INTEGER NOT NULL, retain INTEGER NOT NULL, shared INTEGER NOT NULL,"
        "  packet_id INTEGER NOT NULL, released INTEGER NOT NULL,"
        "  subscription_ids BLOB NOT NULL, PRIMARY KEY(client_id, place)) WITHOUT ROWID;"
        "CREATE INDEX deliveries_by_message ON deliveries(message);"
        "CREATE TABLE receipts(client_id TEXT, packet_id INTEGER,"
        "  PRIMARY KEY(client_id, packet_id)) WITHOUT ROWID;"
        "CREATE TABLE retained(topic TEXT PRIMARY KEY NOT NULL, expires_at INTEGER, qos INTEGER "
        "NOT NULL,"
        "  publisher TEXT NOT NULL, properties BLOB NOT NULL, payload BLOB NOT NULL);");
}

/// 0: a session of before; it is given a key when it is loaded.
void tell_sessions_apart(Database& database) {
    database.execute("ALTER TABLE sessions ADD COLUMN key INTEGER NOT NULL DEFAULT 0");
}

constexpr std::array<SchemaStep, 2> kSteps{make_tables, tell_sessions_apart};

}  // namespace

void BrokerStore::bring_up_to_date(Database& database) {
    storage::bring_up_to_date(database, "broker", kSteps);
}

}  // namespace sallyport::storage
