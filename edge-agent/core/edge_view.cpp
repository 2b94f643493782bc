// What can be seen of the edge: its tags and its status.
#include <algorithm>

#include "common/mqtt/topic.hpp"
#include "edge-agent/core/edge_core.hpp"

namespace sallyport::edge_core {

record::TagsPage EdgeCore::tags(const record::TagsQuery& query) const {
    record::TagsPage page;
    const auto first = std::min<std::uint64_t>(query.from, newest_.size());
    const auto end = std::min(newest_.size(), first + record::TagsQuery::kTagsLookedAtMax);
    auto at = first;
    for (; at < end && page.rows.size() < query.rows_max; ++at) {
        const auto tag = static_cast<record::TagId>(at);
        const auto topic = spool_->topic(tag);
        if (!topic || !mqtt::matches(query.filter, *topic)) continue;
        const auto quality = publishers_.quality(tag);
        page.rows.push_back({std::string(*topic), newest_[tag], quality, quality,
                             std::string(publishers_.publisher(tag))});
    }
    if (at < newest_.size()) page.next = at;
    return page;
}

EdgeStatus EdgeCore::status(base::Now now, std::optional<std::uint64_t> disk_free_bytes) const {
    EdgeStatus status;
    status.broker = broker_.counters();
    status.spool = spool_->stats();
    status.tags = spool_->tag_count();
    status.forwarded = forwarded_;
    status.shed_qos0 = shed_qos0_;
    status.pending_acks = pending_acks_.size();
    status.delivery_acks = delivery_acks_.size();
    status.refused_topics = refused_topics_;
    status.unreadable_payloads = unreadable_payloads_;
    status.unbelieved_times = unbelieved_times_;
    status.refused_full = refused_full_;
    status.counts = spool_->counts();
    status.epoch = spool_->epoch();
    status.started = started_;
    status.spool_since = spool_since_;
    status.uplink = uplink_.status(now);
    status.outlook = outlook(status.spool, status.uplink, spool_bytes_in_.per_second(now.instant),
                             disk_free_bytes);
    return status;
}

}  // namespace sallyport::edge_core
