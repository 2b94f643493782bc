// The spool's checkpoint in SQLite: tables tags, cursors, ledger, kept and meta of one small
// database. What save() has returned from is durable, all of it or nothing.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "common/storage/database.hpp"
#include "common/storage/ledger_table.hpp"
#include "common/storage/set_aside.hpp"
#include "edge-agent/spool/disk.hpp"

namespace sallyport::edge_agent {

class CheckpointStore {
public:
    /// A damaged file is moved aside, `aside` tells of it, and an empty one takes its place.
    static base::Result<std::unique_ptr<CheckpointStore>, spool::DiskError> open(
        const std::filesystem::path& path, base::WallTime now,
        std::optional<storage::SetAside>& aside);

    /// As it is, for a look: nothing is moved.
    static base::Result<std::unique_ptr<CheckpointStore>, spool::DiskError> open_as_it_is(
        const std::filesystem::path& path);

    base::Result<void, spool::DiskError> save(const spool::Checkpoint& checkpoint);
    base::Result<spool::Checkpoint, spool::DiskError> load();
    base::Result<std::vector<spool::KeptRecord>, spool::DiskError> read_kept(
        const spool::KeptRange& range);

private:
    explicit CheckpointStore(const std::filesystem::path& path);

    spool::Checkpoint read();
    void save_cursors(const std::vector<spool::Cursor>& cursors);
    void save_kept(const std::vector<spool::KeptRecord>& kept);
    void save_receipts(const spool::Checkpoint& checkpoint);
    void save_number(std::string_view key, std::uint64_t value);
    std::uint64_t load_number(std::string_view key, std::uint64_t otherwise);

    storage::Database database_;
    storage::LedgerTable ledger_;
    std::optional<spool::Checkpoint> found_;  // what open() has read, for the first load()
};

}  // namespace sallyport::edge_agent
