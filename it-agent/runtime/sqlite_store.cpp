#include "it-agent/runtime/sqlite_store.hpp"

#include <stdexcept>

namespace sallyport::it_agent {
namespace {

constexpr std::int64_t kSchemaVersion = 1;

// SQLite's integers are signed; epochs, ids and checksums keep their 64 bits.
std::int64_t stored(std::uint64_t value) {
    return static_cast<std::int64_t>(value);
}
std::uint64_t loaded(std::int64_t value) {
    return static_cast<std::uint64_t>(value);
}

void make_schema(storage::Database& database, std::uint64_t store_id) {
    storage::Transaction transaction(database);
    database.execute(
        "CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
        "CREATE TABLE positions(edge TEXT, epoch INTEGER, seq INTEGER NOT NULL,"
        "  checksum INTEGER NOT NULL, PRIMARY KEY(edge, epoch)) WITHOUT ROWID;"
        "CREATE TABLE tags(edge TEXT, topic TEXT, quality INTEGER NOT NULL,"
        "  PRIMARY KEY(edge, topic)) WITHOUT ROWID;"
        "CREATE TABLE retained(topic TEXT PRIMARY KEY, payload BLOB NOT NULL,"
        "  properties BLOB NOT NULL, qos INTEGER NOT NULL);");
    auto put = database.prepare("INSERT INTO meta(key, value) VALUES('store_id', ?)");
    put.with(stored(store_id)).run();
    database.set_schema_version(kSchemaVersion);
    transaction.commit();
}

base::Bytes copy(base::ByteView view) {
    return {view.begin(), view.end()};
}

}  // namespace

/// Makes the schema where the file is new; refuses one of a later version.
storage::Database& SqliteStore::ready(storage::Database& database, const std::string& path,
                                      std::uint64_t new_store_id) {
    const auto version = database.schema_version();
    if (version == 0) make_schema(database, new_store_id);
    if (version > kSchemaVersion)
        throw std::runtime_error(path + ": was written by a newer version (schema " +
                                 std::to_string(version) +
                                 "); run that version, or restore an "
                                 "older copy of the file");
    return database;
}

SqliteStore::SqliteStore(const std::string& path, std::uint64_t new_store_id)
    : database_(path),
      put_position_(ready(database_, path, new_store_id)
                        .prepare("INSERT INTO positions(edge, epoch, seq, checksum) "
                                 "VALUES(?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
                                 "seq = excluded.seq, checksum = excluded.checksum")),
      put_tag_(database_.prepare("INSERT INTO tags(edge, topic, quality) VALUES(?, ?, ?) "
                                 "ON CONFLICT DO UPDATE SET quality = excluded.quality")),
      put_retained_(database_.prepare(
          "INSERT INTO retained(topic, payload, properties, qos) VALUES(?, ?, ?, ?) "
          "ON CONFLICT DO UPDATE SET payload = excluded.payload, "
          "properties = excluded.properties, qos = excluded.qos")),
      drop_retained_(database_.prepare("DELETE FROM retained WHERE topic = ?")) {}

sinks::StoreState SqliteStore::load() {
    sinks::StoreState state;
    auto meta = database_.prepare("SELECT value FROM meta WHERE key = 'store_id'");
    if (meta.step()) state.store_id = loaded(meta.integer(0));
    auto positions = database_.prepare("SELECT edge, epoch, seq, checksum FROM positions");
    while (positions.step())
        state.positions.push_back({std::string(positions.text(0)),
                                   {loaded(positions.integer(1)), loaded(positions.integer(2)),
                                    loaded(positions.integer(3))}});
    auto tags = database_.prepare("SELECT edge, topic, quality FROM tags");
    while (tags.step())
        state.tags.push_back({std::string(tags.text(0)), std::string(tags.text(1)),
                              record::Quality{static_cast<std::uint16_t>(tags.integer(2))}});
    auto retained = database_.prepare("SELECT topic, payload, properties, qos FROM retained");
    while (retained.step())
        state.retained.push_back({std::string(retained.text(0)), copy(retained.blob(1)),
                                  copy(retained.blob(2)),
                                  mqtt::Qos{static_cast<std::uint8_t>(retained.integer(3))}});
    return state;
}

std::optional<std::string> SqliteStore::commit(const sinks::StoreJob& job) {
    try {
        write(job);
        return std::nullopt;
    } catch (const storage::DatabaseError& error) {
        return error.what();
    }
}

void SqliteStore::write(const sinks::StoreJob& job) {
    storage::Transaction transaction(database_);
    for (const auto& [edge, position] : job.positions)
        put_position_
            .with(std::string_view(edge), stored(position.epoch), stored(position.seq),
                  stored(position.checksum))
            .run();
    for (const auto& tag : job.tags)
        put_tag_
            .with(std::string_view(tag.edge), std::string_view(tag.topic),
                  static_cast<std::int64_t>(record::code(tag.quality)))
            .run();
    for (const auto& retained : job.retained) {
        if (retained.payload.empty())
            drop_retained_.with(std::string_view(retained.topic)).run();
        else
            put_retained_
                .with(std::string_view(retained.topic), base::ByteView(retained.payload),
                      base::ByteView(retained.properties), static_cast<std::int64_t>(retained.qos))
                .run();
    }
    transaction.commit();
}

}  // namespace sallyport::it_agent
