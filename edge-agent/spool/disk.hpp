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
#include "common/record/ledger.hpp"
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
    record::Seq counted_from = 0;  // its count begins at this seq; 0: not known yet
};

/// A record of a segment that is gone: the newest of its tag, identity and bytes.
struct KeptRecord {
    record::TagId tag = 0;
    /// What it carries: bit 0 a value, bit 1 the retain flag. A newer record of the tag that
    /// carries all of that supersedes it.
    std::uint8_t carries = 0;
    record::Epoch epoch = 0;
    record::Seq seq = 0;
    base::Bytes body;  // a schema::Batch of this one record and tag
};
/// A publish whose record is in the log and whose exchange with its publisher is not over: the
/// session of the broker that it came in, and its packet identifier there.
struct Receipt {
    record::Seq seq = 0;
    std::uint64_t session = 0;
    std::uint16_t packet_id = 0;
    bool is_exactly_once = true;
    /// `ack = "delivered"`: it is acknowledged when every destination has passed the record.
    bool awaits_delivery = false;
    bool left_out = false;     // one has passed it without it: it is in the ledger
    record::TagId tag = 0;     // of the record
    std::uint64_t digest = 0;  // of what was published
    friend bool operator==(const Receipt&, const Receipt&) = default;
};
/// Kept records with `after` < seq < `below`, oldest first: at most `bytes_max` of bodies, but
/// always all of a seq.
struct KeptRange {
    record::Seq after = 0, below = 0;
    std::size_t bytes_max = 0;
};

/// What a start needs besides the log itself. Additive: `tags` and `kept` are those to add,
/// `ledger` what changes; `cursors` replace.
struct Checkpoint {
    /// Loaded only. False: there is none, at a first start or because it is lost.
    bool exists = false;
    std::vector<record::Tag> tags;
    /// Tag numbers up to here are taken, those, too, whose topic is lost with the entry that told
    /// it.
    record::TagId last_tag = 0;
    std::vector<Cursor> cursors;
    /// Every tag of an entry below this seq is in the checkpoint; a start scans the log from here.
    record::Seq tags_complete_below = 1;
    /// Segments below this seq are gone: what must stay of them is in `kept` and in the ledger.
    record::Seq gone_below = 1;
    record::LedgerChange ledger;
    std::vector<KeptRecord> kept;        // saved only; read by read_kept
    std::vector<tunnel::Run> kept_runs;  // loaded only: each run's first and last kept seq
    /// Open ones of records below tags_complete_below. Those to add, behind those that are `gone`,
    /// by their seqs; `lists_all_receipts`: they replace.
    std::vector<Receipt> receipts;
    std::vector<record::Seq> receipts_gone;
    bool lists_all_receipts = false;
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
    virtual base::Result<std::vector<KeptRecord>, DiskError> read_kept(const KeptRange& range) = 0;
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
struct ReadKept {
    KeptRange range;
};
using DiskOp = std::variant<CreateFile, WriteBytes, SyncFile, SyncDirectory, ReadBytes, RemoveFile,
                            SaveCheckpoint, ReadKept>;

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
    std::vector<KeptRecord> kept;    // of a ReadKept
    std::vector<base::Bytes> spent;  // WriteBytes buffers handed back for reuse
};
DiskDone run(Disk& disk, DiskJob job);

}  // namespace sallyport::spool
