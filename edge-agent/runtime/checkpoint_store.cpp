#include "edge-agent/runtime/checkpoint_store.hpp"

#include <utility>

#include <sqlite3.h>

#include "edge-agent/spool/entry_format.hpp"

namespace sallyport::edge_agent {
namespace {

/// Version 0 did not count for each destination from where; 1 had no receipts.
constexpr std::int64_t kSchemaVersion = 2;
constexpr const char* kFromVersion0 =
    "ALTER TABLE cursors ADD COLUMN counted_from INTEGER NOT NULL DEFAULT 0;";
constexpr const char* kFromVersion1 =
    "CREATE TABLE receipts (seq INTEGER PRIMARY KEY, session INTEGER NOT NULL,"
    " packet_id INTEGER NOT NULL, flags INTEGER NOT NULL, tag INTEGER NOT NULL,"
    " digest INTEGER NOT NULL);";
constexpr const char* kSchema =
    "CREATE TABLE IF NOT EXISTS tags (id INTEGER PRIMARY KEY, topic TEXT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS cursors (destination TEXT PRIMARY KEY, store INTEGER NOT NULL,"
    " epoch INTEGER NOT NULL, seq INTEGER NOT NULL, checksum INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS kept (tag INTEGER NOT NULL, carries INTEGER NOT NULL,"
    " epoch INTEGER NOT NULL, seq INTEGER NOT NULL, body BLOB NOT NULL,"
    " PRIMARY KEY (tag, carries));"
    "CREATE INDEX IF NOT EXISTS kept_by_seq ON kept (seq, tag);"
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

CheckpointStore::CheckpointStore(const std::filesystem::path& path)
    : database_(path.string()), ledger_(database_) {
    const auto version = database_.schema_version();
    if (version >= kSchemaVersion) return;
    storage::Transaction transaction(database_);
    if (version == 0) {
        database_.execute(kSchema);
        database_.execute(kFromVersion0);
    }
    database_.execute(kFromVersion1);
    database_.set_schema_version(kSchemaVersion);
    transaction.commit();
}

base::Result<std::unique_ptr<CheckpointStore>, spool::DiskError> CheckpointStore::open(
    const std::filesystem::path& path, base::WallTime now,
    std::optional<storage::SetAside>& aside) {
    try {
        return storage::open_or_set_aside(path.string(), now, aside, [&] {
            std::unique_ptr<CheckpointStore> store(new CheckpointStore(path));
            store->found_ = store->read();  // some damage shows only there
            return store;
        });
    } catch (const storage::DatabaseError& error) {
        return to_disk_error(error);
    }
}

base::Result<std::unique_ptr<CheckpointStore>, spool::DiskError> CheckpointStore::open_as_it_is(
    const std::filesystem::path& path) {
    try {
        return std::unique_ptr<CheckpointStore>(new CheckpointStore(path));
    } catch (const storage::DatabaseError& error) {
        return to_disk_error(error);
    }
}

void CheckpointStore::save_cursors(const std::vector<spool::Cursor>& cursors) {
    database_.execute("DELETE FROM cursors");
    auto cursor = database_.prepare(
        "INSERT INTO cursors (destination, store, epoch, seq, checksum, counted_from)"
        " VALUES (?, ?, ?, ?, ?, ?)");
    for (const auto& each : cursors)
        cursor
            .with(std::string_view(each.destination), stored(each.store),
                  stored(each.position.epoch), stored(each.position.seq),
                  stored(each.position.checksum), stored(each.counted_from))
            .run();
}

/// A newer record takes the place of those of its tag that carry no more than it.
void CheckpointStore::save_kept(const std::vector<spool::KeptRecord>& kept) {
    auto supersede =
        database_.prepare("DELETE FROM kept WHERE tag = ? AND seq < ? AND (carries & ~?) = 0");
    auto insert = database_.prepare(
        "INSERT OR REPLACE INTO kept (tag, carries, epoch, seq, body) VALUES (?, ?, ?, ?, ?)");
    for (const auto& each : kept) {
        supersede.with(stored(each.tag), stored(each.seq), stored(each.carries)).run();
        insert
            .with(stored(each.tag), stored(each.carries), stored(each.epoch), stored(each.seq),
                  base::ByteView(each.body))
            .run();
    }
}

void CheckpointStore::save_receipts(const spool::Checkpoint& checkpoint) {
    if (checkpoint.lists_all_receipts) database_.execute("DELETE FROM receipts");
    auto gone = database_.prepare("DELETE FROM receipts WHERE seq = ?");
    for (const auto seq : checkpoint.receipts_gone) gone.with(stored(seq)).run();
    auto receipt = database_.prepare(
        "INSERT OR REPLACE INTO receipts (seq, session, packet_id, flags, tag, digest)"
        " VALUES (?, ?, ?, ?, ?, ?)");
    for (const auto& each : checkpoint.receipts)
        receipt
            .with(stored(each.seq), stored(each.session), std::int64_t{each.packet_id},
                  std::int64_t{spool::flags_of(each)}, stored(each.tag), stored(each.digest))
            .run();
}

void CheckpointStore::save_number(std::string_view key, std::uint64_t value) {
    database_.prepare("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)")
        .with(key, stored(value))
        .run();
}

std::uint64_t CheckpointStore::load_number(std::string_view key, std::uint64_t otherwise) {
    auto meta = database_.prepare("SELECT value FROM meta WHERE key = ?");
    meta.with(key);
    return meta.step() ? number(meta, 0) : otherwise;
}

base::Result<void, spool::DiskError> CheckpointStore::save(const spool::Checkpoint& checkpoint) {
    try {
        storage::Transaction transaction(database_);
        auto tag = database_.prepare("INSERT OR IGNORE INTO tags (id, topic) VALUES (?, ?)");
        for (const auto& each : checkpoint.tags)
            tag.with(stored(each.id), std::string_view(each.topic)).run();
        save_cursors(checkpoint.cursors);
        save_kept(checkpoint.kept);
        save_receipts(checkpoint);
        ledger_.apply(checkpoint.ledger);
        save_number("tags_complete_below", checkpoint.tags_complete_below);
        save_number("gone_below", checkpoint.gone_below);
        save_number("last_tag", checkpoint.last_tag);
        transaction.commit();
        return {};
    } catch (const storage::DatabaseError& error) {
        return to_disk_error(error);
    }
}

base::Result<spool::Checkpoint, spool::DiskError> CheckpointStore::load() {
    try {
        return found_ ? *std::exchange(found_, std::nullopt) : read();
    } catch (const storage::DatabaseError& error) {
        return to_disk_error(error);
    }
}

spool::Checkpoint CheckpointStore::read() {
    spool::Checkpoint checkpoint;
    auto tags = database_.prepare("SELECT id, topic FROM tags ORDER BY id");
    while (tags.step())
        checkpoint.tags.push_back(
            {static_cast<record::TagId>(number(tags, 0)), std::string(tags.text(1))});
    auto cursors = database_.prepare(
        "SELECT destination, store, epoch, seq, checksum, counted_from FROM cursors");
    while (cursors.step())
        checkpoint.cursors.push_back({std::string(cursors.text(0)),
                                      number(cursors, 1),
                                      {number(cursors, 2), number(cursors, 3), number(cursors, 4)},
                                      number(cursors, 5)});
    auto runs = database_.prepare(
        "SELECT epoch, MIN(seq), MAX(seq) FROM kept GROUP BY epoch ORDER BY MAX(seq)");
    while (runs.step())
        checkpoint.kept_runs.push_back({number(runs, 0), number(runs, 1), number(runs, 2)});
    checkpoint.ledger.put = ledger_.load();
    auto row =
        database_.prepare("SELECT seq, session, packet_id, flags, tag, digest FROM receipts");
    while (row.step()) {
        auto& receipt = checkpoint.receipts.emplace_back();
        receipt.seq = number(row, 0);
        receipt.session = number(row, 1);
        receipt.packet_id = static_cast<std::uint16_t>(number(row, 2));
        spool::set_flags(receipt, static_cast<std::uint8_t>(number(row, 3)));
        receipt.tag = static_cast<record::TagId>(number(row, 4));
        receipt.digest = number(row, 5);
    }
    checkpoint.tags_complete_below = load_number("tags_complete_below", 0);
    checkpoint.exists = checkpoint.tags_complete_below != 0;
    if (!checkpoint.exists) checkpoint.tags_complete_below = 1;
    checkpoint.gone_below = load_number("gone_below", 1);
    checkpoint.last_tag = static_cast<record::TagId>(load_number("last_tag", 0));
    return checkpoint;
}

base::Result<std::vector<spool::KeptRecord>, spool::DiskError> CheckpointStore::read_kept(
    const spool::KeptRange& range) {
    try {
        std::vector<spool::KeptRecord> kept;
        std::size_t bytes = 0;
        auto row = database_.prepare(
            "SELECT tag, carries, epoch, seq, body FROM kept WHERE seq > ? AND seq < ?"
            " ORDER BY seq, tag");
        row.with(stored(range.after), stored(range.below));
        while (row.step()) {
            if (bytes >= range.bytes_max && number(row, 3) != kept.back().seq) break;
            const auto body = row.blob(4);
            bytes += body.size();
            kept.push_back({static_cast<record::TagId>(number(row, 0)),
                            static_cast<std::uint8_t>(number(row, 1)), number(row, 2),
                            number(row, 3), base::Bytes(body.begin(), body.end())});
        }
        return kept;
    } catch (const storage::DatabaseError& error) {
        return to_disk_error(error);
    }
}

}  // namespace sallyport::edge_agent
