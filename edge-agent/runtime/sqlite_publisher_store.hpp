// Who published each tag last, in SQLite: `publishers.db` in data_dir. One connection, used by the
// storage thread alone after load().
#pragma once

#include <memory>
#include <string>

#include "common/storage/database.hpp"
#include "edge-agent/ingest/publisher_store.hpp"

namespace sallyport::edge_agent {

class SqlitePublisherStore final : public ingest::PublisherStore {
public:
    /// Opens or makes the file; one that is no database any more is moved aside as
    /// `<path>.damaged`. Throws storage::DatabaseError.
    static std::unique_ptr<SqlitePublisherStore> open(const std::string& path);

    std::vector<ingest::TagPublisher> load() override;
    std::optional<std::string> commit(const ingest::PublisherJob& job) override;

private:
    explicit SqlitePublisherStore(const std::string& path);

    storage::Database database_;
    storage::Statement put_;
};

}  // namespace sallyport::edge_agent
