#include "edge-agent/runtime/sqlite_publisher_store.hpp"

#include <filesystem>
#include <system_error>

namespace sallyport::edge_agent {
namespace {

storage::Database& with_schema(storage::Database& database) {
    database.execute(
        "CREATE TABLE IF NOT EXISTS publishers(topic TEXT PRIMARY KEY, client TEXT NOT NULL)"
        " WITHOUT ROWID");
    return database;
}

}  // namespace

SqlitePublisherStore::SqlitePublisherStore(const std::string& path)
    : database_(path),
      put_(with_schema(database_).prepare("INSERT INTO publishers(topic, client) VALUES(?, ?) "
                                          "ON CONFLICT DO UPDATE SET client = excluded.client")) {}

std::unique_ptr<SqlitePublisherStore> SqlitePublisherStore::open(const std::string& path) {
    const auto try_open = [&path] {
        return std::unique_ptr<SqlitePublisherStore>(new SqlitePublisherStore(path));
    };
    try {
        return try_open();
    } catch (const storage::DatabaseError& error) {
        if (!error.is_damage()) throw;
    }
    for (const char* part : {"", "-wal", "-shm"}) {
        const auto from = path + part;
        std::error_code ignored;  // the log and the shared memory need not be there
        std::filesystem::rename(from, from + ".damaged", ignored);
    }
    return try_open();
}

std::vector<ingest::TagPublisher> SqlitePublisherStore::load() {
    std::vector<ingest::TagPublisher> all;
    auto rows = database_.prepare("SELECT topic, client FROM publishers");
    while (rows.step()) all.push_back({std::string(rows.text(0)), std::string(rows.text(1))});
    return all;
}

std::optional<std::string> SqlitePublisherStore::commit(const ingest::PublisherJob& job) {
    try {
        storage::Transaction transaction(database_);
        for (const auto& each : job.changed)
            put_.with(std::string_view(each.topic), std::string_view(each.client)).run();
        transaction.commit();
        return std::nullopt;
    } catch (const storage::DatabaseError& error) {
        return error.what();
    }
}

}  // namespace sallyport::edge_agent
