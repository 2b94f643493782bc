#include "edge-agent/runtime/checkpoint_store.hpp"

#include <system_error>

#include <sqlite3.h>

namespace sallyport::edge_agent {
namespace {

constexpr const char* kSchema =
    "CREATE TABLE IF NOT EXISTS tags (id INTEGER PRIMARY KEY, topic TEXT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS cursors (destination TEXT PRIMARY KEY, store INTEGER NOT NULL,"
    " epoch INTEGER NOT NULL, seq INTEGER NOT NULL, checksum INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL);";

spool::DiskError to_disk_error(const storage::DatabaseError& error) {
    switch (error.code() & 0xFF) {
        case SQLITE_FULL: return spool::DiskError::no_space;
        case SQLITE_READONLY: return spool::DiskError::read_only;
        case SQLITE_PERM:
        case SQLITE_AUTH:
        case SQLITE_CANTOPEN: return spool::DiskError::denied;
        default: return spool::DiskError::io;
    }
}

// SQLite has no unsigned numbers: 64-bit ones are stored as their two's complement.
std::int64_t stored(std::uint64_t value) {
    return static_cast<std::int64_t>(value);
}
std::uint64_t number(const storage::Statement& row, int column) {
    return static_cast<std::uint64_t>(row.integer(column));
}

}  // namespace

CheckpointStore::CheckpointStore(const std::filesystem::path& path) : database_(path.string()) {
    database_.execute(kSchema);
}

base::Result<std::unique_ptr<CheckpointStore>, spool::DiskError> CheckpointStore::open(
    const std::filesystem::path& path) {
    for (bool moved_aside = false;; moved_aside = true) {
        try {
            return std::unique_ptr<CheckpointStore>(new CheckpointStore(path));
        } catch (const storage::DatabaseError& error) {
            if (!error.is_damage() || moved_aside) return to_disk_error(error);
        }
        for (const char* part : {"", "-wal", "-shm"}) {
            const auto from = path.string() + part;
            std::error_code ignored;  // the log and the shared memory need not be there
            std::filesystem::rename(from, from + ".damaged", ignored);
        }
    }
}

base::Result<void, spool::DiskError> CheckpointStore::save(const spool::Checkpoint& checkpoint) {
    try {
        storage::Transaction transaction(database_);
        auto tag = database_.prepare("INSERT OR IGNORE INTO tags (id, topic) VALUES (?, ?)");
        for (const auto& each : checkpoint.tags)
            tag.with(stored(each.id), std::string_view(each.topic)).run();
        database_.execute("DELETE FROM cursors");
        auto cursor = database_.prepare(
            "INSERT INTO cursors (destination, store, epoch, seq, checksum)"
            " VALUES (?, ?, ?, ?, ?)");
        for (const auto& each : checkpoint.cursors)
            cursor
                .with(std::string_view(each.destination), stored(each.store),
                      stored(each.position.epoch), stored(each.position.seq),
                      stored(each.position.checksum))
                .run();
        database_
            .prepare("INSERT OR REPLACE INTO meta (key, value) VALUES ('tags_complete_below', ?)")
            .with(stored(checkpoint.tags_complete_below))
            .run();
        transaction.commit();
        return {};
    } catch (const storage::DatabaseError& error) {
        return to_disk_error(error);
    }
}

base::Result<spool::Checkpoint, spool::DiskError> CheckpointStore::load() {
    try {
        spool::Checkpoint checkpoint;
        auto tags = database_.prepare("SELECT id, topic FROM tags ORDER BY id");
        while (tags.step())
            checkpoint.tags.push_back(
                {static_cast<record::TagId>(number(tags, 0)), std::string(tags.text(1))});
        auto cursors =
            database_.prepare("SELECT destination, store, epoch, seq, checksum FROM cursors");
        while (cursors.step())
            checkpoint.cursors.push_back(
                {std::string(cursors.text(0)),
                 number(cursors, 1),
                 {number(cursors, 2), number(cursors, 3), number(cursors, 4)}});
        auto meta = database_.prepare("SELECT value FROM meta WHERE key = 'tags_complete_below'");
        if (meta.step()) checkpoint.tags_complete_below = number(meta, 0);
        return checkpoint;
    } catch (const storage::DatabaseError& error) {
        return to_disk_error(error);
    }
}

}  // namespace sallyport::edge_agent
