// The spool's view of a disk: a directory of files, and one small checkpoint. The spool core gives
// jobs; the storage thread (or the simulation's model disk) runs them in order and hands back what
// came of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/base/bytes.hpp"
#include "common/base/result.hpp"
#include "common/record/record.hpp"
#include "common/tunnel/frame.hpp"

namespace sallyport::spool {

enum class DiskError { no_space, read_only, io, not_found, denied };
std::string_view to_string(DiskError error);

struct FileInfo {
    std::string name;
    std::uint64_t size = 0;
};

/// What the far side has, as this edge last heard it, for one destination.
struct Cursor {
    std::string destination;  // "hq": a name of [relay] destinations
    std::uint64_t store = 0;  // the it-agent's store that said it
    tunnel::Position position;
};

/// What a start needs besides the log itself. Additive: `tags` are those to add, `cursors` replace.
struct Checkpoint {
    std::vector<record::Tag> tags;
    std::vector<Cursor> cursors;
    /// Every tag of an entry below this seq is in the checkpoint; a start scans the log from here.
    record::Seq tags_complete_below = 1;
};

/// Synchronous; called on the storage thread, and at start before any thread runs. After an error
/// the file's state is unknown from the failing byte on.
class Disk {
public:
    Disk() = default;
    Disk(const Disk&) = delete;
    Disk& operator=(const Disk&) = delete;
    virtual ~Disk() = default;

    virtual base::Result<std::vector<FileInfo>, DiskError> list() = 0;
    /// Makes a file of `size` zero bytes with its blocks allocated. It exists durably after
    /// sync_directory.
    virtual base::Result<void, DiskError> create(const std::string& name, std::uint64_t size) = 0;
    virtual base::Result<void, DiskError> write(const std::string& name, std::uint64_t offset,
                                                base::ByteView bytes) = 0;
    /// fdatasync: what was written before is durable when it returns.
    virtual base::Result<void, DiskError> sync(const std::string& name) = 0;
    virtual base::Result<void, DiskError> sync_directory() = 0;
    /// Fewer bytes than asked for only at the end of the file. The result is 8-byte aligned.
    virtual base::Result<base::Bytes, DiskError> read(const std::string& name, std::uint64_t offset,
                                                      std::size_t length) = 0;
    virtual base::Result<void, DiskError> remove(const std::string& name) = 0;
    /// Moves a damaged file aside, for a person to look at.
    virtual base::Result<void, DiskError> rename(const std::string& from,
                                                 const std::string& to) = 0;

    /// Atomic and durable when it returns.
    virtual base::Result<void, DiskError> save(const Checkpoint& checkpoint) = 0;
    virtual base::Result<Checkpoint, DiskError> load() = 0;
};

struct CreateFile {
    std::string name;
    std::uint64_t size;
};
struct WriteBytes {
    std::string name;
    std::uint64_t offset;
    base::Bytes bytes;
};
struct SyncFile {
    std::string name;
};
struct SyncDirectory {};
struct ReadBytes {
    std::string name;
    std::uint64_t offset;
    std::size_t length;
};
struct RemoveFile {
    std::string name;
};
struct SaveCheckpoint {
    Checkpoint checkpoint;
};
using DiskOp = std::variant<CreateFile, WriteBytes, SyncFile, SyncDirectory, ReadBytes, RemoveFile,
                            SaveCheckpoint>;

/// Operations to run in order; the first that fails ends the job.
struct DiskJob {
    std::uint64_t id = 0;
    std::vector<DiskOp> ops;
};
struct DiskDone {
    std::uint64_t id = 0;
    std::optional<DiskError> error;
    std::size_t failed_op = 0;       // with error
    std::vector<base::Bytes> reads;  // one for each ReadBytes that succeeded
    std::vector<base::Bytes> spent;  // WriteBytes buffers handed back for reuse
};
DiskDone run(Disk& disk, DiskJob job);

}  // namespace sallyport::spool
