// The spool's disk on a real directory: POSIX calls for the segments, a small SQLite database,
// `state.db`, for the checkpoint, and a reserve of room for it, `state.reserve`. Blocking; used by
// one thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/storage/set_aside.hpp"
#include "edge-agent/spool/disk.hpp"

namespace sallyport::edge_agent {

class CheckpointStore;
class DiskReserve;

class FileDisk final : public spool::Disk {
public:
    /// The directory must exist; state.db is made in it if it is not there. A damaged one is moved
    /// aside: the log itself tells what it held, but for cursors, ledger and kept records.
    static base::Result<std::unique_ptr<FileDisk>, spool::DiskError> open(
        const std::filesystem::path& directory, base::WallTime now);
    ~FileDisk() override;

    base::Result<std::vector<spool::FileInfo>, spool::DiskError> list() override;
    base::Result<void, spool::DiskError> create(const std::string& name,
                                                std::uint64_t size) override;
    base::Result<void, spool::DiskError> write(const std::string& name, std::uint64_t offset,
                                               base::ByteView bytes) override;
    base::Result<void, spool::DiskError> sync(const std::string& name) override;
    base::Result<void, spool::DiskError> sync_directory() override;
    base::Result<base::Bytes, spool::DiskError> read(const std::string& name, std::uint64_t offset,
                                                     std::size_t length) override;
    base::Result<void, spool::DiskError> remove(const std::string& name) override;
    base::Result<void, spool::DiskError> rename(const std::string& from,
                                                const std::string& to) override;
    base::Result<void, spool::DiskError> save(const spool::Checkpoint& checkpoint) override;
    base::Result<spool::Checkpoint, spool::DiskError> load() override;
    base::Result<std::vector<spool::KeptRecord>, spool::DiskError> read_kept(
        const spool::KeptRange& range) override;

    /// Damage that open() found in state.db.
    const std::optional<storage::SetAside>& aside() const { return aside_; }
    /// What the file system has left for a user, looked at again at most once a second; nothing
    /// where it does not say. For the thread that uses the disk.
    std::optional<std::uint64_t> free_bytes();

    /// Descriptors of segments held open; the least recently used one is closed for another.
    static constexpr std::size_t kOpenFilesMax = 8;

private:
    class Descriptor;
    struct OpenFile;

    FileDisk(std::filesystem::path directory, std::unique_ptr<Descriptor> directory_descriptor);
    /// The descriptor of a segment, opened if it is not; valid until the next call.
    base::Result<int, spool::DiskError> descriptor(const std::string& name);
    void keep_open(const std::string& name, Descriptor file);
    void forget(const std::string& name);

    std::filesystem::path directory_;
    std::unique_ptr<Descriptor> directory_descriptor_;
    std::optional<storage::SetAside> aside_;
    std::unique_ptr<CheckpointStore> checkpoints_;
    std::unique_ptr<DiskReserve> reserve_;
    std::vector<OpenFile> open_files_;  // most recently used last
    std::optional<std::uint64_t> free_bytes_;
    std::chrono::steady_clock::time_point free_bytes_seen_;
};

}  // namespace sallyport::edge_agent
