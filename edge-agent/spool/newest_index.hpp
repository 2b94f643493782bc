// Which record of a `latest` tag is its newest: by it a reader that is behind leaves out what is
// superseded. A newer record supersedes one if it carries all that that one carries: a value, the
// retain flag.
//
//   accepted() ─▶ waits for its sync ─▶ synced() ─▶ the tag's newest seqs
//
// A pass of a destination over its backlog judges up to a *horizon*, the newest synced seq when it
// begins: a newer record beyond it does not count, or of a tag that changes all the time nothing
// would ever arrive. So for each pass is kept what was newest at its horizon, of the tags that have
// changed since. Memory: 24 bytes a tag, and 32 a tag and destination.
//
// After a start it knows the records that the start has read. Of a tag that it does not know
// nothing is left out.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "common/tunnel/frame.hpp"

namespace sallyport::spool {

/// The newest seq that carries at least this; 0: none is known.
struct NewestSeqs {
    record::Seq any = 0, value = 0, retained = 0;
};

class NewestIndex;

/// One destination's way to its horizon. Nothing is superseded where none was begun.
class Pass {
public:
    record::Seq horizon() const { return horizon_; }
    /// A newer record of each of its tags, at or below the horizon, carries all that it carries.
    /// False for what is not of class `latest`.
    bool supersedes(const tunnel::BatchRecord& record) const;

private:
    friend class NewestIndex;
    explicit Pass(const NewestIndex& index) : index_(&index) {}

    struct AtHorizon {
        NewestSeqs newest;
        record::Seq horizon = 0;  // of the pass that kept it
    };
    NewestSeqs newest_at_horizon(record::TagId tag) const;

    const NewestIndex* index_;
    record::Seq horizon_ = 0;
    std::vector<AtHorizon> changed_;  // by tag: newer ones have come since the pass began
};

class NewestIndex {
public:
    NewestIndex() = default;
    /// Before the first pass has begun: a pass borrows it.
    NewestIndex(NewestIndex&&) noexcept = default;
    NewestIndex(const NewestIndex&) = delete;
    NewestIndex& operator=(const NewestIndex&) = delete;
    ~NewestIndex() = default;

    /// What a start has read, in any order.
    void restore(const tunnel::BatchRecord& record);
    void accepted(record::Seq seq, const tunnel::BatchRecord& record);
    void synced(record::Seq up_to);

    /// All that is accepted up to `horizon`, the newest synced seq, counts from now on.
    void begin_pass(const std::string& destination, record::Seq horizon);
    void end_pass(const std::string& destination);
    /// Null where there was none yet. Stays where it is.
    const Pass* pass(const std::string& destination) const;

private:
    friend class Pass;
    struct Accepted {
        record::Seq seq = 0;
        record::TagId tag = 0;
        std::uint8_t carries = 0;
    };

    void note(const Accepted& record);

    std::vector<NewestSeqs> newest_;  // by tag
    std::deque<Accepted> unsynced_;   // bounded by what the spool lets wait for its disk
    std::map<std::string, Pass> passes_;
};

}  // namespace sallyport::spool
