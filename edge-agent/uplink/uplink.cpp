#include "edge-agent/uplink/uplink.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/base/assert.hpp"
#include "common/mqtt/topic.hpp"

namespace sallyport::uplink {

using base::NoticeLevel;

std::string_view to_string(PathState state) {
    switch (state) {
        case PathState::lost: return "lost";
        case PathState::catching_up: return "catching-up";
        case PathState::behind: return "behind";
        case PathState::stalled: return "stalled";
        case PathState::live: return "live";
    }
    return "?";
}

Uplink::Uplink(UplinkOptions options, spool::Spool& spool, base::Now now)
    : options_(std::move(options)),
      spool_(spool),
      relay_(options_.plant + '/' + options_.name, options_.process, options_.link_timers, now) {
    for (const auto& name : options_.destinations) {
        auto& destination = destinations_.emplace_back();
        destination.name = name;
        destination.qualified =
            name.find('/') == std::string::npos ? options_.plant + '/' + name : name;
        for (const auto& cursor : spool_.cursors())
            if (cursor.destination == name) destination.acknowledged = cursor.position.seq;
    }
}

void Uplink::opened(base::ConnectionId id, const base::Peer& peer, base::Now now) {
    handle(relay_.opened(id, peer, now), now);
}

void Uplink::received(base::ConnectionId id, base::ByteView message, base::Now now) {
    handle(relay_.received(id, message, now), now);
}

void Uplink::progressed(base::Now now) {
    relay_.progressed(now);
}

void Uplink::closed(base::CloseCause cause, base::Now now) {
    handle(relay_.closed(cause, now), now);
}

void Uplink::handle(const tunnel::RelayEvent& event, base::Now now) {
    if (const auto* frame = std::get_if<tunnel::SessionFrame>(&event)) {
        session_frame(*frame, now);
    } else if (const auto* opened = std::get_if<tunnel::Opened>(&event)) {
        open_session(*opened, now);
    } else if (const auto* closed = std::get_if<tunnel::Closed>(&event)) {
        close_session(*closed);
    } else if (std::holds_alternative<tunnel::Welcome>(event)) {
        notices_.add(NoticeLevel::info, "link to the relay is up");
    } else if (const auto* ended = std::get_if<tunnel::LinkEnded>(&event)) {
        notices_.add(NoticeLevel::warning, fmt::format("link to the relay ended: {}", ended->why));
        end_sessions(ended->why);
    }
}

void Uplink::end_sessions(const std::string& why) {
    for (auto& destination : destinations_) {
        if (!destination.sender) continue;
        destination.sender.reset();
        destination.reason = why;
        spool_.close_reader(destination.name);
    }
}

/// Ends a session from this side.
void Uplink::refuse(tunnel::SessionId session, tunnel::SessionEnd reason) {
    const tunnel::Closed closed{session, reason};
    relay_.send_control(encode(closed));
    close_session(closed);
}

void Uplink::open_session(const tunnel::Opened& opened, base::Now now) {
    const auto wanted = std::ranges::find(destinations_, opened.peer, &Destination::qualified);
    if (wanted == destinations_.end()) {
        notices_.add(NoticeLevel::alarm,
                     fmt::format("session of {} refused: not in destinations", opened.peer));
        refuse(opened.session, tunnel::SessionEnd::not_wanted);
        return;
    }
    wanted->topics = opened.topics;
    wanted->passes.clear();
    wanted->told_caught_up = false;
    wanted->found_place = false;
    wanted->reason = "session opening";
    wanted->sender.emplace(opened.session, opened.peer, tunnel::Log{spool_.runs()},
                           options_.sender_timers, now);
    collect_frames(*wanted);
}

void Uplink::close_session(const tunnel::Closed& closed) {
    for (auto& destination : destinations_) {
        if (!destination.sender || destination.sender->id() != closed.session) continue;
        notices_.add(NoticeLevel::warning,
                     fmt::format("session with {} closed: {}", destination.qualified,
                                 to_string(closed.reason)));
        destination.reason = to_string(closed.reason);
        relay_.drop_session(closed.session);
        destination.sender.reset();
        spool_.close_reader(destination.name);
    }
}

void Uplink::session_frame(const tunnel::SessionFrame& frame, base::Now now) {
    const auto found = std::ranges::find_if(destinations_, [&](const auto& destination) {
        return destination.sender && destination.sender->id() == frame.session;
    });
    if (found == destinations_.end()) return;  // of a session that just ended
    const auto event = found->sender->receive(frame, now);
    if (const auto* resume = std::get_if<tunnel::Resume>(&event)) {
        spool_.open_reader(found->name, *resume);
        found->reason.clear();
        notices_.add(NoticeLevel::info, fmt::format("session with {} resumes behind record {}",
                                                    found->qualified, resume->position.seq));
    } else if (const auto* acked = std::get_if<tunnel::Acked>(&event)) {
        found->acknowledged = acked->position.seq;
        spool_.advance_cursor(found->name, found->sender->store(), acked->position);
        relay_.proved_working();
    } else if (std::holds_alternative<tunnel::Echoed>(event)) {
        relay_.proved_working();
    } else if (std::holds_alternative<tunnel::SenderFailed>(event)) {
        notices_.add(NoticeLevel::alarm,
                     fmt::format("{} broke the session protocol", found->qualified));
        refuse(frame.session, tunnel::SessionEnd::protocol);
    }
}

void Uplink::expire(base::Now now) {
    if (destinations_.empty()) return;
    handle(relay_.expire(now), now);
    for (auto& destination : destinations_)
        if (destination.sender && !destination.sender->expire(now))
            refuse(destination.sender->id(), tunnel::SessionEnd::protocol);
}

void Uplink::pump(base::Now now) {
    for (auto& destination : destinations_)
        if (destination.sender && destination.sender->is_streaming()) pump(destination, now);
}

void Uplink::pump(Destination& destination, base::Now now) {
    bool at_end = false;
    while (destination.sender->may_send() &&
           relay_.queued_bytes() < options_.link_queue_bytes_max) {
        const auto result = spool_.read(destination.name);
        if (const auto* entry = std::get_if<spool::Entry>(&result)) {
            send(destination, *entry);
        } else if (const auto* gap = std::get_if<tunnel::Gap>(&result)) {
            notices_.add(NoticeLevel::alarm,
                         fmt::format("records {}..{} will not reach {}: {}", gap->from, gap->to,
                                     destination.qualified, to_string(gap->why)));
            destination.sender->send_gap(*gap);
        } else {
            at_end = std::get<spool::NotYet>(result).at_end;
            destination.found_place = destination.found_place || at_end;
            break;
        }
        destination.found_place = true;
        collect_frames(destination);
    }
    if (!destination.found_place) return;  // how far behind is not known yet
    const auto oldest = spool_.oldest_unread(destination.name);
    destination.behind = oldest ? std::max(now.wall - *oldest, base::Duration{}) : base::Duration{};
    const bool just_caught_up = at_end && !destination.told_caught_up;
    if (just_caught_up || destination.sender->beat_due(now)) beat(destination, now);
    destination.told_caught_up =
        at_end || (destination.told_caught_up && destination.behind <= std::chrono::seconds(5));
}

void Uplink::send(Destination& destination, const spool::Entry& entry) {
    const auto head = tunnel::decode_batch(*entry.body, records_);
    SALLYPORT_ASSERT(head.has_value());  // the spool checked the entry's checksum
    const auto checksum = tunnel::batch_checksum(entry.epoch, *entry.body);
    const tunnel::Position end{entry.epoch, entry.last, checksum};
    const auto refused = leave_out_refused(destination);
    tags_.clear();
    for (const auto& record : records_) {
        tags_.push_back(record.tag);
        tags_.insert(tags_.end(), record.also_tags.begin(), record.also_tags.end());
    }
    const auto topic_of = [this](record::TagId tag) { return *spool_.topic(tag); };
    if (refused == 0) {
        destination.sender->send_entry(end, *entry.body, tags_, topic_of);
        return;
    }
    destination.refused_records += refused;
    const auto body =
        tunnel::encode_batch({entry.epoch, entry.first, entry.last, checksum}, records_);
    destination.sender->send_entry(end, body, tags_, topic_of);
}

/// Takes out of records_ what the route does not let pass; how many tags' records that were.
std::uint64_t Uplink::leave_out_refused(Destination& destination) {
    std::uint64_t refused = 0;
    std::size_t kept = 0;
    for (auto& record : records_) {
        refused += std::erase_if(record.also_tags,
                                 [&](record::TagId tag) { return !passes(destination, tag); });
        if (!passes(destination, record.tag)) {
            ++refused;
            if (record.also_tags.empty()) continue;
            record.tag = record.also_tags.back();
            record.also_tags.pop_back();
        }
        if (&records_[kept] != &record) records_[kept] = std::move(record);
        ++kept;
    }
    records_.resize(kept);
    return refused;
}

bool Uplink::passes(Destination& destination, record::TagId tag) {
    auto& known = destination.passes;
    if (tag >= known.size()) known.resize(std::max<std::size_t>(tag + 1, known.size() * 2));
    if (!known[tag]) {
        const auto topic = spool_.topic(tag);
        const auto matches_topic = [&](const auto& filter) {
            return mqtt::matches(filter, *topic);
        };
        known[tag] = topic && std::ranges::any_of(destination.topics, matches_topic);
        if (!*known[tag])
            notices_.add(NoticeLevel::alarm, fmt::format("{} is outside the route to {}: left out",
                                                         topic.value_or("a tag of unknown topic"),
                                                         destination.qualified));
    }
    return *known[tag];
}

void Uplink::beat(Destination& destination, base::Now now) {
    const auto tail = spool_.synced();
    const auto waiting = tail > destination.acknowledged ? tail - destination.acknowledged : 0;
    destination.sender->send_beat({tail, destination.behind, waiting}, now);
    collect_frames(destination);
}

void Uplink::collect_frames(Destination& destination) {
    while (auto frame = destination.sender->next_frame())
        relay_.send_ordered(destination.sender->id(), std::move(*frame));
}

std::optional<base::Instant> Uplink::next_deadline() const {
    if (destinations_.empty()) return std::nullopt;
    auto deadline = relay_.next_deadline();
    for (const auto& destination : destinations_)
        if (destination.sender && (destination.found_place || !destination.sender->is_streaming()))
            deadline = base::earlier(deadline, destination.sender->next_deadline());
    return deadline;
}

record::Seq Uplink::acknowledged(std::string_view destination) const {
    const auto found = std::ranges::find(destinations_, destination, &Destination::name);
    return found == destinations_.end() ? 0 : found->acknowledged;
}

PathState Uplink::state_of(const Destination& destination, base::Now now) const {
    if (!destination.sender) return PathState::lost;
    if (!destination.sender->is_streaming()) return PathState::catching_up;
    const auto progress = destination.sender->last_progress();
    const bool waits = destination.sender->unacked_entries() > 0;
    if (waits && progress && now.instant > *progress + options_.stalled_after)
        return PathState::stalled;
    if (destination.behind > std::chrono::seconds(10)) return PathState::behind;
    return destination.told_caught_up ? PathState::live : PathState::catching_up;
}

UplinkStatus Uplink::status(base::Now now) const {
    UplinkStatus status;
    status.link = relay_.state();
    status.last_failure = relay_.last_failure();
    status.round_trip = relay_.round_trip();
    status.links_opened = relay_.links_opened();
    const auto tail = spool_.synced();
    for (const auto& destination : destinations_) {
        const auto acknowledged = destination.acknowledged;
        status.destinations.push_back({destination.name, state_of(destination, now),
                                       destination.reason, acknowledged,
                                       tail > acknowledged ? tail - acknowledged : 0,
                                       destination.behind, destination.refused_records});
    }
    return status;
}

}  // namespace sallyport::uplink
