#include "edge-agent/spool/ledger.hpp"

#include <algorithm>
#include <utility>

namespace sallyport::spool {

using record::LedgerEntry;
using record::LedgerReason;
using record::LedgerRow;

namespace {

constexpr std::uint64_t kFoldedPass = 0;

void widen(LedgerEntry& entry, const LedgerEntry& by) {
    entry.first = std::min(entry.first, by.first);
    entry.last = std::max(entry.last, by.last);
    entry.records += by.records;
    entry.since = std::min(entry.since, by.since);
    entry.until = std::max(entry.until, by.until);
}

bool is_note(LedgerReason reason) {
    return reason == LedgerReason::torn_tail || reason == LedgerReason::cursor_freed ||
           reason == LedgerReason::kept;
}

}  // namespace

std::uint64_t LedgerSums::all() const {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < kReasons; ++i)
        if (!is_note(static_cast<LedgerReason>(i))) sum += by_reason_[i];
    return sum;
}

Ledger::Ledger(std::vector<LedgerRow> stored) {
    for (auto& row : stored) {
        auto& owner = peer(row.entry.peer);
        owner.pass = std::max(owner.pass, row.pass + 1);
        next_id_ = std::max(next_id_, row.id + 1);
        if (row.entry.reason == LedgerReason::kept) {
            owner.kept.emplace(row.entry.last, std::move(row));
            continue;
        }
        if (!row.settled) {
            owner.pending.emplace(row.entry.first, std::move(row));
            continue;
        }
        const auto& entry = row.entry;
        owner.settled.add(entry.reason, entry.records);
        merged_[{entry.peer, entry.reason, entry.tag, entry.epoch, row.pass}] = row.id;
        settled_.emplace(row.id, std::move(row));
    }
}

Ledger::Peer& Ledger::peer(std::string_view name) {
    const auto known = peers_.find(name);
    return known != peers_.end() ? known->second : peers_[std::string(name)];
}

const Ledger::Peer* Ledger::find(std::string_view name) const {
    const auto known = peers_.find(name);
    return known != peers_.end() ? &known->second : nullptr;
}

void Ledger::put(const LedgerRow& row) {
    changes_[row.id] = row;
    ++version_;
}

void Ledger::erase(const LedgerRow& row) {
    changes_[row.id] = std::nullopt;
    ++version_;
}

std::uint64_t Ledger::count_range(const Peer& peer, record::Seq first, record::Seq last) {
    auto records = last - first + 1;
    for (auto at = peer.pending.lower_bound(first); at != peer.pending.end(); ++at) {
        if (at->first > last) break;
        const auto& entry = at->second.entry;
        if (entry.tag != 0 && entry.last <= last) records -= std::min(records, entry.records);
    }
    return records;
}

void Ledger::add_range(const LedgerEntry& range, record::Seq sent_to) {
    auto& owner = peer(range.peer);
    std::vector<std::pair<record::Seq, record::Seq>> known;
    for (const auto& [first, row] : owner.pending)
        if (row.entry.tag == 0 && row.entry.last >= range.first && first <= range.last)
            known.emplace_back(first, row.entry.last);
    auto piece = range;
    for (const auto& [first, last] : known) {
        piece.last = first - 1;
        if (piece.first < first) add_piece(owner, piece, sent_to);
        piece.first = std::max(piece.first, last + 1);
    }
    piece.last = range.last;
    if (piece.first <= piece.last) add_piece(owner, piece, sent_to);
}

bool Ledger::joins(const LedgerRow& row, const LedgerEntry& piece, record::Seq sent_to,
                   bool crowded) {
    const auto& entry = row.entry;
    if (entry.tag != 0 || entry.reason != piece.reason || entry.last + 1 != piece.first)
        return false;
    const bool alike = entry.epoch == piece.epoch;
    if (row.sent_to >= entry.last) return alike && sent_to >= piece.last;
    return row.sent_to == 0 && sent_to == 0 && (alike || crowded);
}

void Ledger::add_piece(Peer& peer, LedgerEntry piece, record::Seq sent_to) {
    piece.records = count_range(peer, piece.first, piece.last);
    if (sent_to < piece.first) sent_to = 0;
    const bool crowded = peer.pending.size() >= kPendingRowsMax;
    for (auto& [first, row] : peer.pending) {
        if (!joins(row, piece, sent_to, crowded)) continue;
        if (row.entry.epoch != piece.epoch) row.entry.epoch = 0;
        widen(row.entry, piece);
        row.sent_to = sent_to;
        return put(row);
    }
    LedgerRow row{next_id_++, std::move(piece), peer.pass, false, sent_to};
    put(row);
    peer.pending.emplace(row.entry.first, std::move(row));
}

void Ledger::add_records(LedgerEntry entry) {
    auto& owner = peer(entry.peer);
    LedgerRow row{next_id_++, std::move(entry), owner.pass, false, 0};
    put(row);
    owner.pending.emplace(row.entry.first, std::move(row));
}

void Ledger::add_kept(LedgerEntry entry) {
    entry.reason = LedgerReason::kept;
    auto& owner = peer(entry.peer);
    LedgerRow row{next_id_++, std::move(entry), owner.pass, false, 0};
    put(row);
    if (const auto same = owner.kept.find(row.entry.last); same != owner.kept.end()) {
        erase(same->second);
        owner.kept.erase(same);
    }
    owner.kept.emplace(row.entry.last, std::move(row));
}

void Ledger::add_note(const LedgerEntry& entry) {
    auto& owner = peer(entry.peer);
    merge(owner, entry, owner.pass);
}

bool Ledger::cut_front(LedgerRow& row, record::Seq seq) {
    if (seq >= row.entry.last) return false;
    row.entry.first = std::max(row.entry.first, seq + 1);
    return true;
}

/// Puts the changed row in the place of the one at `at`; gives what comes behind it.
Ledger::Pending::iterator Ledger::update(Peer& peer, Pending::iterator at, const LedgerRow& row) {
    if (row == at->second) return std::next(at);
    put(row);
    const auto next = peer.pending.erase(at);
    peer.pending.emplace(row.entry.first, row);
    return next;
}

std::vector<LedgerEntry> Ledger::settle(std::string_view name, record::Seq position) {
    auto& owner = peer(name);
    std::vector<LedgerEntry> ranges, records;
    const bool by_kept = owner.kept.contains(position);
    for (auto at = owner.pending.begin(); at != owner.pending.end() && at->first <= position;) {
        auto row = at->second;
        if (row.entry.tag != 0) {
            ++at;
            continue;
        }
        // What had been sent is delivered after all. So is all of it, where the position lies
        // within and is no kept record's.
        const bool within = row.entry.last > position;
        const auto delivered = within && !by_kept ? position : std::min(position, row.sent_to);
        if (!cut_front(row, delivered)) {
            erase(row);
            at = owner.pending.erase(at);
            continue;
        }
        if (row.entry.first > position) {
            row.entry.records = count_range(owner, row.entry.first, row.entry.last);
            at = update(owner, at, row);
            continue;
        }
        auto passed = row.entry;
        passed.last = std::min(passed.last, position);
        passed.records = count_range(owner, passed.first, passed.last);
        ranges.push_back(std::move(passed));
        if (cut_front(row, position)) {
            row.entry.records = count_range(owner, row.entry.first, row.entry.last);
            at = update(owner, at, row);
        } else {
            erase(row);
            at = owner.pending.erase(at);
        }
    }
    settle_kept(owner, position, ranges);
    for (auto at = owner.pending.begin(); at != owner.pending.end() && at->first <= position;) {
        records.push_back(at->second.entry);
        erase(at->second);
        at = owner.pending.erase(at);
    }
    std::erase_if(ranges, [](const LedgerEntry& range) { return range.records == 0; });
    records.insert(records.begin(), ranges.begin(), ranges.end());
    for (const auto& entry : records) merge(owner, entry, owner.pass);
    return records;
}

void Ledger::settle_kept(Peer& peer, record::Seq position, std::vector<LedgerEntry>& ranges) {
    while (!peer.kept.empty() && peer.kept.begin()->first <= position) {
        const auto& sent = peer.kept.begin()->second.entry;
        auto delivered = sent.records;
        for (auto at = peer.pending.lower_bound(sent.first);
             at != peer.pending.end() && at->first <= sent.last; ++at)
            if (at->second.entry.tag != 0)  // left out of it
                delivered -= std::min(delivered, at->second.entry.records);
        for (auto& range : ranges) {
            if (range.last < sent.first || sent.last < range.first) continue;
            const auto of_range = std::min(delivered, range.records);
            range.records -= of_range;
            delivered -= of_range;
        }
        erase(peer.kept.begin()->second);
        peer.kept.erase(peer.kept.begin());
    }
}

void Ledger::resume(std::string_view name, record::Seq position, record::Seq log_first) {
    auto& owner = peer(name);
    ++owner.pass;
    for (auto at = owner.pending.begin(); at != owner.pending.end();) {
        const auto& entry = at->second.entry;
        const bool by_reader = entry.tag != 0 || entry.reason == LedgerReason::damaged;
        if (by_reader && entry.first > position && (entry.tag != 0 || entry.last >= log_first)) {
            erase(at->second);
            at = owner.pending.erase(at);
        } else {
            ++at;
        }
    }
    for (auto at = owner.kept.upper_bound(position); at != owner.kept.end();) {
        erase(at->second);
        at = owner.kept.erase(at);
    }
    // Of what was in flight the far side has what its position says, once it acknowledges that.
    for (auto& [first, row] : owner.pending) {
        if (row.entry.tag != 0) continue;
        const auto before = row;
        row.sent_to = position >= first ? std::min(row.sent_to, position) : 0;
        row.entry.records = count_range(owner, first, row.entry.last);
        if (row != before) put(row);
    }
}

LedgerRow& Ledger::merged_row(const LedgerEntry& entry, std::uint64_t pass) {
    const Key key{entry.peer, entry.reason, entry.tag, entry.epoch, pass};
    const auto known = merged_.find(key);
    if (known != merged_.end()) return settled_.at(known->second);
    LedgerRow row{next_id_++, entry, pass, true, 0};
    row.entry.records = 0;
    merged_[key] = row.id;
    return settled_.emplace(row.id, std::move(row)).first->second;
}

void Ledger::merge(Peer& peer, const LedgerEntry& entry, std::uint64_t pass) {
    peer.settled.add(entry.reason, entry.records);
    auto& row = merged_row(entry, pass);
    widen(row.entry, entry);
    put(row);
    if (settled_.size() > kLedgerRowsMax) fold_oldest();
}

/// The oldest detail joins the row that stands for all that was merged away of its destination and
/// reason: tag 0, epoch 0.
void Ledger::fold_oldest() {
    const auto oldest = std::find_if(settled_.begin(), settled_.end(), [](const auto& each) {
        return each.second.pass != kFoldedPass;
    });
    if (oldest == settled_.end()) return;
    const auto row = oldest->second;
    const auto& entry = row.entry;
    merged_.erase({entry.peer, entry.reason, entry.tag, entry.epoch, row.pass});
    settled_.erase(oldest);
    erase(row);
    auto folded = entry;
    folded.tag = 0;
    folded.epoch = 0;
    auto& total = merged_row(folded, kFoldedPass);
    widen(total.entry, folded);
    put(total);
}

bool Ledger::may_be_at(std::string_view name, record::Epoch epoch, record::Seq seq) const {
    const auto* known = find(name);
    if (known == nullptr) return false;
    const auto sent = known->kept.find(seq);
    if (sent != known->kept.end() && sent->second.entry.epoch == epoch) return true;
    return std::ranges::any_of(known->pending, [&](const auto& each) {
        const auto& row = each.second;
        return row.entry.epoch == epoch && seq <= std::min(row.sent_to, row.entry.last);
    });
}

std::vector<std::pair<record::Epoch, record::Seq>> Ledger::possible_positions(
    std::string_view name) const {
    std::vector<std::pair<record::Epoch, record::Seq>> positions;
    const auto* known = find(name);
    if (known == nullptr) return positions;
    for (const auto& [first, row] : known->pending)
        if (row.sent_to != 0)
            positions.emplace_back(row.entry.epoch, std::min(row.sent_to, row.entry.last));
    for (const auto& [last, row] : known->kept) positions.emplace_back(row.entry.epoch, last);
    return positions;
}

LedgerSums Ledger::settled(std::string_view name) const {
    const auto* known = find(name);
    return known != nullptr ? known->settled : LedgerSums{};
}

LedgerSums Ledger::pending(std::string_view name) const {
    LedgerSums sums;
    if (const auto* known = find(name))
        for (const auto& [first, row] : known->pending)
            sums.add(row.entry.reason, row.entry.tag != 0
                                           ? row.entry.records
                                           : count_range(*known, first, row.entry.last));
    return sums;
}

std::size_t Ledger::pending_rows(std::string_view name) const {
    const auto* known = find(name);
    return known != nullptr ? known->pending.size() : 0;
}

std::vector<LedgerRow> Ledger::rows() const {
    std::vector<LedgerRow> rows;
    rows.reserve(settled_.size());
    for (const auto& [id, row] : settled_) rows.push_back(row);
    for (const auto& [name, owner] : peers_) {
        for (const auto& [first, row] : owner.pending) rows.push_back(row);
        for (const auto& [last, row] : owner.kept) rows.push_back(row);
    }
    return rows;
}

record::LedgerChange Ledger::take_change() {
    saving_ = std::exchange(changes_, {});
    saving_version_ = version_;
    record::LedgerChange change;
    for (const auto& [id, row] : saving_) {
        if (row)
            change.put.push_back(*row);
        else
            change.erased.push_back(id);
    }
    return change;
}

void Ledger::saved() {
    saving_.clear();
    durable_ = saving_version_;
}

void Ledger::save_failed() {
    changes_.merge(saving_);  // what changed again meanwhile stays as it is now
    saving_.clear();
}

}  // namespace sallyport::spool
