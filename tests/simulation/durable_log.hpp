// What an edge's disk holds for good, read from the disk itself: a spool::Disk in front of the
// model disk that, after every sync that succeeds, reads the entries that are durable now. The
// checker's own account of what was accepted; it asks nothing of the spool under test.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/base/time.hpp"
#include "common/tunnel/frame.hpp"
#include "edge-agent/spool/entry_format.hpp"
#include "tests/simulation/model_disk.hpp"
#include "tests/simulation/run.hpp"

namespace sallyport::simulation {

using Identity = std::pair<record::Epoch, record::Seq>;

struct DurableRecord {
    std::string value;
    bool has_value = false, retain = false, latest = false;
    std::vector<record::TagId> tags;
    base::Instant since{};
    /// Synced by a commit, so that it may be acknowledged and must arrive. One that only a start
    /// found and synced may arrive.
    bool promised = false;
};

/// Where an entry lies, for faults that damage it.
struct EntryPlace {
    std::string file;
    std::uint64_t offset = 0, size = 0;
    record::Epoch epoch = 0;
    record::Seq first = 0, last = 0;
};

class DurableLog final : public spool::Disk {
public:
    DurableLog(Run& run, ModelDisk& disk) : run_(run), disk_(disk) {}

    base::Result<std::vector<spool::FileInfo>, spool::DiskError> list() override {
        return disk_.list();
    }
    base::Result<void, spool::DiskError> create(const std::string& name,
                                                std::uint64_t size) override;
    base::Result<void, spool::DiskError> write(const std::string& name, std::uint64_t offset,
                                               base::ByteView bytes) override {
        return note_space(disk_.write(name, offset, bytes), offset > 0);
    }
    base::Result<void, spool::DiskError> sync(const std::string& name) override;
    base::Result<void, spool::DiskError> sync_directory() override;
    base::Result<base::Bytes, spool::DiskError> read(const std::string& name, std::uint64_t offset,
                                                     std::size_t length) override;
    base::Result<void, spool::DiskError> remove(const std::string& name) override;
    base::Result<void, spool::DiskError> rename(const std::string& from,
                                                const std::string& to) override;
    base::Result<void, spool::DiskError> save(const spool::Checkpoint& checkpoint) override {
        return disk_.save(checkpoint);
    }
    base::Result<spool::Checkpoint, spool::DiskError> load() override { return disk_.load(); }
    base::Result<std::vector<spool::KeptRecord>, spool::DiskError> read_kept(
        const spool::KeptRange& range) override {
        return disk_.read_kept(range);
    }

    /// While a start runs, what it syncs is only found, not promised.
    void set_starting(bool on);
    /// A segment that goes while some destination has not had its records, though the log is not
    /// full, is a violation. `had`: whether every destination has had the record.
    using Had = std::function<bool(const Identity&)>;
    void set_full(std::uint64_t bytes) { full_bytes_ = bytes; }
    void set_had(Had had) { had_ = std::move(had); }

    const DurableRecord* find(const Identity& identity) const;
    const std::map<Identity, DurableRecord>& records() const { return records_; }
    /// All records in the order in which they became durable.
    std::vector<std::pair<Identity, const DurableRecord*>> in_order() const;
    /// Promised records in the order of their promises.
    const std::vector<Identity>& promised() const { return promised_; }
    /// The record that became durable last.
    record::Seq newest() const { return in_order_.empty() ? 0 : in_order_.back().second; }
    /// Some record with this value is durable.
    bool has_value(const std::string& value) const { return values_.contains(value); }
    const std::vector<EntryPlace>& entries() const { return entries_; }
    /// The log was full once: what is dropped then is named, and not held against it.
    bool was_full() const { return was_full_; }
    /// A file went behind everybody's back.
    void lose_file(const std::string& name);
    bool lost_a_file() const { return lost_a_file_; }

private:
    struct File {
        std::uint64_t seed = 0, next = 0;  // next: 0 before the header was read
    };

    struct Found {
        std::optional<spool::EntryHeader> header;
        base::Bytes bytes;  // of the body
    };

    base::Result<void, spool::DiskError> note_space(base::Result<void, spool::DiskError> done,
                                                    bool has_entries);
    void note(const std::string& name);
    static Found entry_at(const base::Bytes& bytes, std::uint64_t seed, std::uint64_t offset);
    void note_entry(const std::string& name, const base::Bytes& body, const EntryPlace& place);
    void check_removal(const std::string& name);

    Run& run_;
    ModelDisk& disk_;
    bool starting_ = false;
    Had had_;
    std::uint64_t full_bytes_ = 0;
    /// A disk that has had no room for a while is a full log: when it last was.
    std::optional<base::Instant> no_space_since_, starved_at_;
    bool was_full_ = false, lost_a_file_ = false;
    std::map<std::string, File> files_;
    std::set<std::string> synced_;  // content durable, name not yet
    std::map<Identity, DurableRecord> records_;
    std::vector<Identity> promised_, in_order_;
    std::set<std::string> values_;
    std::vector<EntryPlace> entries_;
    std::vector<tunnel::BatchRecord> scratch_;
};

}  // namespace sallyport::simulation
