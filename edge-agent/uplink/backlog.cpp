#include "edge-agent/uplink/backlog.hpp"

#include <algorithm>

namespace sallyport::uplink {
namespace {

/// A drain slower than this share of the rates is within their error: no time is told.
constexpr double kRateError = 0.02;

}  // namespace

void Backlog::accepted(base::Now now) {
    if (reads_ || !nothing_waits_) return;
    nothing_waits_ = false;
    remembered_ = now.wall;
}

void Backlog::reading_began(base::Now now) {
    reads_ = true;
    missing_.clear();
    out_ = base::Rate(now.instant);
}

void Backlog::reading_ended(std::optional<base::WallTime> oldest_unread) {
    if (!reads_) return;  // what was remembered still holds
    remembered_ = oldest(oldest_unread);
    nothing_waits_ = !remembered_;
    reads_ = false;
    in_flight_.clear();
}

void Backlog::sent(record::Seq first, record::Seq last, base::WallTime first_arrival,
                   base::Now now) {
    in_flight_.push_back({first, last, first_arrival, now.instant});
}

void Backlog::acknowledged(record::Seq seq, base::Now now) {
    while (!in_flight_.empty() && in_flight_.front().last <= seq) {
        out_.add(in_flight_.front().last - in_flight_.front().first + 1, now.instant);
        in_flight_.pop_front();
    }
    while (!missing_.empty() && missing_.front().to <= seq) missing_.pop_front();
}

void Backlog::named_missing(record::Seq from, record::Seq to) {
    if (to < from) return;  // "begin again", and nothing is missing
    if (!missing_.empty() && missing_.back().to + 1 == from)
        missing_.back().to = to;
    else
        missing_.push_back({from, to});
}

std::uint64_t Backlog::waiting(record::Seq acknowledged, record::Seq tail) const {
    if (tail <= acknowledged) return 0;
    auto records = tail - acknowledged;
    for (const auto& missing : missing_)
        if (missing.to > acknowledged)
            records -= missing.to - std::max(missing.from - 1, acknowledged);
    return records;
}

void Backlog::note_waiting(std::uint64_t records, bool live) {
    waiting_ = records;
    peak_ = live ? 0 : std::max(peak_, records);
}

std::optional<base::WallTime> Backlog::oldest(std::optional<base::WallTime> oldest_unread) const {
    if (!in_flight_.empty()) return in_flight_.front().first_arrival;
    return reads_ ? oldest_unread : remembered_;
}

std::optional<base::Instant> Backlog::waiting_for_ack_since() const {
    if (in_flight_.empty()) return std::nullopt;
    return in_flight_.front().sent_at;
}

std::optional<Drain> Backlog::drain(std::optional<double> in_per_second, base::Instant now) const {
    if (peak_ == 0 || waiting_ == 0) return std::nullopt;
    Drain drain{1.0 - static_cast<double>(waiting_) / static_cast<double>(peak_), std::nullopt};
    const auto out = out_per_second(now);
    if (!reads_ || !out || !in_per_second) return drain;
    const auto net = *out - *in_per_second;
    if (net > *out * kRateError)
        drain.left = std::chrono::duration_cast<base::Duration>(
            std::chrono::duration<double>(static_cast<double>(waiting_) / net));
    return drain;
}

}  // namespace sallyport::uplink
