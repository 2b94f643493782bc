#include "edge-agent/spool/disk.hpp"

#include <utility>

namespace sallyport::spool {
namespace {

using Outcome = base::Result<void, DiskError>;

/// One operation on the disk. Buffers move out of the operation, so that a job is run only once.
struct Runner {
    Disk& disk;
    DiskDone& done;

    Outcome operator()(const CreateFile& op) const { return disk.create(op.name, op.size); }
    Outcome operator()(WriteBytes& op) const {
        const auto outcome = disk.write(op.name, op.offset, op.bytes);
        done.spent.push_back(std::move(op.bytes));
        return outcome;
    }
    Outcome operator()(const SyncFile& op) const { return disk.sync(op.name); }
    Outcome operator()(const SyncDirectory&) const { return disk.sync_directory(); }
    Outcome operator()(const ReadBytes& op) const {
        auto bytes = disk.read(op.name, op.offset, op.length);
        if (!bytes) return bytes.error();
        done.reads.push_back(std::move(*bytes));
        return {};
    }
    Outcome operator()(const RemoveFile& op) const { return disk.remove(op.name); }
    Outcome operator()(const SaveCheckpoint& op) const { return disk.save(op.checkpoint); }
    Outcome operator()(const ReadKept& op) const {
        auto kept = disk.read_kept(op.range);
        if (!kept) return kept.error();
        done.kept = std::move(*kept);
        return {};
    }
};

}  // namespace

std::string_view to_string(DiskError error) {
    switch (error) {
        case DiskError::no_space: return "no space left";
        case DiskError::read_only: return "read-only file system";
        case DiskError::io: return "input/output error";
        case DiskError::not_found: return "not found";
        case DiskError::denied: return "permission denied";
    }
    return "?";
}

DiskDone run(Disk& disk, DiskJob job) {
    DiskDone done;
    done.id = job.id;
    for (std::size_t i = 0; i < job.ops.size(); ++i) {
        const auto outcome = std::visit(Runner{disk, done}, job.ops[i]);
        if (outcome) continue;
        done.error = outcome.error();
        done.failed_op = i;
        break;
    }
    return done;
}

}  // namespace sallyport::spool
