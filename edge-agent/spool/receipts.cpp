#include "edge-agent/spool/receipts.hpp"

#include <algorithm>
#include <utility>

namespace sallyport::spool {

Receipts::Receipts(std::vector<Receipt> found) {
    std::ranges::sort(found, {}, &Receipt::seq);
    add(found);
}

void Receipts::add(const std::vector<Receipt>& synced) {
    for (const auto& receipt : synced) {
        const Name name{receipt.session, receipt.packet_id};
        if (const auto older = by_name_.find(name); older != by_name_.end()) forget(older->second);
        open_.emplace(receipt.seq, receipt);
        by_name_.emplace(name, receipt.seq);
        if (receipt.awaits_delivery) awaiting_.insert(receipt.seq);
        if (open_.size() - awaiting_.size() > kOpenReceiptsMax) forget_oldest();
    }
}

/// Those that wait are few: as many as may (DeliveryAcks::kWaitingMax).
void Receipts::forget_oldest() {
    for (const auto& [seq, receipt] : open_)
        if (!awaiting_.contains(seq)) return forget(seq);
}

void Receipts::passed(record::Seq seq) {
    awaiting_.erase(awaiting_.begin(), awaiting_.upper_bound(seq));
}

void Receipts::leave_out(const record::LedgerEntry& entry) {
    for (auto at = awaiting_.lower_bound(entry.first); at != awaiting_.end() && *at <= entry.last;
         ++at) {
        auto& receipt = open_.at(*at);
        if (entry.tag != 0 && entry.tag != receipt.tag) continue;
        receipt.left_out = lists_all_ = true;
    }
}

bool Receipts::is_left_out(record::Seq seq) const {
    const auto found = open_.find(seq);
    return found != open_.end() && found->second.left_out;
}

void Receipts::forget(record::Seq seq) {
    const auto found = open_.find(seq);
    by_name_.erase({found->second.session, found->second.packet_id});
    awaiting_.erase(seq);
    open_.erase(found);
    gone_.push_back(seq);
    lists_all_ = lists_all_ || gone_.size() > kOpenReceiptsMax;
}

std::uint64_t Receipts::release(std::uint64_t session, std::uint16_t packet_id) {
    const auto found = by_name_.find({session, packet_id});
    if (found == by_name_.end()) return 0;
    forget(found->second);
    return ++released_;
}

std::vector<Receipt> Receipts::open() const {
    std::vector<Receipt> all;
    all.reserve(open_.size());
    for (const auto& [seq, receipt] : open_) all.push_back(receipt);
    return all;
}

void Receipts::take_change(Checkpoint& checkpoint) {
    if (lists_all_) {
        gone_.clear();
        listed_below_ = 0;
    }
    checkpoint.lists_all_receipts = std::exchange(lists_all_, false);
    for (auto at = open_.lower_bound(listed_below_); at != open_.end(); ++at)
        checkpoint.receipts.push_back(at->second);
    checkpoint.receipts_gone = gone_;
    taken_below_ = open_.empty() ? listed_below_ : open_.rbegin()->first + 1;
    taken_gone_ = gone_.size();
    taken_ = released_;
}

void Receipts::saved() {
    listed_below_ = taken_below_;
    gone_.erase(gone_.begin(), gone_.begin() + static_cast<std::ptrdiff_t>(taken_gone_));
    saved_ = taken_;
}

/// It may have reached the disk all the same.
void Receipts::save_failed() {
    lists_all_ = true;
}

}  // namespace sallyport::spool
