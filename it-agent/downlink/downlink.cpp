#include "it-agent/downlink/downlink.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace sallyport::downlink {

using base::NoticeLevel;

Downlink::Downlink(DownlinkOptions options, base::Now now)
    : options_(std::move(options)),
      relay_(options_.plant + '/' + options_.name, options_.process, options_.link_timers, now) {}

DownlinkEvent Downlink::opened(base::ConnectionId id, const base::Peer& peer, base::Now now) {
    return handle(relay_.opened(id, peer, now), now);
}

DownlinkEvent Downlink::closed(base::CloseCause cause, base::Now now) {
    return handle(relay_.closed(cause, now), now);
}

DownlinkEvent Downlink::expire(base::Now now) {
    return handle(relay_.expire(now), now);
}

DownlinkEvent Downlink::handle(const tunnel::RelayEvent& event, base::Now now) {
    if (const auto* frame = std::get_if<tunnel::SessionFrame>(&event))
        return session_frame(*frame, now);
    if (const auto* closed = std::get_if<tunnel::Closed>(&event))
        return close_session(closed->session, std::string(to_string(closed->reason)));
    if (std::holds_alternative<tunnel::Welcome>(event)) {
        notices_.add(NoticeLevel::info, "link to the relay is up");
    } else if (const auto* ended = std::get_if<tunnel::LinkEnded>(&event)) {
        notices_.add(NoticeLevel::warning, fmt::format("link to the relay ended: {}", ended->why));
        sessions_.clear();
        return LinkLost{ended->why};
    }
    return std::monostate{};
}

void Downlink::open_session(const tunnel::Opened& opened, bool wanted, base::Now now) {
    if (!wanted) {
        notices_.add(NoticeLevel::alarm,
                     fmt::format("session of {} refused: no [[edge]] names it", opened.peer));
        relay_.send_control(encode(tunnel::Closed{opened.session, tunnel::SessionEnd::not_wanted}));
        return;
    }
    // Half of what is left each time, so that all together stay within the bound.
    std::uint64_t given = 0;
    for (const auto& [id, receiver] : sessions_) given += receiver.window().window_max();
    const auto left = options_.credit_bytes_max - std::min(given, options_.credit_bytes_max);
    auto limits = options_.receiver_limits;
    limits.window_bytes_max = std::min(limits.window_bytes_max, left / 2);
    sessions_.try_emplace(opened.session, opened.session, opened.peer, limits, now);
}

DownlinkEvent Downlink::close_session(tunnel::SessionId session, std::string seen) {
    const auto found = sessions_.find(session);
    if (found == sessions_.end()) return std::monostate{};
    SessionEnded ended{found->second.peer(), std::move(seen)};
    notices_.add(NoticeLevel::warning,
                 fmt::format("session with {} closed: {}", ended.edge, ended.seen));
    sessions_.erase(found);
    return ended;
}

DownlinkEvent Downlink::session_frame(const tunnel::SessionFrame& frame, base::Now now) {
    const auto found = sessions_.find(frame.session);
    if (found == sessions_.end()) return std::monostate{};  // of a session that just ended
    auto& receiver = found->second;
    auto event = receiver.receive(frame, now);
    collect_frames(receiver);
    const auto& edge = receiver.peer();
    if (const auto* batch = std::get_if<tunnel::BatchArrived>(&event))
        return EntryArrived{edge,       frame.session, batch->head,
                            batch->end, batch->body,   &receiver.records()};
    if (auto* define = std::get_if<tunnel::Define>(&event))
        return TagsDefined{edge, std::move(*define)};
    if (const auto* beat = std::get_if<tunnel::Beat>(&event)) return BeatArrived{edge, *beat};
    if (const auto* gap = std::get_if<tunnel::Gap>(&event)) return GapNamed{edge, *gap};
    if (auto* log = std::get_if<tunnel::Log>(&event))
        return SessionStarted{edge, frame.session, std::move(*log)};
    if (const auto* failed = std::get_if<tunnel::ReceiverFailed>(&event)) {
        notices_.add(NoticeLevel::alarm, fmt::format("{} broke the session protocol: {}", edge,
                                                     to_string(failed->reason)));
        relay_.send_control(encode(tunnel::Closed{frame.session, tunnel::SessionEnd::protocol}));
        return close_session(frame.session, std::string(to_string(failed->reason)));
    }
    return std::monostate{};
}

void Downlink::resume(tunnel::SessionId session, std::uint64_t store,
                      const tunnel::Position& position) {
    const auto found = sessions_.find(session);
    if (found == sessions_.end()) return;
    found->second.resume(store, position);
    collect_frames(found->second);
}

bool Downlink::acknowledge(tunnel::SessionId session, const tunnel::Position& position,
                           std::uint64_t bytes, base::Now now) {
    const auto found = sessions_.find(session);
    if (found == sessions_.end()) return false;
    relay_.proved_working();
    found->second.acknowledge(position, bytes, now);
    collect_frames(found->second);
    return true;
}

void Downlink::collect_frames(tunnel::Receiver& receiver) {
    while (auto frame = receiver.next_frame()) relay_.send_control(std::move(*frame));
}

}  // namespace sallyport::downlink
