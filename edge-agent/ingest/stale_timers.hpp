// When tags become stale for want of an update. Tags that wait equally long stand in one queue, in
// the order in which they began to wait, so setting, moving and ending a timer cost the same for
// ten tags as for a million.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "common/base/time.hpp"
#include "common/record/record.hpp"

namespace sallyport::ingest {

class StaleTimers {
public:
    using Queue = std::uint32_t;
    /// Tags that come due one after the other are told together, this often at most.
    static constexpr base::Duration kToldEvery = std::chrono::milliseconds(100);

    /// The queue of those that wait for `wait`; the same for the same wait.
    Queue queue_for(base::Duration wait);

    /// The tag's wait in that queue begins now; one it was in before is over.
    void begin(Queue queue, record::TagId tag, base::Now now);
    void end(record::TagId tag);
    bool waits(record::TagId tag) const { return tag < tags_.size() && tags_[tag].waits; }
    bool waits_in(Queue queue, record::TagId tag) const {
        return waits(tag) && tags_[tag].queue == queue;
    }

    /// Tags whose wait is over, which is told once.
    std::vector<record::TagId> take_due(base::Now now);
    std::optional<base::Instant> next_deadline() const;

private:
    struct Waiting {
        base::Instant due;
        record::TagId before = 0, after = 0;  // in its queue; 0: none, which is no tag
        Queue queue = 0;
        bool waits = false;
    };
    struct Ends {
        base::Duration wait;
        record::TagId first = 0, last = 0;
    };

    std::optional<base::Instant> first_due() const;

    std::vector<Ends> queues_;
    std::vector<Waiting> tags_;  // by tag id
    std::optional<base::Instant> told_;
};

}  // namespace sallyport::ingest
