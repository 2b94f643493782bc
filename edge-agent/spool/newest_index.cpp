#include "edge-agent/spool/newest_index.hpp"

#include <algorithm>

#include "common/base/mutants.hpp"
#include "edge-agent/spool/kept.hpp"

namespace sallyport::spool {
namespace {

bool is_latest(const record::Record& record) {
    return (record.flags & record::kLatest) != 0;
}

/// Grows by halves: tags are numbered one by one.
template <class T>
T& at_tag(std::vector<T>& by_tag, record::TagId tag) {
    if (tag >= by_tag.size())
        by_tag.resize(std::max<std::size_t>(tag + 1, by_tag.size() + by_tag.size() / 2));
    return by_tag[tag];
}

void raise(NewestSeqs& newest, record::Seq seq, std::uint8_t carries) {
    newest.any = std::max(newest.any, seq);
    if ((carries & kCarriesValue) == 0) return;
    newest.value = std::max(newest.value, seq);
    if ((carries & kCarriesRetain) != 0) newest.retained = std::max(newest.retained, seq);
}

}  // namespace

NewestSeqs Pass::newest_at_horizon(record::TagId tag) const {
    const auto& newest = index_->newest_;
    if (tag >= newest.size()) return {};
    if (newest[tag].any <= horizon_ || base::mutant(base::Mutant::conflation_starves_a_fast_tag))
        return newest[tag];
    if (tag < changed_.size() && changed_[tag].horizon == horizon_) return changed_[tag].newest;
    return {};
}

bool Pass::supersedes(const tunnel::BatchRecord& record) const {
    if (!is_latest(record)) return false;
    const auto carried = carries(record);
    const auto is_superseded = [&](record::TagId tag) {
        const auto newest = newest_at_horizon(tag);
        const auto seq = (carried & kCarriesRetain) != 0  ? newest.retained
                         : (carried & kCarriesValue) != 0 ? newest.value
                                                          : newest.any;
        return seq > record.seq ||
               (seq == record.seq && base::mutant(base::Mutant::conflation_drops_the_newest));
    };
    return is_superseded(record.tag) && std::ranges::all_of(record.also_tags, is_superseded);
}

void NewestIndex::restore(const tunnel::BatchRecord& record) {
    if (!is_latest(record)) return;
    raise(at_tag(newest_, record.tag), record.seq, carries(record));
    for (const auto tag : record.also_tags)
        raise(at_tag(newest_, tag), record.seq, carries(record));
}

void NewestIndex::accepted(record::Seq seq, const tunnel::BatchRecord& record) {
    if (!is_latest(record)) return;
    unsynced_.push_back({seq, record.tag, carries(record)});
    for (const auto tag : record.also_tags) unsynced_.push_back({seq, tag, carries(record)});
}

void NewestIndex::synced(record::Seq up_to) {
    for (; !unsynced_.empty() && unsynced_.front().seq <= up_to; unsynced_.pop_front())
        note(unsynced_.front());
}

void NewestIndex::note(const Accepted& record) {
    auto& newest = at_tag(newest_, record.tag);
    for (auto& [destination, pass] : passes_)
        if (pass.horizon_ != 0 && newest.any <= pass.horizon_)
            at_tag(pass.changed_, record.tag) = {newest, pass.horizon_};
    raise(newest, record.seq, record.carries);
}

void NewestIndex::begin_pass(const std::string& destination, record::Seq horizon) {
    passes_.try_emplace(destination, Pass(*this)).first->second.horizon_ = horizon;
}

void NewestIndex::end_pass(const std::string& destination) {
    passes_.erase(destination);
}

const Pass* NewestIndex::pass(const std::string& destination) const {
    const auto known = passes_.find(destination);
    return known == passes_.end() ? nullptr : &known->second;
}

}  // namespace sallyport::spool
