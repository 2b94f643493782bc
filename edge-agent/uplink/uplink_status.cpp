// What the uplink says of itself: each destination's state, since when, and what waits.
#include <algorithm>

#include <fmt/format.h>

#include "edge-agent/uplink/uplink.hpp"

namespace sallyport::uplink {
namespace {

constexpr base::Duration kBehindAbove = std::chrono::seconds(10);

std::optional<base::Duration> age(std::optional<base::WallTime> arrival, base::Now now) {
    if (!arrival) return std::nullopt;
    return std::max(now.wall - *arrival, base::Duration{});
}

}  // namespace

/// Records that the spool has taken since the last look. Seen in the input that brought them, so
/// that now is when they arrived.
void Uplink::note_accepted(base::Now now) {
    const auto records = spool_.stats().records;
    if (records == accepted_records_) return;
    in_.add(records - accepted_records_, now.instant);
    accepted_records_ = records;
    for (auto& destination : destinations_) destination.backlog.accepted(now);
}

void Uplink::note_states(base::Now now) {
    for (auto& destination : destinations_) {
        const auto state = state_of(destination, now);
        if (state != destination.state) destination.since = now.wall;
        destination.state = state;
        destination.backlog.note_waiting(waiting_records(destination), state == PathState::live);
    }
}

std::optional<base::Instant> Uplink::stalls_at(const Destination& destination) const {
    const auto since = destination.backlog.waiting_for_ack_since();
    if (!destination.sender || !since) return std::nullopt;
    const auto progress = destination.sender->last_progress().value_or(*since);
    return std::max(*since, progress) + options_.stalled_after;
}

PathState Uplink::state_of(const Destination& destination, base::Now now) const {
    if (!destination.sender) return PathState::lost;
    if (!destination.sender->is_streaming()) return PathState::catching_up;
    const auto stalls = stalls_at(destination);
    if (stalls && now.instant >= *stalls) return PathState::stalled;
    if (destination.behind > kBehindAbove) return PathState::behind;
    return destination.told_caught_up ? PathState::live : PathState::catching_up;
}

std::uint64_t Uplink::waiting_records(const Destination& destination) const {
    return destination.backlog.waiting(destination.acknowledged, spool_.synced());
}

std::string Uplink::why(const Destination& destination) const {
    switch (destination.state) {
        case PathState::live: return "";
        case PathState::lost: return destination.reason;
        case PathState::stalled:
            return fmt::format(
                "no acknowledgement for {} s",
                std::chrono::round<std::chrono::seconds>(options_.stalled_after).count());
        case PathState::behind: return "backlog";
        case PathState::catching_up:
            return destination.reason.empty() ? "backlog" : destination.reason;
    }
    return "";
}

DestinationStatus Uplink::status_of(const Destination& destination, base::Now now) const {
    const auto& backlog = destination.backlog;
    const auto oldest = age(backlog.oldest(spool_.oldest_unread(destination.name)), now);
    DestinationStatus status;
    status.destination = destination.name;
    status.state = destination.state;
    status.since = destination.since;
    status.reason = why(destination);
    status.acknowledged = destination.acknowledged;
    status.waiting_records = waiting_records(destination);
    status.oldest_unacknowledged = oldest;
    // Without a session nothing counts as sent: it all goes out again.
    status.behind = destination.found_place ? destination.behind : oldest;
    if (!status.behind && status.waiting_records == 0) status.behind = base::Duration{};
    status.out_per_s = backlog.out_per_second(now.instant);
    status.drain = backlog.drain(in_.per_second(now.instant), now.instant);
    status.refused_records = destination.refused_records;
    status.conflated_records = destination.conflated_records;
    return status;
}

UplinkStatus Uplink::status(base::Now now) const {
    UplinkStatus status;
    status.link = relay_.status();
    status.in_per_s = in_.per_second(now.instant);
    for (const auto& destination : destinations_)
        status.destinations.push_back(status_of(destination, now));
    return status;
}

}  // namespace sallyport::uplink
