// What is known of each segment file of the log, and the questions asked of them all.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "common/base/time.hpp"
#include "common/record/record.hpp"
#include "common/tunnel/frame.hpp"

namespace sallyport::spool {

/// Where an entry begins, one for about every kIndexStride bytes: a reader's place to start.
struct IndexPoint {
    record::Seq first = 0;
    std::uint64_t offset = 0;
};
constexpr std::uint64_t kIndexStride = 256U << 10U;

struct Segment {
    std::string name;
    record::Epoch epoch = 0;
    record::Seq first = 0;
    record::Seq last = 0;  // newest synced seq; first - 1: none yet
    std::uint64_t ordinal = 0;
    /// Of its checksums; not known where a start could not read its header: who reads it begins
    /// with that.
    std::optional<std::uint64_t> seed = 0;
    std::uint64_t size = 0;        // of the file
    std::uint64_t end = 0;         // behind its last synced entry; `size` where that is not known
    base::WallTime first_arrival;  // of its first record; at most that where it is not known
    std::vector<IndexPoint> index;

    void add_index_point(record::Seq entry_first, std::uint64_t offset);
};

/// One start's records in the log. `span_last` is the last seq the run had, read or not: what lies
/// between `last` and it was lost.
struct RunSpan {
    record::Epoch epoch = 0;
    record::Seq first = 0, last = 0, span_last = 0;
};

/// The segments that make up the log, oldest first; they do not overlap. The one that is being
/// written is the last.
class SegmentTable {
public:
    bool empty() const { return segments_.empty(); }
    std::size_t size() const { return segments_.size(); }
    std::uint64_t bytes() const { return bytes_; }
    std::size_t run_count() const { return run_count_; }
    const Segment& front() const { return segments_.front(); }
    const Segment& back() const { return segments_.back(); }
    Segment& back() { return segments_.back(); }
    const Segment& operator[](std::size_t i) const { return segments_[i]; }

    void push_back(Segment segment);
    Segment pop_front();
    Segment pop_back();

    /// Index of the newest segment with first <= seq; nothing where seq lies before the log.
    std::optional<std::size_t> find(record::Seq seq) const;
    /// The last seq that segment `i` had: what lies between its `last` and this was lost.
    record::Seq span_last(std::size_t i, record::Seq synced) const;
    std::optional<RunSpan> find_run(record::Epoch epoch, record::Seq synced) const;
    /// Oldest first; `current` comes last, empty where it has nothing synced.
    std::vector<tunnel::Run> runs(record::Epoch current, record::Seq synced) const;

private:
    std::deque<Segment> segments_;
    std::uint64_t bytes_ = 0;
    std::size_t run_count_ = 0;
};

}  // namespace sallyport::spool
