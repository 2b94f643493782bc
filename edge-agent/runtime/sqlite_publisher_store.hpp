// Who published each tag last, in SQLite: `publishers.db` in data_dir. One connection, used by the
// storage thread alone after load().
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/storage/database.hpp"
#include "common/storage/set_aside.hpp"
#include "edge-agent/ingest/publisher_store.hpp"

namespace sallyport::edge_agent {

class SqlitePublisherStore final : public ingest::PublisherStore {
public:
    /// Opens or makes the file; a damaged one is moved aside, and `aside` tells of it. Throws
    /// storage::DatabaseError.
    static std::unique_ptr<SqlitePublisherStore> open(const std::string& path, base::WallTime now,
                                                      std::optional<storage::SetAside>& aside);

    std::vector<ingest::TagPublisher> load() override;
    std::optional<std::string> commit(const ingest::PublisherJob& job) override;

private:
    explicit SqlitePublisherStore(const std::string& path);

    std::vector<ingest::TagPublisher> read();
    storage::Database database_;
    storage::Statement put_;
    std::vector<ingest::TagPublisher> found_;  // what open() has read, for load()
};

}  // namespace sallyport::edge_agent
