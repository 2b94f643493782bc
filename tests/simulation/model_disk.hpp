// A disk in memory for simulations and crash tests. It forgets what a real one may forget and fails
// when it is told to.
//
// What it holds after a power cut: of the sectors written since their file's last sync, any subset;
// of the creations, removals and renames since the last sync_directory, any subset; a created file
// that was never synced may be empty. A sync that fails behaves as Linux does: some of the dirty
// sectors reached the disk, the others are still read back but will not be written by a later sync.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "edge-agent/spool/disk.hpp"

namespace sallyport::simulation {

constexpr std::size_t kSectorBytes = 512;

class ModelDisk final : public spool::Disk {
public:
    enum class Kind {
        list,
        create,
        write,
        sync,
        sync_directory,
        read,
        remove,
        rename,
        save,
        load,
        read_kept
    };
    static constexpr std::size_t kKinds = 11;

    /// How often each fault struck: a test that injects faults shows that they did.
    struct Strikes {
        std::array<std::uint64_t, kKinds> failed{};  // by Kind
        std::uint64_t power_cuts = 0;
        std::uint64_t sectors_lost = 0;      // written, not synced, gone after a power cut
        std::uint64_t sectors_survived = 0;  // written, not synced, still there
        std::uint64_t names_lost = 0;        // unsynced directory changes undone by a power cut
        std::uint64_t bits_flipped = 0;
    };

    /// `seed` decides what a failing operation leaves behind.
    explicit ModelDisk(std::uint64_t seed = 1) : random_(seed) {}

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

    /// The power goes and comes back: what was not synced survives or not, as `seed` decides.
    /// Faults and the power budget are cleared.
    void crash(std::uint64_t seed);
    /// From the (n+1)-th operation on, counted over all kinds, every one fails without effect: what
    /// a process that is about to lose power still gets done. Cleared by crash().
    void cut_power_after(std::uint64_t operations) { power_budget_ = operations; }
    /// The process died, not the machine: what it wrote stays readable.
    void restore_power() { power_budget_.reset(); }
    bool power_is_gone() const { return power_budget_ == 0U; }
    /// The `nth` operation of a kind from now on (1: the next) fails, and `count - 1` after it.
    void fail(Kind kind, std::uint64_t nth, spool::DiskError error, std::uint64_t count = 1);
    void clear_faults() { faults_ = {}; }

    /// Changes one bit on the disk itself.
    void flip_bit(const std::string& name, std::uint64_t offset, unsigned bit);
    /// For tests that look at or alter the disk behind the spool's back.
    base::Bytes& contents(const std::string& name);
    bool exists(const std::string& name) const { return names_.contains(name); }
    /// What reads see of a file; nothing where there is none.
    const base::Bytes* peek(const std::string& name) const;
    /// The file's name survives a power cut.
    bool has_durable_name(const std::string& name) const;
    std::vector<std::string> names() const;
    /// Files that are gone for a reason nobody knows.
    void lose_file(const std::string& name);
    std::optional<spool::Checkpoint>& checkpoint() { return checkpoint_; }
    const std::vector<spool::KeptRecord>& kept() const { return kept_; }
    const std::map<std::uint64_t, record::LedgerRow>& ledger() const { return ledger_; }

    std::uint64_t operations() const { return operations_; }
    const Strikes& strikes() const { return strikes_; }

private:
    struct File {
        base::Bytes current;  // what reads see
        base::Bytes durable;  // what a power cut leaves, but for dirty sectors that survive
        std::set<std::size_t> dirty;
    };
    using Names = std::map<std::string, std::shared_ptr<File>>;
    struct NameChange {
        std::string removed, added;  // either may be empty
        std::shared_ptr<File> file;
    };
    struct Fault {
        std::uint64_t nth = 0, count = 0;
        spool::DiskError error = spool::DiskError::io;
    };

    std::optional<spool::DiskError> strike(Kind kind);
    static void apply(Names& names, const NameChange& change);
    static void settle(File& file, std::size_t sector);
    static void put(File& file, std::uint64_t offset, base::ByteView bytes);
    void crash_file(File& file, std::mt19937_64& random);
    void keep(const spool::KeptRecord& record);

    Names names_, durable_names_;
    std::vector<NameChange> name_changes_;  // since the last sync_directory
    std::optional<spool::Checkpoint> checkpoint_;
    std::map<std::uint64_t, record::LedgerRow> ledger_;
    std::vector<spool::KeptRecord> kept_;  // by seq, then tag
    std::map<record::Seq, spool::Receipt> receipts_;
    std::array<std::optional<Fault>, kKinds> faults_;
    std::optional<std::uint64_t> power_budget_;
    std::uint64_t operations_ = 0;
    Strikes strikes_;
    std::mt19937_64 random_;
};

}  // namespace sallyport::simulation
