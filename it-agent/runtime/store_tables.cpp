#include "it-agent/runtime/store_tables.hpp"

#include <array>

#include "common/storage/broker_store.hpp"
#include "common/storage/components.hpp"

namespace sallyport::it_agent {
namespace {

constexpr const char* kComponent = "it-agent";

/// PRAGMA user_version of a store before there were components, and of one with them: a program
/// that knows no components refuses the latter.
constexpr std::int64_t kWithoutComponents = 1;
constexpr std::int64_t kWithComponents = 2;

void make_tables(storage::Database& database) {
    database.execute(
        "CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
        "CREATE TABLE positions(edge TEXT, epoch INTEGER, seq INTEGER NOT NULL,"
        "  checksum INTEGER NOT NULL, PRIMARY KEY(edge, epoch)) WITHOUT ROWID;"
        "CREATE TABLE tags(edge TEXT, topic TEXT, quality INTEGER NOT NULL,"
        "  PRIMARY KEY(edge, topic)) WITHOUT ROWID;"
        "CREATE TABLE retained(topic TEXT PRIMARY KEY, payload BLOB NOT NULL,"
        "  properties BLOB NOT NULL, qos INTEGER NOT NULL);");
}

/// Retained messages are the broker's from here on.
void move_retained(storage::Database& database) {
    database.execute("ALTER TABLE retained RENAME TO retained_before");
    storage::BrokerStore::bring_up_to_date(database);
    database.execute(
        "INSERT INTO retained(topic, qos, publisher, properties, payload)"
        "  SELECT topic, qos, '', properties, payload FROM retained_before;"
        "DROP TABLE retained_before;");
    database.set_schema_version(kWithComponents);
}

constexpr std::array<storage::SchemaStep, 2> kSteps{make_tables, move_retained};

}  // namespace

void bring_up_to_date(storage::Database& database, std::uint64_t new_store_id) {
    storage::Transaction transaction(database);
    const auto version = database.schema_version();
    if (version > kWithComponents)
        throw storage::newer_version(database.path(), "store", version, kWithComponents);
    if (version == kWithoutComponents)
        storage::set_component_version(database, kComponent, kWithoutComponents);
    storage::bring_up_to_date(database, kComponent, kSteps);
    storage::BrokerStore::bring_up_to_date(database);
    database.prepare("INSERT OR IGNORE INTO meta(key, value) VALUES('store_id', ?)")
        .with(static_cast<std::int64_t>(new_store_id))
        .run();
    transaction.commit();
}

}  // namespace sallyport::it_agent
