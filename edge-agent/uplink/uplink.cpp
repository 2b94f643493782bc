#include "edge-agent/uplink/uplink.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/base/assert.hpp"
#include "common/base/mutants.hpp"
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
      relay_(options_.plant + '/' + options_.name, options_.process, options_.link_timers, now),
      accepted_records_(spool_.stats().records),
      in_(now.instant) {
    for (const auto& name : options_.destinations) {
        record::Seq acknowledged = 0;
        for (const auto& cursor : spool_.cursors())
            if (cursor.destination == name) acknowledged = cursor.position.seq;
        const auto qualified =
            name.find('/') == std::string::npos ? options_.plant + '/' + name : name;
        auto& destination = destinations_.emplace_back(
            Destination{name, qualified, Backlog(acknowledged >= spool_.synced(), now)});
        destination.acknowledged = acknowledged;
        destination.since = now.wall;
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
    for (auto& destination : destinations_)
        if (destination.sender) end_session(destination, why);
}

void Uplink::end_session(Destination& destination, std::string why) {
    destination.backlog.reading_ended(spool_.oldest_unread(destination.name));
    destination.sender.reset();
    destination.found_place = false;
    destination.awaiting_ledger.clear();
    destination.awaiting_bytes = 0;
    destination.reason = std::move(why);
    spool_.close_reader(destination.name);
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
    if (wanted->sender) end_session(*wanted, "replaced by a newer session");
    wanted->topics = opened.topics;
    wanted->passes.clear();
    wanted->told_caught_up = false;
    // What has piled up until now is behind from the start.
    wanted->behind_since = now.instant + -options_.conflate_after;
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
        relay_.drop_session(closed.session);
        end_session(destination, std::string(to_string(closed.reason)));
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
        found->backlog.acknowledged(acked->position.seq, now);
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
    note_accepted(now);
    for (auto& destination : destinations_)
        if (destination.sender && destination.sender->is_streaming()) pump(destination, now);
    note_states(now);
}

bool Uplink::has_room(const Destination& destination) const {
    const bool has_credit =
        destination.sender->may_send() || base::mutant(base::Mutant::credit_ignored);
    return has_credit && relay_.queued_bytes() < options_.link_queue_bytes_max &&
           destination.awaiting_bytes < options_.ledger_queue_bytes_max &&
           spool_.may_leave_out(destination.name);
}

bool Uplink::read_on(Destination& destination, bool& at_end, base::Now now) {
    const auto oldest = spool_.oldest_unread(destination.name);
    const auto result = spool_.read(destination.name);
    if (const auto* not_yet = std::get_if<spool::NotYet>(&result)) {
        at_end = not_yet->at_end;
        if (at_end) find_place(destination, now);
        return false;
    }
    find_place(destination, now);
    if (const auto* entry = std::get_if<spool::Entry>(&result))
        take(destination, *entry, now);
    else
        take(destination, std::get<tunnel::Gap>(result), oldest.value_or(now.wall));
    return true;
}

void Uplink::pump(Destination& destination, base::Now now) {
    bool at_end = false;
    send_ledgered(destination);
    const auto& since = destination.behind_since;
    spool_.set_behind(destination.name, since && now.instant >= *since + options_.conflate_after);
    while (has_room(destination) && read_on(destination, at_end, now)) send_ledgered(destination);
    if (at_end)
        destination.behind_since.reset();
    else if (!since)
        destination.behind_since = now.instant;
    at_end = at_end && destination.awaiting_ledger.empty();
    if (!destination.found_place) return;  // how far behind is not known yet
    const auto oldest = oldest_unsent(destination);
    destination.behind = oldest ? std::max(now.wall - *oldest, base::Duration{}) : base::Duration{};
    const bool just_caught_up = at_end && !destination.told_caught_up;
    if (just_caught_up || destination.sender->beat_due(now)) beat(destination, now);
    destination.told_caught_up =
        at_end || (destination.told_caught_up && destination.behind <= std::chrono::seconds(5));
}

/// What waits for the ledger has been read, and not sent.
std::optional<base::WallTime> Uplink::oldest_unsent(const Destination& destination) const {
    if (!destination.awaiting_ledger.empty())
        return destination.awaiting_ledger.front().first_arrival;
    return spool_.oldest_unread(destination.name);
}

void Uplink::find_place(Destination& destination, base::Now now) {
    if (std::exchange(destination.found_place, true)) return;
    destination.backlog.reading_began(now);
}

void Uplink::take(Destination& destination, const tunnel::Gap& gap, base::WallTime first_arrival) {
    if (base::mutant(base::Mutant::gap_not_named)) return;
    notices_.add(NoticeLevel::alarm,
                 fmt::format("records {}..{} will not reach {}: {}", gap.from, gap.to,
                             destination.qualified, to_string(gap.why)));
    destination.awaiting_ledger.push_back({gap, {}, {}, 0, first_arrival});
}

void Uplink::take(Destination& destination, const spool::Entry& entry, base::Now now) {
    const auto head = tunnel::decode_batch(*entry.body, records_);
    SALLYPORT_ASSERT(head.has_value());  // the spool checked the entry's checksum
    const auto first_arrival = records_.empty() ? now.wall : records_.front().arrival_time;
    destination.backlog.sent(entry.first, entry.last, first_arrival, now);
    const auto checksum = tunnel::batch_checksum(entry.epoch, *entry.body);
    // The first of a session comes before its first entry: by the edge's clock the far side judges
    // how old the records are.
    if (destination.sender->beat_due(now)) {
        const auto oldest = std::min(first_arrival, oldest_unsent(destination).value_or(now.wall));
        destination.behind = std::max(now.wall - oldest, base::Duration{});
        beat(destination, now);
    }
    AwaitingLedger taken{entry, {entry.epoch, entry.last, checksum}, {}, 0, first_arrival};
    leave_out(destination);
    if (base::mutant(base::Mutant::cursor_moves_when_sent)) {
        destination.acknowledged = entry.last;
        spool_.advance_cursor(destination.name, destination.sender->store(), taken.end);
    }
    for (const auto& record : records_) {
        taken.tags.push_back(record.tag);
        taken.tags.insert(taken.tags.end(), record.also_tags.begin(), record.also_tags.end());
    }
    if (!left_out_.empty()) {
        std::vector<record::LedgerEntry> left_out;
        left_out.reserve(left_out_.size());
        for (auto& [tag, each] : left_out_) left_out.push_back(std::move(each));
        auto& sent = std::get<spool::Entry>(taken.what);
        sent.body = std::make_shared<const base::Bytes>(tunnel::encode_batch(
            {entry.epoch, entry.first, entry.last, checksum, absent_}, records_));
        taken.ticket = spool_.leave_out(destination.name, entry, std::move(left_out));
        destination.awaiting_bytes += sent.body->size();
    } else if (!destination.awaiting_ledger.empty()) {
        destination.awaiting_bytes += entry.body->size();
    } else {
        return send(destination, taken.end, *entry.body, taken.tags);
    }
    destination.awaiting_ledger.push_back(std::move(taken));
}

void Uplink::send(Destination& destination, const tunnel::Position& end, base::ByteView body,
                  const std::vector<record::TagId>& tags) {
    const auto topic_of = [this](record::TagId tag) { return *spool_.topic(tag); };
    destination.sender->send_entry(end, body, tags, topic_of);
    collect_frames(destination);
}

void Uplink::send_ledgered(Destination& destination) {
    auto& waiting = destination.awaiting_ledger;
    const auto is_ledgered = [this](std::uint64_t ticket) {
        return spool_.is_ledgered(ticket) ||
               base::mutant(base::Mutant::conflated_before_its_ledger_row);
    };
    while (!waiting.empty() && is_ledgered(waiting.front().ticket) &&
           (destination.sender->may_send() || base::mutant(base::Mutant::credit_ignored))) {
        const auto& next = waiting.front();
        if (const auto* gap = std::get_if<tunnel::Gap>(&next.what)) {
            destination.sender->send_gap(*gap);
            destination.backlog.named_missing(gap->from, gap->to);
            collect_frames(destination);
        } else {
            const auto& body = *std::get<spool::Entry>(next.what).body;
            destination.awaiting_bytes -= body.size();
            send(destination, next.end, body, next.tags);
        }
        waiting.pop_front();
    }
}

/// One more record of `tag` that is left out; `whole`: and with it all of the record.
void Uplink::note_left_out(const record::Record& record, record::TagId tag,
                           record::LedgerReason why, bool whole) {
    auto& entry = left_out_[{tag, why}];
    if (entry.tag == 0) {
        entry.reason = why;
        entry.tag = tag;
        entry.first = record.seq;
        entry.since = entry.until = record.arrival_time;
    }
    entry.last = record.seq;
    entry.since = std::min(entry.since, record.arrival_time);
    entry.until = std::max(entry.until, record.arrival_time);
    if (whole) ++entry.records;
}

/// For the far side: the seq will not come, and why.
void Uplink::note_absent(const record::Record& record, tunnel::AbsentReason why) {
    const bool joins =
        !absent_.empty() && absent_.back().why == why && absent_.back().last + 1 == record.seq;
    if (!joins) absent_.push_back({record.seq, record.seq, why, record.arrival_time});
    absent_.back().last = record.seq;
    absent_.back().since = std::min(absent_.back().since, record.arrival_time);
}

/// Takes out of records_ what the route does not let pass, and what is superseded.
void Uplink::leave_out(Destination& destination) {
    left_out_.clear();
    absent_.clear();
    const auto* pass = spool_.pass(destination.name);
    std::size_t kept = 0;
    for (auto& record : records_) {
        if (leave_out_refused(destination, record)) {
            note_absent(record, tunnel::AbsentReason::refused);
            continue;
        }
        if (pass != nullptr && pass->supersedes(record)) {
            ++destination.conflated_records;
            note_absent(record, tunnel::AbsentReason::conflated);
            note_left_out(record, record.tag, record::LedgerReason::conflated, true);
            for (const auto tag : record.also_tags)
                note_left_out(record, tag, record::LedgerReason::conflated, false);
            continue;
        }
        if (&records_[kept] != &record) records_[kept] = std::move(record);
        ++kept;
    }
    records_.resize(kept);
}

/// Takes the tags outside the route out of the record; true: that is all of it.
bool Uplink::leave_out_refused(Destination& destination, tunnel::BatchRecord& record) {
    const auto own = record.tag;
    const bool own_passes = passes(destination, own);
    const auto refuses = [&](record::TagId tag) { return !passes(destination, tag); };
    const auto all_refused = !own_passes && std::ranges::all_of(record.also_tags, refuses);
    const auto why = record::LedgerReason::refused;
    if (!own_passes) note_left_out(record, own, why, all_refused);
    for (const auto tag : record.also_tags)
        if (refuses(tag)) note_left_out(record, tag, why, false);
    destination.refused_records +=
        std::erase_if(record.also_tags, refuses) + (own_passes ? 0U : 1U);
    if (all_refused || own_passes) return all_refused;
    record.tag = record.also_tags.back();
    record.also_tags.pop_back();
    return false;
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
    destination.sender->send_beat(
        {spool_.synced(), destination.behind, waiting_records(destination)}, now);
    collect_frames(destination);
}

void Uplink::collect_frames(Destination& destination) {
    while (auto frame = destination.sender->next_frame())
        relay_.send_ordered(destination.sender->id(), std::move(*frame));
}

std::optional<base::Instant> Uplink::next_deadline() const {
    if (destinations_.empty()) return std::nullopt;
    auto deadline = relay_.next_deadline();
    for (const auto& destination : destinations_) {
        if (destination.sender && (destination.found_place || !destination.sender->is_streaming()))
            deadline = base::earlier(deadline, destination.sender->next_deadline());
        if (destination.state != PathState::stalled)
            deadline = base::earlier(deadline, stalls_at(destination));
    }
    return deadline;
}

record::Seq Uplink::acknowledged(std::string_view destination) const {
    const auto found = std::ranges::find(destinations_, destination, &Destination::name);
    return found == destinations_.end() ? 0 : found->acknowledged;
}

}  // namespace sallyport::uplink
