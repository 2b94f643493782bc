#include "edge-agent/runtime/sqlite_publisher_store.hpp"

#include <utility>

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

std::unique_ptr<SqlitePublisherStore> SqlitePublisherStore::open(
    const std::string& path, base::WallTime now, std::optional<storage::SetAside>& aside) {
    return storage::open_or_set_aside(path, now, aside, [&path] {
        std::unique_ptr<SqlitePublisherStore> store(new SqlitePublisherStore(path));
        store->found_ = store->read();  // some damage shows only there
        return store;
    });
}

std::vector<ingest::TagPublisher> SqlitePublisherStore::load() {
    return std::exchange(found_, {});
}

std::vector<ingest::TagPublisher> SqlitePublisherStore::read() {
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
