#include "it-agent/sinks/ledger.hpp"

#include <algorithm>
#include <iterator>
#include <limits>
#include <map>

namespace sallyport::sinks {

using record::Epoch;
using record::LedgerEntry;
using record::LedgerRow;
using record::Seq;

namespace {

constexpr std::uint64_t kFoldedPass = 0;

}  // namespace

Ledger::Ledger(std::vector<LedgerRow> stored, std::size_t rows_max) : rows_max_(rows_max) {
    for (auto& row : stored) {
        const auto& entry = row.entry;
        next_id_ = std::max(next_id_, row.id + 1);
        pass_ = std::max(pass_, row.pass + 1);
        sums_[{entry.peer, entry.reason}] += entry.records;
        if (row.pass == kFoldedPass)
            folded_[{entry.peer, entry.reason}] = row.id;
        else
            ranges_[{entry.peer, entry.epoch}].emplace(entry.first, row.id);
        rows_.emplace(row.id, std::move(row));
    }
}

/// What of a range is in the ledger, sorted: of all runs of the log, of each as far as the log has
/// it: beyond that an older copy of the log was restored, and other records have those seqs now.
std::vector<Ledger::Known> Ledger::known_of(const LedgerEntry& entry,
                                            const std::vector<tunnel::Run>& log) const {
    std::map<Epoch, Seq> runs{{entry.epoch, std::numeric_limits<Seq>::max()}};
    for (const auto& run : log) {
        const auto [at, is_new] = runs.try_emplace(run.epoch, run.last);
        if (!is_new) at->second = std::max(at->second, run.last);
    }
    std::vector<Known> known;
    for (const auto& [epoch, last] : runs) {
        const auto found = ranges_.find({entry.peer, epoch});
        if (found == ranges_.end()) continue;
        for (const auto& [first, id] : found->second) {
            const Known part{std::max(first, entry.first),
                             std::min({rows_.at(id).entry.last, last, entry.last})};
            if (part.first <= part.last) known.push_back(part);
        }
    }
    std::ranges::sort(known, {}, &Known::first);
    return known;
}

std::uint64_t Ledger::add_range(const LedgerEntry& entry, const std::vector<tunnel::Run>& log) {
    std::uint64_t added = 0;
    const auto all_known = known_of(entry, log);
    auto& ranges = ranges_[{entry.peer, entry.epoch}];
    const auto add = [&](Seq first, Seq last) {
        auto piece = entry;
        piece.first = first;
        piece.last = last;
        piece.records = last - first + 1;
        added += piece.records;
        add_piece(ranges, piece);
    };
    auto at = entry.first;  // 0: behind the end of numbers
    for (const auto& known : all_known) {
        if (at == 0 || known.last < at) continue;
        if (known.first > at) add(at, known.first - 1);
        at = known.last + 1;
    }
    if (at != 0 && at <= entry.last) add(at, entry.last);
    while (rows_.size() > rows_max_ && rows_.size() > folded_.size()) fold_oldest();
    return added;
}

void Ledger::add_piece(Ranges& ranges, const LedgerEntry& piece) {
    sums_[{piece.peer, piece.reason}] += piece.records;
    const auto behind = ranges.lower_bound(piece.first);
    if (behind != ranges.begin()) {
        auto& before = rows_.at(std::prev(behind)->second);
        if (before.pass == pass_ && before.entry.reason == piece.reason &&
            before.entry.last + 1 == piece.first) {
            before.entry.last = piece.last;
            before.entry.records += piece.records;
            before.entry.until = std::max(before.entry.until, piece.until);
            put(before);
            return;
        }
    }
    LedgerRow row;
    row.id = next_id_++;
    row.entry = piece;
    row.pass = pass_;
    row.settled = true;
    ranges.emplace(piece.first, row.id);
    put(row);
    rows_.emplace(row.id, std::move(row));
}

void Ledger::put(const LedgerRow& row) {
    changes_[row.id] = row;
}

/// The oldest row that stands for itself joins the one of its edge and reason.
void Ledger::fold_oldest() {
    const auto oldest =
        std::ranges::find_if(rows_, [](const auto& row) { return row.second.pass != kFoldedPass; });
    auto row = std::move(oldest->second);
    rows_.erase(oldest);
    auto& entry = row.entry;
    const auto ranges = ranges_.find({entry.peer, entry.epoch});
    ranges->second.erase(entry.first);
    if (const auto folded = folded_.find({entry.peer, entry.reason}); folded != folded_.end()) {
        changes_[row.id] = std::nullopt;
        auto& into = rows_.at(folded->second);
        into.entry.first = std::min(into.entry.first, entry.first);
        into.entry.last = std::max(into.entry.last, entry.last);
        into.entry.records += entry.records;
        into.entry.since = std::min(into.entry.since, entry.since);
        into.entry.until = std::max(into.entry.until, entry.until);
        put(into);
        return;
    }
    entry.epoch = 0;
    row.pass = kFoldedPass;
    folded_.emplace(std::pair(entry.peer, entry.reason), row.id);
    put(row);
    rows_.emplace(row.id, std::move(row));
}

record::LedgerChange Ledger::take_change() {
    record::LedgerChange change;
    for (auto& [id, row] : changes_) {
        if (row)
            change.put.push_back(std::move(*row));
        else
            change.erased.push_back(id);
    }
    changes_.clear();
    return change;
}

std::vector<LedgerRow> Ledger::rows(std::uint64_t after, std::size_t rows_max) const {
    std::vector<LedgerRow> page;
    for (auto at = rows_.upper_bound(after); at != rows_.end() && page.size() < rows_max; ++at)
        page.push_back(at->second);
    return page;
}

}  // namespace sallyport::sinks
