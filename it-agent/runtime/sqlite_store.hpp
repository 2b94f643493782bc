// The it-agent's store in SQLite: `store.db` in data_dir. One connection, used by the storage
// thread alone after load(). Schema version 1: meta(store_id), positions, tags, retained.
#pragma once

#include <string>

#include "common/storage/database.hpp"
#include "it-agent/sinks/store.hpp"

namespace sallyport::it_agent {

class SqliteStore final : public sinks::Store {
public:
    /// Opens or makes the file. `new_store_id` (random) names a store that is made now. Throws
    /// storage::DatabaseError, and std::runtime_error where the file is of a newer version.
    SqliteStore(const std::string& path, std::uint64_t new_store_id);

    sinks::StoreState load() override;
    std::optional<std::string> commit(const sinks::StoreJob& job) override;

private:
    static storage::Database& ready(storage::Database& database, const std::string& path,
                                    std::uint64_t new_store_id);
    void write(const sinks::StoreJob& job);

    storage::Database database_;
    storage::Statement put_position_, put_tag_, put_retained_, drop_retained_;
};

}  // namespace sallyport::it_agent
