#include "edge-agent/ingest/stale_timers.hpp"

#include <algorithm>

namespace sallyport::ingest {

StaleTimers::Queue StaleTimers::queue_for(base::Duration wait) {
    const auto found = std::ranges::find(queues_, wait, &Ends::wait);
    if (found != queues_.end()) return static_cast<Queue>(found - queues_.begin());
    queues_.push_back({wait});
    return static_cast<Queue>(queues_.size() - 1);
}

void StaleTimers::begin(Queue queue, record::TagId tag, base::Now now) {
    if (tag >= tags_.size()) tags_.resize(std::max<std::size_t>(tag + 1, tags_.size() * 2));
    end(tag);
    auto& ends = queues_[queue];
    tags_[tag] = {now.instant + ends.wait, ends.last, 0, queue, true};
    (ends.last == 0 ? ends.first : tags_[ends.last].after) = tag;
    ends.last = tag;
}

void StaleTimers::end(record::TagId tag) {
    if (!waits(tag)) return;
    auto& waiting = tags_[tag];
    auto& ends = queues_[waiting.queue];
    (waiting.before == 0 ? ends.first : tags_[waiting.before].after) = waiting.after;
    (waiting.after == 0 ? ends.last : tags_[waiting.after].before) = waiting.before;
    waiting.waits = false;
}

std::vector<record::TagId> StaleTimers::take_due(base::Now now) {
    std::vector<record::TagId> due;
    const auto next = next_deadline();
    if (!next || *next > now.instant) return due;
    for (auto& ends : queues_) {
        while (ends.first != 0 && tags_[ends.first].due <= now.instant) {
            due.push_back(ends.first);
            end(ends.first);
        }
    }
    told_ = now.instant;
    return due;
}

std::optional<base::Instant> StaleTimers::first_due() const {
    std::optional<base::Instant> first;
    for (const auto& ends : queues_)
        if (ends.first != 0) first = base::earlier(first, tags_[ends.first].due);
    return first;
}

std::optional<base::Instant> StaleTimers::next_deadline() const {
    const auto first = first_due();
    if (!first || !told_) return first;
    return std::max(*first, *told_ + kToldEvery);
}

}  // namespace sallyport::ingest
