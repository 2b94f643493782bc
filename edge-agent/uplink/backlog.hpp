// What one destination has not acknowledged yet: how old the oldest of it is, how fast it goes, how
// far a drain has come. Told by the uplink; nothing here is ever guessed: what is not known is
// nothing.
//
//   unread (of the reader) ─▶ sent (in flight) ─▶ acknowledged
//                         └─▶ named as missing: waits no more, though no Ack can name its end
//
// While a session reads, the oldest record is the first in flight, else the reader's first. When it
// ends, that is remembered until a later session has found its place. After a start with records
// that wait, the oldest is not known until then.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "common/base/rate.hpp"
#include "common/base/time.hpp"
#include "common/record/record.hpp"

namespace sallyport::uplink {

struct Drain {
    double progress = 0;  // 0..1, of the most that waited since the path was last live
    /// Until nothing waits, at the present rates; nothing where it does not shrink.
    std::optional<base::Duration> left;

    friend bool operator==(const Drain&, const Drain&) = default;
};

class Backlog {
public:
    /// `empty`: the destination has acknowledged all that the log holds.
    Backlog(bool empty, base::Now now) : nothing_waits_(empty), out_(now.instant) {}

    /// New records are in the spool, for a destination without a reader too.
    void accepted(base::Now now);
    /// A session's reader has found its place: from here on it says what is unread. The rate out
    /// counts anew, so that a drain's is right from its beginning.
    void reading_began(base::Now now);
    /// The session is over. `oldest_unread`: the reader's last word.
    void reading_ended(std::optional<base::WallTime> oldest_unread);
    void sent(record::Seq first, record::Seq last, base::WallTime first_arrival, base::Now now);
    void acknowledged(record::Seq seq, base::Now now);
    /// A Gap has been sent: what it names will not come. Holds until a later session has found its
    /// place, and names anew what is missing.
    void named_missing(record::Seq from, record::Seq to);
    /// Records behind `acknowledged`, up to `tail`, that are still to come.
    std::uint64_t waiting(record::Seq acknowledged, record::Seq tail) const;
    /// What waits now, and whether the path is live: a backlog's peak is counted from there.
    void note_waiting(std::uint64_t records, bool live);

    /// Arrival of the oldest record that is not acknowledged; nothing where none is, or where it is
    /// not known. `oldest_unread`: the reader's, while there is one.
    std::optional<base::WallTime> oldest(std::optional<base::WallTime> oldest_unread) const;
    /// When the entry was sent that has been in flight longest.
    std::optional<base::Instant> waiting_for_ack_since() const;
    std::optional<double> out_per_second(base::Instant now) const { return out_.per_second(now); }
    /// Nothing while the path is live or nothing waits.
    std::optional<Drain> drain(std::optional<double> in_per_second, base::Instant now) const;

private:
    struct InFlight {
        record::Seq first = 0, last = 0;
        base::WallTime first_arrival;
        base::Instant sent_at;
    };

    struct Missing {
        record::Seq from = 0, to = 0;
    };

    std::deque<InFlight> in_flight_;  // bounded by the session's credit
    std::deque<Missing> missing_;     // not passed by an Ack; apart, so one for each in flight
    bool reads_ = false;
    std::optional<base::WallTime> remembered_;  // while nothing reads
    bool nothing_waits_ = false;                // while nothing reads
    base::Rate out_;
    std::uint64_t waiting_ = 0, peak_ = 0;
};

}  // namespace sallyport::uplink
