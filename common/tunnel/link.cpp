#include "common/tunnel/link.hpp"

#include <algorithm>
#include <utility>

#include "common/base/assert.hpp"
#include "common/base/mutants.hpp"

namespace sallyport::tunnel {
namespace {

LinkEvent failed(LinkFailure reason) {
    return LinkFailed{reason};
}

template <class T>
LinkEvent event_of(const base::Result<T, FrameError>& decoded) {
    if (!decoded) return failed(LinkFailure::protocol);
    return *decoded;
}

}  // namespace

std::string_view to_string(LinkFailure failure) {
    switch (failure) {
        case LinkFailure::protocol: return "protocol broken";
        case LinkFailure::version: return "protocol version not spoken";
        case LinkFailure::silent: return "silent";
        case LinkFailure::greeting_late: return "no greeting in time";
        case LinkFailure::control_flood: return "control frames not read";
    }
    return "?";
}

Link::Link(LinkSide side, const LinkTimers& timers, base::Now now)
    : side_(side),
      timers_(timers),
      opened_(now.instant),
      last_received_(now.instant),
      next_ping_(now.instant + timers.ping_interval) {}

LinkEvent Link::receive(base::ByteView message, base::Now now) {
    last_received_ = now.instant;
    if (control_bytes_ > kControlBytesMax) return failed(LinkFailure::control_flood);
    const auto frame = decode_frame(message);
    if (!frame) return failed(LinkFailure::protocol);
    if (!up_) return greeted(*frame);
    if (frame->kind >= kIgnorableKinds) return std::monostate{};
    if (frame->session == SessionId{0}) return receive_link_frame(*frame, now);

    const auto kind = FrameKind{frame->kind};
    const bool toward_it = is_ordered(kind);
    const bool toward_ot =
        kind == FrameKind::resume || kind == FrameKind::ack || kind == FrameKind::echo;
    if (!toward_it && !toward_ot) return failed(LinkFailure::protocol);
    // Toward OT nothing may ride along: not in the seal, not in padding, not behind the segment.
    // The body's size is checked first, so that it is small enough to be encoded.
    if (toward_ot &&
        !(is_numbers_only(kind, frame->body) &&
          std::ranges::equal(message, encode_frame(frame->session, kind, frame->body))))
        return failed(LinkFailure::protocol);
    return SessionFrame{frame->session, kind, frame->body, message};
}

LinkEvent Link::greeted(const FrameView& frame) {
    if (frame.session != SessionId{0}) return failed(LinkFailure::protocol);
    if (FrameKind{frame.kind} == FrameKind::bye) return event_of(decode_bye(frame.body));
    if (side_ == LinkSide::relay) {
        if (FrameKind{frame.kind} != FrameKind::hello) return failed(LinkFailure::protocol);
        const auto hello = decode_hello(frame.body);
        if (hello && hello->version != kProtocolVersion) return failed(LinkFailure::version);
        up_ = hello.has_value();
        return event_of(hello);
    }
    if (FrameKind{frame.kind} != FrameKind::welcome) return failed(LinkFailure::protocol);
    const auto welcome = decode_welcome(frame.body);
    if (welcome && welcome->version != kProtocolVersion) return failed(LinkFailure::version);
    up_ = pings_ = welcome.has_value();
    return event_of(welcome);
}

LinkEvent Link::receive_link_frame(const FrameView& frame, base::Now now) {
    switch (FrameKind{frame.kind}) {
        case FrameKind::opened:
            if (side_ == LinkSide::relay) return failed(LinkFailure::protocol);
            return event_of(decode_opened(frame.body));
        case FrameKind::closed: return event_of(decode_closed(frame.body));
        case FrameKind::bye: return event_of(decode_bye(frame.body));
        case FrameKind::ping: {
            const auto ping = decode_ping(frame.body);
            if (!ping) return failed(LinkFailure::protocol);
            send_control(encode(*ping, FrameKind::pong));
            return std::monostate{};
        }
        case FrameKind::pong: {
            const auto pong = decode_ping(frame.body);
            if (!pong) return failed(LinkFailure::protocol);
            if (ping_count_ != 0 && pong->count == ping_count_)
                round_trip_ = now.instant - ping_sent_;
            if (probe_count_ && pong->count >= *probe_count_) probe_answered_ = true;
            return std::monostate{};
        }
        default: return failed(LinkFailure::protocol);
    }
}

void Link::send_ping(base::Now now) {
    ping_sent_ = now.instant;
    next_ping_ = now.instant + timers_.ping_interval;
    send_control(encode(Ping{++ping_count_}));
}

void Link::welcomed(base::Now now) {
    pings_ = true;
    next_ping_ = now.instant + timers_.ping_interval;
}

void Link::probe(base::Now now) {
    probe_answered_ = false;
    send_ping(now);
    probe_count_ = ping_count_;
}

std::optional<LinkFailure> Link::expire(base::Now now) {
    if (!up_ && now.instant >= opened_ + timers_.greeting_within) return LinkFailure::greeting_late;
    if (base::mutant(base::Mutant::silence_unnoticed)) last_received_ = now.instant;
    if (now.instant >= last_received_ + timers_.lost_after) return LinkFailure::silent;
    if (control_bytes_ > kControlBytesMax) return LinkFailure::control_flood;
    if (pings_ && now.instant >= next_ping_) send_ping(now);
    return std::nullopt;
}

std::optional<base::Instant> Link::next_deadline() const {
    const auto silent = last_received_ + timers_.lost_after;
    if (!up_) return base::earlier(opened_ + timers_.greeting_within, silent);
    return pings_ ? base::earlier(next_ping_, silent) : silent;
}

void Link::send_control(base::Bytes frame) {
    control_bytes_ += frame.size();
    control_.push_back(std::move(frame));
}

void Link::send_ordered(SessionId session, base::Bytes frame) {
    SALLYPORT_ASSERT(session != SessionId{0});
    auto& queue = ordered_[session];
    queue.bytes += frame.size();
    ordered_bytes_ += frame.size();
    queue.frames.push_back(std::move(frame));
}

void Link::drop_session(SessionId session) {
    const auto found = ordered_.find(session);
    if (found == ordered_.end()) return;
    ordered_bytes_ -= found->second.bytes;
    ordered_.erase(found);
}

std::size_t Link::queued_bytes(SessionId session) const {
    const auto found = ordered_.find(session);
    return found == ordered_.end() ? 0 : found->second.bytes;
}

bool Link::take_output(base::Bytes& out) {
    out.clear();
    if (!control_.empty()) {
        out = std::move(control_.front());
        control_.pop_front();
        control_bytes_ -= out.size();
        return true;
    }
    if (ordered_.empty()) return false;
    auto turn = ordered_.upper_bound(last_served_);
    if (turn == ordered_.end()) turn = ordered_.begin();
    last_served_ = turn->first;
    out = std::move(turn->second.frames.front());
    turn->second.frames.pop_front();
    turn->second.bytes -= out.size();
    ordered_bytes_ -= out.size();
    if (turn->second.frames.empty()) ordered_.erase(turn);
    return true;
}

}  // namespace sallyport::tunnel
