// What of the edges' records is not handed over, and why: ranges that an edge has named missing.
// It stands in the store before, or in the transaction in which, the position passes it.
//
// A range stands there once, in however many sessions it is named, and by whichever of its log's
// runs: seqs rise through a whole log, so one that begins in an earlier run than the one that ends
// it may come again under another. What a later run of another log holds at the same seqs is not
// the same. Ranges that meet are one row within a pass (a session). Over kRowsMax the oldest rows
// become one for each edge and reason, which keeps the sum and the outer bounds.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/record/ledger.hpp"
#include "common/tunnel/frame.hpp"

namespace sallyport::sinks {

class Ledger {
public:
    static constexpr std::size_t kRowsMax = 10'000;

    explicit Ledger(std::vector<record::LedgerRow> stored = {}, std::size_t rows_max = kRowsMax);

    /// Another session: what it names is not joined with what an earlier one has.
    void begin_pass() { ++pass_; }
    /// Records `entry.first` to `entry.last` of `entry.peer`, of the run that ends them; `log` are
    /// the runs of the log which they are missing from. Gives how many of them stood here under no
    /// reason.
    std::uint64_t add_range(const record::LedgerEntry& entry,
                            const std::vector<tunnel::Run>& log = {});

    bool is_changed() const { return !changes_.empty(); }
    /// What is to be made durable; the taker tries until it is.
    record::LedgerChange take_change();

    std::size_t size() const { return rows_.size(); }
    /// Rows with an id over `after`, oldest first, at most `rows_max`.
    std::vector<record::LedgerRow> rows(std::uint64_t after, std::size_t rows_max) const;
    using Sums = std::map<std::pair<std::string, record::LedgerReason>, std::uint64_t>;
    /// Records, by edge and reason.
    const Sums& sums() const { return sums_; }

private:
    using Ranges = std::map<record::Seq, std::uint64_t>;  // first seq -> id of its row

    struct Known {
        record::Seq first, last;
    };
    std::vector<Known> known_of(const record::LedgerEntry& entry,
                                const std::vector<tunnel::Run>& log) const;
    void add_piece(Ranges& ranges, const record::LedgerEntry& piece);
    void put(const record::LedgerRow& row);
    void fold_oldest();

    std::size_t rows_max_;
    std::map<std::uint64_t, record::LedgerRow> rows_;  // by id
    std::map<std::pair<std::string, record::Epoch>, Ranges> ranges_;
    std::map<std::pair<std::string, record::LedgerReason>, std::uint64_t> folded_;  // ids
    Sums sums_;
    std::map<std::uint64_t, std::optional<record::LedgerRow>> changes_;  // nothing: erased
    std::uint64_t next_id_ = 1, pass_ = 1;
};

}  // namespace sallyport::sinks
