// The table `kept`: of each tag the newest records that segments which are gone held, so that
// whoever comes late, or has missed them, gets the present state. A few records a tag: those that
// no newer one *supersedes*, which is one that carries all that it carries (a value, the retain
// flag).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "common/tunnel/frame.hpp"
#include "edge-agent/spool/disk.hpp"
#include "edge-agent/spool/entry_scanner.hpp"
#include "edge-agent/spool/segment.hpp"
#include "edge-agent/spool/spool.hpp"

namespace sallyport::spool {

/// So much of a leaving segment's newest records is collected before it is saved.
constexpr std::size_t kKeptBufferBytesMax = 8U << 20U;
/// Of one read of the table.
constexpr std::size_t kKeptReadBytesMax = 256U << 10U;
/// A session can name only so many runs. These are for kept records: the newest; records of older
/// runs are not sent.
constexpr std::size_t kKeptRunsMax = 1024;
/// And these for the log.
constexpr std::size_t kLogRunsMax = tunnel::kRunsMax - kKeptRunsMax;

/// The bits of KeptRecord::carries.
constexpr std::uint8_t kCarriesValue = 1, kCarriesRetain = 2;
std::uint8_t carries(const record::Record& record);

/// The records of a stretch of the log that are newest of their tag in it. Fed in seq order.
class NewestRecords {
public:
    void add(record::Epoch epoch, const tunnel::BatchRecord& record);
    bool empty() const { return held_.empty(); }
    std::size_t bytes() const { return bytes_; }
    std::vector<KeptRecord> records() const;
    void clear();

private:
    struct Held {
        record::Epoch epoch = 0;
        tunnel::BatchRecord record;  // its views are set when it is encoded
        base::Bytes value, properties;
    };
    static constexpr std::size_t kCombinations = 4;
    using OfTag = std::array<std::optional<Held>, kCombinations>;  // by carries

    void hold(record::Epoch epoch, record::TagId tag, const tunnel::BatchRecord& record);
    static std::size_t bytes_of(const Held& held);

    std::unordered_map<record::TagId, OfTag> held_;
    std::size_t bytes_ = 0;
};

/// Reads a segment that is about to go, and collects what must be kept of it.
class SegmentMover {
public:
    explicit SegmentMover(const Segment& segment);

    std::uint64_t ordinal() const { return ordinal_; }
    /// Everything is read; what is collected may still have to be saved.
    bool has_read_all() const { return ended_; }
    bool must_save() const {
        return ended_ ? !newest_.empty() : newest_.bytes() > kKeptBufferBytesMax;
    }
    std::vector<KeptRecord> records() const { return newest_.records(); }
    void saved() { newest_.clear(); }

    std::optional<ReadBytes> next_read();
    void supply(base::Bytes bytes);
    /// `gone`: the file is not there any more. `count`: a failure that counts against its bytes,
    /// which are passed over when there are too many.
    void failed(bool gone, bool count);

private:
    void scan();

    std::string name_;
    std::uint64_t ordinal_;
    record::Epoch epoch_;
    record::Seq last_;
    EntryScanner scanner_;
    EntryScanner::NeedBytes needed_;
    unsigned failed_reads_ = 0;
    bool ended_ = false;
    NewestRecords newest_;
    std::vector<tunnel::BatchRecord> records_;
};

/// The runs that kept records are of: each one's first and last kept seq.
class KeptRuns {
public:
    KeptRuns() = default;
    explicit KeptRuns(const std::vector<tunnel::Run>& stored);
    void note(const std::vector<KeptRecord>& saved);
    /// Oldest first.
    std::vector<tunnel::Run> all() const;
    /// Whether there may be a kept record with from <= seq < below.
    bool may_have(record::Seq from, record::Seq below) const;
    /// The oldest seq that a session may be sent.
    record::Seq oldest() const;

private:
    std::map<record::Seq, tunnel::Run> runs_;  // by last seq
};

/// A Batch of kept records as a session sends it, covering their first to their last seq.
struct KeptEntry {
    Entry entry;
    std::vector<record::Seq> seqs;
    base::WallTime first_arrival;
};
/// Packs records, in seq order, into entries of one epoch each.
std::vector<KeptEntry> pack(const std::vector<KeptRecord>& kept, std::size_t entry_bytes_max);

}  // namespace sallyport::spool
