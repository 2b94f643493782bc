#include "edge-agent/spool/segment.hpp"

#include <algorithm>

#include "common/base/assert.hpp"

namespace sallyport::spool {

void Segment::add_index_point(record::Seq entry_first, std::uint64_t offset) {
    if (index.empty() || offset >= index.back().offset + kIndexStride)
        index.push_back({entry_first, offset});
}

void SegmentTable::push_back(Segment segment) {
    SALLYPORT_ASSERT(empty() || segment.first > back().last);
    bytes_ += segment.size;
    if (empty() || back().epoch != segment.epoch) ++run_count_;
    segments_.push_back(std::move(segment));
}

Segment SegmentTable::pop_front() {
    Segment gone = std::move(segments_.front());
    segments_.pop_front();
    bytes_ -= gone.size;
    if (empty() || front().epoch != gone.epoch) --run_count_;
    return gone;
}

Segment SegmentTable::pop_back() {
    Segment gone = std::move(segments_.back());
    segments_.pop_back();
    bytes_ -= gone.size;
    if (empty() || back().epoch != gone.epoch) --run_count_;
    return gone;
}

std::optional<std::size_t> SegmentTable::find(record::Seq seq) const {
    const auto after = std::upper_bound(
        segments_.begin(), segments_.end(), seq,
        [](record::Seq value, const Segment& segment) { return value < segment.first; });
    if (after == segments_.begin()) return std::nullopt;
    return static_cast<std::size_t>(after - segments_.begin()) - 1;
}

record::Seq SegmentTable::span_last(std::size_t i, record::Seq synced) const {
    return i + 1 < segments_.size() ? segments_[i + 1].first - 1
                                    : std::max(synced, segments_[i].last);
}

std::optional<RunSpan> SegmentTable::find_run(record::Epoch epoch, record::Seq synced) const {
    std::optional<RunSpan> run;
    for (std::size_t i = 0; i < segments_.size(); ++i) {
        const auto& segment = segments_[i];
        if (segment.epoch != epoch) continue;
        if (!run) run = RunSpan{epoch, segment.first, 0, 0};
        run->last = segment.last;
        run->span_last = span_last(i, synced);
    }
    return run;
}

std::vector<tunnel::Run> SegmentTable::runs(record::Epoch current, record::Seq synced) const {
    std::vector<tunnel::Run> runs;
    for (const auto& segment : segments_) {
        if (runs.empty() || runs.back().epoch != segment.epoch)
            runs.push_back({segment.epoch, segment.first, segment.last});
        runs.back().last = segment.last;
    }
    if (runs.empty() || runs.back().epoch != current) runs.push_back({current, synced + 1, synced});
    if (runs.size() > tunnel::kRunsMax) {
        const auto surplus = runs.size() - tunnel::kRunsMax;
        runs.erase(runs.begin(), runs.begin() + static_cast<std::ptrdiff_t>(surplus));
    }
    return runs;
}

}  // namespace sallyport::spool
