// The edge's ledger, in memory as it is on disk: for each destination what it will not get.
//
// A row is *pending* from the decision until the destination's cursor has passed it: until then the
// session may end, and what was left out is decided anew. Then it is *settled*: merged with the
// rows of its tag, reason and pass, and final. So what is sent twice counts once.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "common/record/ledger.hpp"

namespace sallyport::spool {

/// Settled rows; beyond, the oldest are merged into one row a destination and reason.
constexpr std::size_t kLedgerRowsMax = 20'000;
/// Pending rows of one destination; beyond, nothing more is left out of its session until some are
/// settled, and ranges of several runs share a row.
constexpr std::size_t kPendingRowsMax = 32'768;

/// Identities not delivered to one destination, by reason.
class LedgerSums {
public:
    void add(record::LedgerReason reason, std::uint64_t records) {
        by_reason_[index(reason)] += records;
    }
    void add(const LedgerSums& more) {
        for (std::size_t i = 0; i < kReasons; ++i) by_reason_[i] += more.by_reason_[i];
    }
    std::uint64_t of(record::LedgerReason reason) const { return by_reason_[index(reason)]; }
    /// Of all reasons that leave out what was accepted; torn tails, freed cursors and kept records
    /// that were sent are notes.
    std::uint64_t all() const;

private:
    static std::size_t index(record::LedgerReason reason) {
        return static_cast<std::size_t>(reason) % kReasons;
    }
    static constexpr std::size_t kReasons = 12;
    std::array<std::uint64_t, kReasons> by_reason_{};
};

class Ledger {
public:
    Ledger() = default;
    explicit Ledger(std::vector<record::LedgerRow> stored);

    /// Every record of a range, but for what is in the ledger already. `sent_to`: see LedgerRow.
    void add_range(const record::LedgerEntry& range, record::Seq sent_to);
    /// Records of one tag in one entry.
    void add_records(record::LedgerEntry entry);
    /// A note that is no part of the count: settled at once.
    void add_note(const record::LedgerEntry& entry);

    /// Records of the table `kept`, sent as one entry. Whether the destination has them is not
    /// known until settle() or resume() tells; they stand in a range of what was dropped, too.
    void add_kept(record::LedgerEntry entry);

    /// The destination has everything up to `position`. Gives what of it the destination did not
    /// get.
    std::vector<record::LedgerEntry> settle(std::string_view peer, record::Seq position);
    /// A session goes on behind `position`; what was decided beyond it is decided anew. Nothing
    /// below `log_first` is read from the log any more.
    void resume(std::string_view peer, record::Seq position, record::Seq log_first);

    /// `peer` may be at this position, though the log can not show it any more: what lay before it
    /// had been sent, or perhaps, when it was dropped; or an entry of kept records ends there.
    bool may_be_at(std::string_view peer, record::Epoch epoch, record::Seq seq) const;
    /// The newest such positions of each run.
    std::vector<std::pair<record::Epoch, record::Seq>> possible_positions(
        std::string_view peer) const;

    LedgerSums settled(std::string_view peer) const;
    LedgerSums pending(std::string_view peer) const;
    std::size_t pending_rows(std::string_view peer) const;
    /// Oldest first: settled rows, then pending ones.
    std::vector<record::LedgerRow> rows() const;

    /// Counts changes; a change is durable once durable() has reached its count.
    std::uint64_t version() const { return version_; }
    std::uint64_t durable() const { return durable_; }
    /// What is to be saved; answered by saved() or save_failed() before the next.
    record::LedgerChange take_change();
    void saved();
    void save_failed();

private:
    using Key =
        std::tuple<std::string, record::LedgerReason, record::TagId, record::Epoch, std::uint64_t>;
    using Pending = std::multimap<record::Seq, record::LedgerRow>;  // by first seq
    struct Peer {
        Pending pending;
        std::map<record::Seq, record::LedgerRow> kept;  // by last seq: the ends of what was sent
        std::uint64_t pass = 1;
        LedgerSums settled;
    };

    Peer& peer(std::string_view name);
    const Peer* find(std::string_view name) const;
    void put(const record::LedgerRow& row);
    void erase(const record::LedgerRow& row);
    void add_piece(Peer& peer, record::LedgerEntry piece, record::Seq sent_to);
    static bool joins(const record::LedgerRow& row, const record::LedgerEntry& piece,
                      record::Seq sent_to, bool crowded);
    /// The records of a range but for those that pending rows of single tags name.
    static std::uint64_t count_range(const Peer& peer, record::Seq first, record::Seq last);
    /// Takes a pending range out up to `seq`; false where nothing of it is left.
    bool cut_front(record::LedgerRow& row, record::Seq seq);
    /// Settled ranges lose what was delivered of them out of `kept`, up to `position`.
    void settle_kept(Peer& peer, record::Seq position, std::vector<record::LedgerEntry>& ranges);
    Pending::iterator update(Peer& peer, Pending::iterator at, const record::LedgerRow& row);
    void merge(Peer& peer, const record::LedgerEntry& entry, std::uint64_t pass);
    record::LedgerRow& merged_row(const record::LedgerEntry& entry, std::uint64_t pass);
    void fold_oldest();

    std::map<std::string, Peer, std::less<>> peers_;
    std::map<std::uint64_t, record::LedgerRow> settled_;
    std::map<Key, std::uint64_t> merged_;  // id of the settled row
    std::uint64_t next_id_ = 1;
    std::uint64_t version_ = 0, saving_version_ = 0, durable_ = 0;
    using Changes = std::map<std::uint64_t, std::optional<record::LedgerRow>>;  // nothing: erased
    Changes changes_, saving_;
};

}  // namespace sallyport::spool
