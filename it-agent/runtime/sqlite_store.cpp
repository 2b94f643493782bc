#include "it-agent/runtime/sqlite_store.hpp"

#include <utility>

#include "common/storage/ledger_table.hpp"
#include "it-agent/runtime/store_tables.hpp"

namespace sallyport::it_agent {
namespace {

// SQLite's integers are signed; epochs, ids and checksums keep their 64 bits.
std::int64_t stored(std::uint64_t value) {
    return static_cast<std::int64_t>(value);
}
std::uint64_t loaded(std::int64_t value) {
    return static_cast<std::uint64_t>(value);
}

storage::Database& ready(storage::Database& database, std::uint64_t new_store_id) {
    bring_up_to_date(database, new_store_id);
    return database;
}

/// The sink's retained messages as changes of the broker's.
mqtt::DurableChanges as_changes(const std::vector<sinks::StoredRetained>& retained) {
    mqtt::DurableChanges made;
    for (const auto& each : retained) {
        if (each.payload.empty()) {
            made.changes.emplace_back(mqtt::RetainedGone{each.topic});
            continue;
        }
        mqtt::DurableMessage message;
        message.topic = each.topic;
        message.payload = each.payload;
        message.properties = each.properties;
        message.qos = each.qos;
        message.expires_at = each.expires_at;
        made.changes.emplace_back(mqtt::RetainedPut{
            each.topic, std::make_shared<const mqtt::DurableMessage>(std::move(message))});
    }
    return made;
}

}  // namespace

/// The open file, with its statements.
struct SqliteStore::File {
    File(const std::string& path, std::uint64_t new_store_id)
        : database(path),
          broker(ready(database, new_store_id)),
          ledger(database),
          put_position(database.prepare("INSERT INTO positions(edge, epoch, seq, checksum) "
                                        "VALUES(?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
                                        "seq = excluded.seq, checksum = excluded.checksum")),
          put_tag(database.prepare("INSERT INTO tags(edge, topic, quality) VALUES(?, ?, ?) "
                                   "ON CONFLICT DO UPDATE SET quality = excluded.quality")) {}

    sinks::StoreState load(base::WallTime now);
    void write(const sinks::StoreJob& job);

    storage::Database database;
    storage::BrokerStore broker;
    storage::LedgerTable ledger;
    storage::Statement put_position, put_tag;
};

sinks::StoreState SqliteStore::File::load(base::WallTime now) {
    sinks::StoreState state;
    auto meta = database.prepare("SELECT value FROM meta WHERE key = 'store_id'");
    if (meta.step()) state.store_id = loaded(meta.integer(0));
    auto positions = database.prepare("SELECT edge, epoch, seq, checksum FROM positions");
    while (positions.step())
        state.positions.push_back({std::string(positions.text(0)),
                                   {loaded(positions.integer(1)), loaded(positions.integer(2)),
                                    loaded(positions.integer(3))}});
    auto tags = database.prepare("SELECT edge, topic, quality FROM tags");
    while (tags.step())
        state.tags.push_back({std::string(tags.text(0)), std::string(tags.text(1)),
                              record::Quality{static_cast<std::uint16_t>(tags.integer(2))}});
    state.ledger = ledger.load();
    state.broker = broker.load(now);
    for (const auto& [topic, message] : state.broker.retained)
        state.retained.push_back(
            {topic, message->payload, message->properties, message->qos, message->expires_at});
    return state;
}

void SqliteStore::File::write(const sinks::StoreJob& job) {
    storage::Transaction transaction(database);
    for (const auto& [edge, position] : job.positions)
        put_position
            .with(std::string_view(edge), stored(position.epoch), stored(position.seq),
                  stored(position.checksum))
            .run();
    for (const auto& tag : job.tags)
        put_tag
            .with(std::string_view(tag.edge), std::string_view(tag.topic),
                  static_cast<std::int64_t>(record::code(tag.quality)))
            .run();
    ledger.apply(job.ledger);
    broker.apply(as_changes(job.retained));
    broker.apply(job.broker);
    transaction.commit();
}

SqliteStore::SqliteStore(const std::string& path, std::uint64_t new_store_id, base::WallTime now) {
    file_ = storage::open_or_set_aside(path, now, aside_, [&] {
        auto file = std::make_unique<File>(path, new_store_id);
        state_ = file->load(now);
        return file;
    });
}

SqliteStore::~SqliteStore() = default;

sinks::StoreState SqliteStore::load() {
    return std::exchange(state_, {});
}

const storage::BrokerLoadReport& SqliteStore::report() const {
    return file_->broker.report();
}

std::optional<std::string> SqliteStore::commit(const sinks::StoreJob& job) {
    try {
        file_->write(job);
        return std::nullopt;
    } catch (const storage::DatabaseError& error) {
        return error.what();
    }
}

}  // namespace sallyport::it_agent
