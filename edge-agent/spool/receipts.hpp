// Receipts: which publishes' exchanges are not over though their records are in the log, so that
// what a device sends again after a restart of the edge is known and makes no second record.
//
// A receipt is durable with its record: it stands in the local part of the record's entry. That it
// is released is durable with the next save of the checkpoint, which lists the open ones. A start
// takes what the checkpoint lists, and what it finds in entries that are newer than the checkpoint.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <unordered_map>
#include <vector>

#include "edge-agent/spool/disk.hpp"

namespace sallyport::spool {

/// Of those that wait for no delivery; beyond, the oldest is forgotten: were its publish sent again
/// after a restart, it would be a new record.
constexpr std::size_t kOpenReceiptsMax = 65'536;

class Receipts {
public:
    Receipts() = default;
    /// Of a start: what the checkpoint lists and what is newer.
    explicit Receipts(std::vector<Receipt> found);

    /// Their records are on disk. A session's identifier stands for one publish at a time: an older
    /// receipt of it is void.
    void add(const std::vector<Receipt>& synced);
    /// The publish is over. The ticket for is_released(); 0: there is no such receipt.
    std::uint64_t release(std::uint64_t session, std::uint16_t packet_id);
    /// Durably: no start will bring the receipt back.
    bool is_released(std::uint64_t ticket) const { return saved_ >= ticket; }
    /// Oldest first.
    std::vector<Receipt> open() const;

    /// Every destination has passed what is up to `seq`.
    void passed(record::Seq seq);
    /// A destination did not get it.
    void leave_out(const record::LedgerEntry& entry);
    bool is_left_out(record::Seq seq) const;
    /// Some publish waits for its record's delivery: the record must stay.
    bool awaits_delivery() const { return !awaiting_.empty(); }

    /// Something has been released that no save has held.
    bool must_save() const { return released_ > saved_; }
    /// Puts what has changed into `checkpoint`; saved() or save_failed() follows.
    void take_change(Checkpoint& checkpoint);
    void saved();
    void save_failed();

private:
    struct Name {
        std::uint64_t session = 0;
        std::uint16_t packet_id = 0;
        friend bool operator==(const Name&, const Name&) = default;
    };
    struct Hash {
        std::size_t operator()(const Name& name) const {
            constexpr std::uint64_t kOdd = 0x9E37'79B9'7F4A'7C15;  // spreads neighbours
            return static_cast<std::size_t>(name.session * kOdd + name.packet_id);
        }
    };
    void forget(record::Seq seq);
    void forget_oldest();

    std::map<record::Seq, Receipt> open_;
    std::set<record::Seq>
        awaiting_;  // of open_: those that no cursor's move has decided; they stay
    std::unordered_map<Name, record::Seq, Hash> by_name_;
    /// The next save lists them all: the first of a start, and one behind a save that failed.
    bool lists_all_ = true;
    record::Seq listed_below_ = 0;   // what is older and open is in the checkpoint
    record::Seq taken_below_ = 0;    // likewise, once the save under way is done
    std::vector<record::Seq> gone_;  // to be taken out of the checkpoint
    std::size_t taken_gone_ = 0;     // so many of them by the save under way
    std::uint64_t released_ = 0, taken_ = 0, saved_ = 0;
};

}  // namespace sallyport::spool
