#include "tests/simulation/durable_log.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "edge-agent/spool/entry_format.hpp"
#include "edge-agent/spool/spool.hpp"

namespace sallyport::simulation {

using spool::DiskError;

namespace {

/// The spool counts from when it is told of a job, which takes a while on a slow disk.
constexpr base::Duration kToldWithin = std::chrono::seconds(3);
/// A disk that stays full is tried each second; what goes for that goes soon.
constexpr base::Duration kRemovedWithin = std::chrono::seconds(5);

}  // namespace

base::Result<void, DiskError> DurableLog::create(const std::string& name, std::uint64_t size) {
    files_.erase(name);
    synced_.erase(name);
    return note_space(disk_.create(name, size), false);
}

base::Result<void, DiskError> DurableLog::note_space(base::Result<void, DiskError> done,
                                                     bool has_entries) {
    const bool no_space = !done && done.error() == DiskError::no_space;
    // A file that can be made, and is not filled then, is no sign of room.
    if (!no_space && (!done || has_entries)) no_space_since_.reset();
    if (!no_space || starting_) return done;
    if (!no_space_since_) no_space_since_ = run_.now();
    const auto patience = spool::SpoolOptions{}.full_disk_patience - kToldWithin;
    if (starved_at_ || run_.now() - *no_space_since_ >= patience) starved_at_ = run_.now();
    return done;
}

void DurableLog::set_starting(bool on) {
    starting_ = on;
    no_space_since_.reset();
    starved_at_.reset();
}

base::Result<void, DiskError> DurableLog::sync(const std::string& name) {
    const auto done = disk_.sync(name);
    if (!done) return done;
    if (disk_.has_durable_name(name))
        note(name);
    else
        synced_.insert(name);
    return done;
}

base::Result<void, DiskError> DurableLog::sync_directory() {
    const auto done = disk_.sync_directory();
    if (!done) return done;
    for (const auto& name : std::exchange(synced_, {})) note(name);
    return done;
}

base::Result<base::Bytes, DiskError> DurableLog::read(const std::string& name, std::uint64_t offset,
                                                      std::size_t length) {
    if (!starting_) run_.counters.add(Event::read_from_disk);
    return disk_.read(name, offset, length);
}

base::Result<void, DiskError> DurableLog::rename(const std::string& from, const std::string& to) {
    const auto done = disk_.rename(from, to);
    if (!done) return done;
    files_.erase(from);
    if (synced_.erase(from) > 0) synced_.insert(to);
    if (!spool::parse_segment_name(to)) synced_.erase(to);
    if (starting_ && spool::is_unfinished_name(from)) run_.counters.add(Event::tail_rewritten);
    return done;
}

base::Result<void, DiskError> DurableLog::remove(const std::string& name) {
    if (!starting_) check_removal(name);
    const auto done = disk_.remove(name);
    if (!done) return done;
    if (!starting_) run_.counters.add(Event::segment_trimmed);
    files_.erase(name);
    synced_.erase(name);
    std::erase_if(entries_, [&](const EntryPlace& entry) { return entry.file == name; });
    return done;
}

void DurableLog::lose_file(const std::string& name) {
    lost_a_file_ = true;
    disk_.lose_file(name);
    files_.erase(name);
    synced_.erase(name);
    std::erase_if(entries_, [&](const EntryPlace& entry) { return entry.file == name; });
}

void DurableLog::check_removal(const std::string& name) {
    std::uint64_t bytes = 0;
    for (const auto& each : disk_.names()) bytes += disk_.peek(each)->size();
    const bool starved = starved_at_ && run_.now() - *starved_at_ <= kRemovedWithin;
    if (bytes >= full_bytes_ || starved) {
        was_full_ = true;
        return;
    }
    for (const auto& entry : entries_) {
        if (entry.file != name ||
            !entry_at(*disk_.peek(name), files_[name].seed, entry.offset).header)
            continue;  // damaged since: nothing is lost with it
        const bool elsewhere = std::ranges::any_of(entries_, [&](const EntryPlace& other) {
            return other.file != name && other.epoch == entry.epoch && other.first == entry.first;
        });
        for (auto seq = entry.first; !elsewhere && seq <= entry.last; ++seq) {
            const auto* record = find({entry.epoch, seq});
            if (record == nullptr || !record->promised || had_({entry.epoch, seq})) continue;
            run_.violate(
                fmt::format("P3: record {} was removed from a log that is not full, and "
                            "not every destination has it",
                            seq));
            return;
        }
    }
}

const DurableRecord* DurableLog::find(const Identity& identity) const {
    const auto found = records_.find(identity);
    return found == records_.end() ? nullptr : &found->second;
}

std::vector<std::pair<Identity, const DurableRecord*>> DurableLog::in_order() const {
    std::vector<std::pair<Identity, const DurableRecord*>> all;
    all.reserve(in_order_.size());
    for (const auto& identity : in_order_) all.emplace_back(identity, find(identity));
    return all;
}

/// Entries behind those already known, as far as they are whole.
void DurableLog::note(const std::string& name) {
    const auto* bytes = disk_.peek(name);
    if (bytes == nullptr || !spool::parse_segment_name(name)) return;
    auto& file = files_[name];
    if (file.next == 0) {
        if (bytes->size() < spool::kSegmentHeaderBytes) return;
        const auto header =
            spool::decode_segment_header(base::ByteView(*bytes).first(spool::kSegmentHeaderBytes));
        if (!header) return;
        file = {header->seed, spool::kSegmentHeaderBytes};
    }
    for (auto at = file.next; at + spool::kEntryHeaderBytes <= bytes->size();) {
        const auto found = entry_at(*bytes, file.seed, at);
        if (found.header) {
            const auto& header = *found.header;
            note_entry(name, found.bytes, {name, at, header.size(), 0, header.first, header.last});
            at += header.size();
            file.next = at;
        } else if (starting_) {
            at += 8;  // what a start finds may have damage before it
        } else {
            return;
        }
    }
}

/// The entry at an offset, if there is one and it is whole.
DurableLog::Found DurableLog::entry_at(const base::Bytes& bytes, std::uint64_t seed,
                                       std::uint64_t offset) {
    const auto rest = base::ByteView(bytes).subspan(offset);
    const auto header = spool::decode_entry_header(rest, seed);
    if (!header || header->size() > rest.size()) return {};
    const auto payload = rest.subspan(spool::kEntryHeaderBytes, header->payload_bytes());
    if (!spool::is_intact(*header, payload, seed)) return {};
    return {header, base::Bytes(payload.begin(), payload.begin() + header->body_bytes)};
}

void DurableLog::note_entry(const std::string& name, const base::Bytes& body,
                            const EntryPlace& place) {
    const auto head = tunnel::decode_batch(body, scratch_);
    if (!head) return run_.violate(fmt::format("format: an entry of {} cannot be read", name));
    entries_.push_back(place);
    entries_.back().epoch = head->epoch;
    for (const auto& record : scratch_) {
        const Identity identity{head->epoch, record.seq};
        const std::string value(base::as_text(record.value));
        auto [at, is_new] = records_.try_emplace(identity);
        auto& known = at->second;
        if (!is_new && known.value != value)
            run_.violate(fmt::format("one identity, two byte strings: record {}", record.seq));
        if (is_new) {
            known = {value,
                     (record.flags & record::kHasValue) != 0,
                     (record.flags & record::kRetain) != 0,
                     (record.flags & record::kLatest) != 0,
                     record.also_tags,
                     run_.now(),
                     false};
            known.tags.push_back(record.tag);
            in_order_.push_back(identity);
            if (known.has_value) values_.insert(value);
        }
        if (starting_ || known.promised) continue;
        known.promised = true;
        promised_.push_back(identity);
    }
}

}  // namespace sallyport::simulation
