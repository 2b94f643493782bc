// When who publishes what goes to the PublisherStore: one job at a time, a second apart, each with
// the tags whose publisher has changed since. A job that failed is tried again, with whatever has
// changed meanwhile.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "edge-agent/ingest/publisher_store.hpp"
#include "edge-agent/ingest/publishers.hpp"

namespace sallyport::ingest {

class PublisherSaves {
public:
    static constexpr base::Duration kInterval = std::chrono::seconds(1);
    static constexpr std::size_t kTagsMax = 10'000;  // of one job

    explicit PublisherSaves(Publishers& publishers) : publishers_(publishers) {}

    /// `topic_of(tag)` gives std::optional<std::string_view>.
    template <class TopicOf>
    std::optional<PublisherJob> next_job(const TopicOf& topic_of, base::Now now) {
        now_ = now.instant;
        if (!in_flight_.empty() || now_ < next_ || !publishers_.has_unsaved()) return std::nullopt;
        in_flight_ = publishers_.take_unsaved(kTagsMax);
        PublisherJob job{++last_id_, {}};
        for (const auto tag : in_flight_)
            job.changed.push_back(
                {std::string(topic_of(tag).value_or("")), std::string(publishers_.publisher(tag))});
        return job;
    }
    void complete(const PublisherDone& done, base::Now now);

    void expire(base::Now now) { now_ = now.instant; }
    /// When a job will be there; one that is there already is for its owner to take.
    std::optional<base::Instant> next_deadline() const;

private:
    Publishers& publishers_;
    std::vector<record::TagId> in_flight_;
    base::Instant next_, now_;
    std::uint64_t last_id_ = 0;
};

}  // namespace sallyport::ingest
