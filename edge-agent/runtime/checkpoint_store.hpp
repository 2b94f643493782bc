// The spool's checkpoint in SQLite: tables tags, cursors and meta of one small database. What
// save() has returned from is durable.
#pragma once

#include <filesystem>
#include <memory>

#include "common/storage/database.hpp"
#include "edge-agent/spool/disk.hpp"

namespace sallyport::edge_agent {

class CheckpointStore {
public:
    /// A file that is no database any more is moved aside as `<path>.damaged`.
    static base::Result<std::unique_ptr<CheckpointStore>, spool::DiskError> open(
        const std::filesystem::path& path);

    base::Result<void, spool::DiskError> save(const spool::Checkpoint& checkpoint);
    base::Result<spool::Checkpoint, spool::DiskError> load();

private:
    explicit CheckpointStore(const std::filesystem::path& path);

    storage::Database database_;
};

}  // namespace sallyport::edge_agent
