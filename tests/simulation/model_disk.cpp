#include "tests/simulation/model_disk.hpp"

#include <algorithm>

#include "common/base/assert.hpp"

namespace sallyport::simulation {

using spool::DiskError;

std::optional<DiskError> ModelDisk::strike(Kind kind) {
    auto& failed = strikes_.failed[static_cast<std::size_t>(kind)];
    ++operations_;
    if (power_budget_) {
        if (*power_budget_ == 0) {
            ++failed;
            return DiskError::io;
        }
        --*power_budget_;
    }
    auto& fault = faults_[static_cast<std::size_t>(kind)];
    if (!fault) return std::nullopt;
    if (fault->nth > 1) {
        --fault->nth;
        return std::nullopt;
    }
    const auto error = fault->error;
    if (--fault->count == 0) fault.reset();
    ++failed;
    return error;
}

void ModelDisk::fail(Kind kind, std::uint64_t nth, DiskError error, std::uint64_t count) {
    SALLYPORT_ASSERT(nth > 0 && count > 0);
    faults_[static_cast<std::size_t>(kind)] = Fault{nth, count, error};
}

void ModelDisk::apply(Names& names, const NameChange& change) {
    if (!change.removed.empty()) names.erase(change.removed);
    if (!change.added.empty()) names[change.added] = change.file;
}

/// The sector is on the disk now.
void ModelDisk::settle(File& file, std::size_t sector) {
    const auto from = sector * kSectorBytes;
    const auto to = std::min(from + kSectorBytes, file.current.size());
    if (file.durable.size() < file.current.size()) file.durable.resize(file.current.size());
    std::copy(file.current.begin() + static_cast<std::ptrdiff_t>(from),
              file.current.begin() + static_cast<std::ptrdiff_t>(to),
              file.durable.begin() + static_cast<std::ptrdiff_t>(from));
}

void ModelDisk::put(File& file, std::uint64_t offset, base::ByteView bytes) {
    if (bytes.empty()) return;
    if (file.current.size() < offset + bytes.size()) file.current.resize(offset + bytes.size());
    std::copy(bytes.begin(), bytes.end(),
              file.current.begin() + static_cast<std::ptrdiff_t>(offset));
    for (auto sector = offset / kSectorBytes; sector * kSectorBytes < offset + bytes.size();
         ++sector)
        file.dirty.insert(sector);
}

base::Result<std::vector<spool::FileInfo>, DiskError> ModelDisk::list() {
    if (const auto error = strike(Kind::list)) return *error;
    std::vector<spool::FileInfo> files;
    for (const auto& [name, file] : names_) files.push_back({name, file->current.size()});
    return files;
}

base::Result<void, DiskError> ModelDisk::create(const std::string& name, std::uint64_t size) {
    const auto error = strike(Kind::create);
    if (error && (power_budget_ == 0U || random_() % 2 == 0)) return *error;
    if (names_.contains(name)) return DiskError::io;
    auto file = std::make_shared<File>();
    file->current.resize(error ? size / 2 : size);  // one that failed may leave a part behind
    name_changes_.push_back({{}, name, file});
    apply(names_, name_changes_.back());
    if (error) return *error;
    return {};
}

base::Result<void, DiskError> ModelDisk::write(const std::string& name, std::uint64_t offset,
                                               base::ByteView bytes) {
    const auto error = strike(Kind::write);
    if (error && power_budget_ == 0U) return *error;
    const auto file = names_.find(name);
    if (file == names_.end()) return DiskError::not_found;
    if (error) bytes = bytes.first(static_cast<std::size_t>(random_() % (bytes.size() + 1)));
    put(*file->second, offset, bytes);
    if (error) return *error;
    return {};
}

base::Result<void, DiskError> ModelDisk::sync(const std::string& name) {
    const auto error = strike(Kind::sync);
    if (error && power_budget_ == 0U) return *error;
    const auto at = names_.find(name);
    if (at == names_.end()) return DiskError::not_found;
    auto& file = *at->second;
    for (const auto sector : file.dirty)
        if (!error || random_() % 2 == 0) settle(file, sector);
    file.dirty.clear();
    if (error) return *error;
    file.durable.resize(file.current.size());
    return {};
}

base::Result<void, DiskError> ModelDisk::sync_directory() {
    if (const auto error = strike(Kind::sync_directory)) return *error;
    for (const auto& change : name_changes_) apply(durable_names_, change);
    name_changes_.clear();
    return {};
}

base::Result<base::Bytes, DiskError> ModelDisk::read(const std::string& name, std::uint64_t offset,
                                                     std::size_t length) {
    if (const auto error = strike(Kind::read)) return *error;
    const auto at = names_.find(name);
    if (at == names_.end()) return DiskError::not_found;
    const auto& bytes = at->second->current;
    const auto from = std::min<std::uint64_t>(offset, bytes.size());
    const auto to = std::min<std::uint64_t>(from + length, bytes.size());
    return base::Bytes(bytes.begin() + static_cast<std::ptrdiff_t>(from),
                       bytes.begin() + static_cast<std::ptrdiff_t>(to));
}

base::Result<void, DiskError> ModelDisk::remove(const std::string& name) {
    if (const auto error = strike(Kind::remove)) return *error;
    if (!names_.contains(name)) return DiskError::not_found;
    name_changes_.push_back({name, {}, nullptr});
    apply(names_, name_changes_.back());
    return {};
}

base::Result<void, DiskError> ModelDisk::rename(const std::string& from, const std::string& to) {
    if (const auto error = strike(Kind::rename)) return *error;
    const auto at = names_.find(from);
    if (at == names_.end()) return DiskError::not_found;
    name_changes_.push_back({from, to, at->second});
    apply(names_, name_changes_.back());
    return {};
}

base::Result<void, DiskError> ModelDisk::save(const spool::Checkpoint& checkpoint) {
    if (const auto error = strike(Kind::save)) return *error;
    if (!checkpoint_) checkpoint_.emplace();
    for (const auto& tag : checkpoint.tags) {
        auto& tags = checkpoint_->tags;
        const bool known = std::any_of(tags.begin(), tags.end(),
                                       [&](const record::Tag& each) { return each.id == tag.id; });
        if (!known) tags.push_back(tag);
    }
    checkpoint_->cursors = checkpoint.cursors;
    checkpoint_->tags_complete_below = checkpoint.tags_complete_below;
    checkpoint_->gone_below = checkpoint.gone_below;
    checkpoint_->last_tag = checkpoint.last_tag;
    for (const auto id : checkpoint.ledger.erased) ledger_.erase(id);
    for (const auto& row : checkpoint.ledger.put) ledger_[row.id] = row;
    for (const auto& record : checkpoint.kept) keep(record);
    if (checkpoint.lists_all_receipts) receipts_.clear();
    for (const auto seq : checkpoint.receipts_gone) receipts_.erase(seq);
    for (const auto& receipt : checkpoint.receipts) receipts_[receipt.seq] = receipt;
    return {};
}

void ModelDisk::keep(const spool::KeptRecord& record) {
    std::erase_if(kept_, [&](const spool::KeptRecord& each) {
        const bool same = each.carries == record.carries;
        const bool superseded = each.seq < record.seq && (each.carries & ~record.carries) == 0;
        return each.tag == record.tag && (same || superseded);
    });
    kept_.push_back(record);
    std::ranges::sort(kept_, [](const auto& a, const auto& b) {
        return std::pair(a.seq, a.tag) < std::pair(b.seq, b.tag);
    });
}

base::Result<spool::Checkpoint, DiskError> ModelDisk::load() {
    if (const auto error = strike(Kind::load)) return *error;
    if (!checkpoint_) {  // lost: the ledger and what was kept with it
        ledger_.clear();
        kept_.clear();
        receipts_.clear();
        return spool::Checkpoint{};
    }
    auto stored = *checkpoint_;
    stored.exists = true;
    for (const auto& [seq, receipt] : receipts_) stored.receipts.push_back(receipt);
    for (const auto& [id, row] : ledger_) stored.ledger.put.push_back(row);
    for (const auto& record : kept_) {
        auto& runs = stored.kept_runs;
        const auto run = std::ranges::find(runs, record.epoch, &tunnel::Run::epoch);
        if (run == runs.end())
            runs.push_back({record.epoch, record.seq, record.seq});
        else
            run->last = record.seq;
    }
    return stored;
}

base::Result<std::vector<spool::KeptRecord>, DiskError> ModelDisk::read_kept(
    const spool::KeptRange& range) {
    if (const auto error = strike(Kind::read_kept)) return *error;
    std::vector<spool::KeptRecord> read;
    std::size_t bytes = 0;
    for (const auto& record : kept_) {
        if (record.seq <= range.after || record.seq >= range.below) continue;
        if (bytes >= range.bytes_max && record.seq != read.back().seq) break;
        bytes += record.body.size();
        read.push_back(record);
    }
    return read;
}

void ModelDisk::crash_file(File& file, std::mt19937_64& random) {
    // Nothing, everything, a prefix, or any subset of what was not synced survives.
    const auto manner = random() % 4;
    const auto prefix = file.dirty.empty() ? 0 : random() % (file.dirty.size() + 1);
    std::uint64_t i = 0;
    for (const auto sector : file.dirty) {
        const bool survives =
            manner == 1 || (manner == 2 && i < prefix) || (manner == 3 && random() % 2 == 0);
        ++i;
        if (survives) settle(file, sector);
        ++(survives ? strikes_.sectors_survived : strikes_.sectors_lost);
    }
    file.dirty.clear();
    file.current = file.durable;
}

void ModelDisk::crash(std::uint64_t seed) {
    std::mt19937_64 random(seed);
    ++strikes_.power_cuts;
    const auto manner = random() % 3;
    for (const auto& change : name_changes_) {
        if (manner == 0 || (manner == 1 && random() % 2 == 0))
            ++strikes_.names_lost;
        else
            apply(durable_names_, change);
    }
    name_changes_.clear();
    names_ = durable_names_;
    for (auto& [name, file] : names_) crash_file(*file, random);
    faults_ = {};
    power_budget_.reset();
    random_.seed(seed);
}

const base::Bytes* ModelDisk::peek(const std::string& name) const {
    const auto at = names_.find(name);
    return at == names_.end() ? nullptr : &at->second->current;
}

bool ModelDisk::has_durable_name(const std::string& name) const {
    const auto durable = durable_names_.find(name);
    const auto seen = names_.find(name);
    return durable != durable_names_.end() && seen != names_.end() &&
           durable->second == seen->second;
}

std::vector<std::string> ModelDisk::names() const {
    std::vector<std::string> names;
    names.reserve(names_.size());
    for (const auto& [name, file] : names_) names.push_back(name);
    return names;
}

void ModelDisk::lose_file(const std::string& name) {
    names_.erase(name);
    durable_names_.erase(name);
}

base::Bytes& ModelDisk::contents(const std::string& name) {
    const auto at = names_.find(name);
    SALLYPORT_ASSERT(at != names_.end());
    at->second->durable.resize(at->second->current.size());
    return at->second->current;
}

void ModelDisk::flip_bit(const std::string& name, std::uint64_t offset, unsigned bit) {
    auto& bytes = contents(name);
    SALLYPORT_ASSERT(offset < bytes.size() && bit < 8);
    bytes[offset] = static_cast<std::uint8_t>(bytes[offset] ^ (1U << bit));
    names_.at(name)->durable[offset] = bytes[offset];
    ++strikes_.bits_flipped;
}

}  // namespace sallyport::simulation
