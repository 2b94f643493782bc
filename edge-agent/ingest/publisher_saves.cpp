#include "edge-agent/ingest/publisher_saves.hpp"

#include "common/base/assert.hpp"

namespace sallyport::ingest {

void PublisherSaves::complete(const PublisherDone& done, base::Now now) {
    SALLYPORT_ASSERT(done.id == last_id_ && !in_flight_.empty());
    if (done.error)
        for (const auto tag : in_flight_) publishers_.not_saved(tag);
    in_flight_.clear();
    now_ = now.instant;
    next_ = now.instant + kInterval;
}

std::optional<base::Instant> PublisherSaves::next_deadline() const {
    if (!in_flight_.empty() || !publishers_.has_unsaved() || next_ <= now_) return std::nullopt;
    return next_;
}

}  // namespace sallyport::ingest
