#include "tests/simulation/tunnel_watch.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace sallyport::simulation {

using tunnel::FrameKind;

EdgeSite* TunnelWatch::edge_of(const Host& host) {
    const auto found =
        std::ranges::find_if(edges_, [&](EdgeSite& edge) { return &edge.host() == &host; });
    return found == edges_.end() ? nullptr : &*found;
}

ItSite* TunnelWatch::it_of(const Host& host) {
    const auto found = std::ranges::find_if(its_, [&](ItSite& it) { return &it.host() == &host; });
    return found == its_.end() ? nullptr : &*found;
}

void TunnelWatch::sent(const Host& from, base::ByteView message) {
    const auto frame = tunnel::decode_frame(message);
    if (!frame) return run_.violate("format: a frame was sent that cannot be read");
    const auto found = sessions_.find(frame->session);
    if (found == sessions_.end()) return;
    auto& session = found->second;
    const auto kind = FrameKind{frame->kind};
    if (&from == &session.edge->host()) edge_sends(session, kind, frame->body);
    if (&from != &session.it->host() || kind != FrameKind::ack) return;
    if (const auto ack = tunnel::decode_ack(frame->body)) it_acknowledges(session, *ack);
}

void TunnelWatch::edge_sends(Session& session, FrameKind kind, base::ByteView body) {
    if (!session.is_placed) note_place(session, kind, body);
    if (kind == FrameKind::batch) edge_sends_batch(session, body);
    if (kind == FrameKind::gap) excuse_owed(session, body);
}

/// What the edge answers to a Resume tells how it found its place.
void TunnelWatch::note_place(Session& session, FrameKind kind, base::ByteView body) {
    if (kind == FrameKind::log || kind == FrameKind::define) return;
    session.is_placed = true;
    if (session.resumed.epoch == 0) return run_.counters.add(Event::resume_from_nothing);
    if (kind == FrameKind::gap) {
        const auto gap = tunnel::decode_gap(body);
        if (gap && gap->why == tunnel::GapReason::unknown_position)
            return run_.counters.add(Event::position_unknown);
    }
    const auto* core = session.edge->core();
    const auto first = core == nullptr ? 0 : core->status(session.edge->host().now()).spool.first;
    run_.counters.add(session.resumed.seq < first ? Event::resume_from_cursor
                                                  : Event::resume_from_position);
}

void TunnelWatch::edge_sends_batch(Session& session, base::ByteView body) {
    if (session.sent_bytes >= session.credit)
        run_.violate(fmt::format("P9: {} sent {} bytes within a credit of {}", session.edge->name(),
                                 session.sent_bytes + body.size(), session.credit));
    const auto head = tunnel::decode_batch(body, records_);
    if (!head) return run_.violate("format: a batch was sent that cannot be read");
    for (const auto& record : records_) {
        if (session.edge->log().find({head->epoch, record.seq}) != nullptr) continue;
        run_.violate(fmt::format("P1: {} sent record {} before it was on disk",
                                 session.edge->name(), record.seq));
        break;
    }
    edge_leaves_out(session, *head);
    pay_owed(session, *head);
    session.sent_bytes += body.size();
    session.sent.push_back({{head->epoch, head->last, 0}, session.sent_bytes});
    if (session.sent_bytes >= session.credit) run_.counters.add(Event::credit_exhausted);
}

std::uint64_t TunnelWatch::dropped_records(const EdgeSite& edge) {
    const auto* core = edge.core();
    return core == nullptr ? 0 : core->status(edge.host().now()).spool.dropped_records;
}

void TunnelWatch::edge_leaves_out(Session& session, const tunnel::BatchHead& head) {
    const auto& log = session.edge->log();
    for (const auto& absent : head.absent) {
        if (absent.why != tunnel::AbsentReason::conflated) continue;
        for (auto seq = absent.first; seq <= absent.last; ++seq) {
            const Identity identity{head.epoch, seq};
            const auto* record = log.find(identity);
            if (record == nullptr || !record->latest) {
                run_.violate(fmt::format("P2: {} left out record {}, which it must send",
                                         session.edge->name(), seq));
                return;
            }
            run_.counters.add(Event::conflated);
            note_refused(session, identity, *record);
            check_ledgered(session, identity, *record);
            for (const auto tag : record->tags)
                if (!was_refused(*session.edge, *session.it, identity, tag))
                    session.owed[tag].push_back({seq, log.newest(), record->has_value,
                                                 record->retain, dropped_records(*session.edge)});
        }
    }
}

/// Of a change of many tags those without a topic are refused, and what remains is superseded.
void TunnelWatch::note_refused(const Session& session, const Identity& identity,
                               const DurableRecord& record) {
    if (!session.edge->left_out_unknown_topics()) return;
    for (const auto tag : record.tags)
        if (is_ledgered(session, identity, tag, record::LedgerReason::refused))
            refused_[{session.edge, session.it}].emplace(identity, tag);
}

bool TunnelWatch::is_ledgered(const Session& session, const Identity& identity, record::TagId tag,
                              record::LedgerReason why) {
    return std::ranges::any_of(session.edge->disk().ledger(), [&](const auto& row) {
        const auto& entry = row.second.entry;
        return !row.second.settled && entry.reason == why && entry.peer == session.it->name() &&
               entry.tag == tag && entry.epoch == identity.first &&
               entry.first <= identity.second && identity.second <= entry.last;
    });
}

/// P2: what is left out is in the ledger, on disk, before the frame that leaves it out.
void TunnelWatch::check_ledgered(const Session& session, const Identity& identity,
                                 const DurableRecord& record) {
    for (const auto tag : record.tags) {
        if (is_ledgered(session, identity, tag, record::LedgerReason::conflated) ||
            was_refused(*session.edge, *session.it, identity, tag))
            continue;
        run_.violate(fmt::format("P2: {} left out record {} before its ledger had it",
                                 session.edge->name(), identity.second));
        return;
    }
}

/// P6: a tag that changes all the time is not starved, and its newest record is never left out.
void TunnelWatch::pay_owed(Session& session, const tunnel::BatchHead& head) {
    for (auto& [tag, owed] : session.owed) {
        for (const auto& record : records_) {
            const bool is_of_tag = record.tag == tag || std::ranges::find(record.also_tags, tag) !=
                                                            record.also_tags.end();
            if (!is_of_tag) continue;
            const bool value = (record.flags & record::kHasValue) != 0;
            const bool retain = (record.flags & record::kRetain) != 0;
            std::erase_if(owed, [&](const Owed& each) {
                return each.seq < record.seq && value >= each.value && retain >= each.retain;
            });
        }
        const auto is_overdue = [&](const Owed& each) { return each.until <= head.last; };
        for (auto& each : owed) {
            if (!is_overdue(each)) continue;
            const auto dropped = dropped_records(*session.edge);
            if (dropped > std::exchange(each.dropped, dropped))
                each.until = session.edge->log().newest();
        }
        const auto overdue = std::ranges::find_if(owed, is_overdue);
        if (overdue == owed.end()) continue;
        run_.violate(fmt::format("P6: {} left out record {} for one that did not come up to {}",
                                 session.edge->name(), overdue->seq, overdue->until));
        owed.clear();
    }
    std::erase_if(session.owed, [](const auto& each) { return each.second.empty(); });
}

/// What was to come lies in a gap, and its loss is named.
void TunnelWatch::excuse_owed(Session& session, base::ByteView body) {
    const auto gap = tunnel::decode_gap(body);
    if (!gap) return;
    for (auto& [tag, owed] : session.owed)
        std::erase_if(owed, [&](const Owed& each) { return each.until >= gap->from; });
}

/// P3: acknowledged means committed.
void TunnelWatch::it_acknowledges(const Session& session, const tunnel::Ack& ack) {
    const auto& store = session.it->store();
    if (ack.position.epoch == 0 ||
        store.position(session.edge->qualified(), ack.position.epoch) >= ack.position.seq)
        return;
    run_.violate(
        fmt::format("P3: {} acknowledged {} up to record {}, which its store does not have",
                    session.it->name(), session.edge->name(), ack.position.seq));
}

void TunnelWatch::delivered(const Host& to, base::ByteView message) {
    const auto frame = tunnel::decode_frame(message);
    if (!frame) return;
    const auto kind = FrameKind{frame->kind};
    if (frame->session == tunnel::SessionId{0}) {
        auto* edge = edge_of(to);
        if (edge == nullptr || kind != FrameKind::opened) return;
        const auto opened = tunnel::decode_opened(frame->body);
        if (!opened) return;
        for (auto& it : its_)
            if (it.qualified() == opened->peer) {
                sessions_[opened->session] = {};
                sessions_[opened->session].edge = edge;
                sessions_[opened->session].it = &it;
            }
        return;
    }
    const auto found = sessions_.find(frame->session);
    if (found == sessions_.end()) return;
    auto& session = found->second;
    if (&to == &session.edge->host()) edge_hears(session, kind, frame->body);
    if (&to != &session.it->host()) return;
    if (kind == FrameKind::batch) it_hears_batch(session, frame->body);
    if (kind != FrameKind::gap) return;
    if (const auto gap = tunnel::decode_gap(frame->body)) it_hears_gap(session, *gap);
}

void TunnelWatch::edge_hears(Session& session, FrameKind kind, base::ByteView body) {
    if (kind == FrameKind::resume) {
        if (const auto resume = tunnel::decode_resume(body)) {
            session.resumed = resume->position;
            session.credit = session.first_window = resume->credit;
        }
    } else if (kind == FrameKind::ack) {
        if (const auto ack = tunnel::decode_ack(body)) edge_hears_ack(session, *ack);
    }
}

void TunnelWatch::edge_hears_ack(Session& session, const tunnel::Ack& ack) {
    session.credit = std::max(session.credit, ack.credit);
    if (ack.position == session.resumed && ack.position.epoch != 0)
        run_.counters.add(Event::lost_ack_made_good);
    const auto acked = std::ranges::find_if(session.sent, [&](const auto& sent) {
        return sent.first.epoch == ack.position.epoch && sent.first.seq == ack.position.seq;
    });
    if (acked == session.sent.end()) return;
    if (session.credit - std::min(session.credit, acked->second) != session.first_window)
        run_.counters.add(Event::window_changed);
    session.sent.erase(session.sent.begin(), acked + 1);
}

void TunnelWatch::it_hears_gap(const Session& session, const tunnel::Gap& gap) {
    gaps_[{session.edge, session.it}].push_back(gap);
    switch (gap.why) {
        case tunnel::GapReason::damaged: run_.counters.add(Event::gap_damaged); break;
        case tunnel::GapReason::dropped: run_.counters.add(Event::gap_dropped); break;
        case tunnel::GapReason::before_log: run_.counters.add(Event::gap_before_log); break;
        case tunnel::GapReason::refused:
        case tunnel::GapReason::unknown_position: break;
    }
}

void TunnelWatch::it_hears_batch(const Session& session, base::ByteView body) {
    const auto head = tunnel::decode_batch(body, records_);
    if (!head) return;
    auto& conflated = conflated_[{session.edge, session.it}];
    for (const auto& absent : head->absent)
        for (auto seq = absent.first; seq <= absent.last; ++seq)
            if (absent.why == tunnel::AbsentReason::conflated) conflated.insert({head->epoch, seq});
    auto next = head->first;
    for (const auto& record : records_) {
        for (; next < record.seq; ++next)
            if (!conflated.contains({head->epoch, next}))
                passed_over_[{session.edge, session.it}].insert({head->epoch, next});
        next = record.seq + 1;
    }
}

bool TunnelWatch::was_passed_over(const EdgeSite& edge, const ItSite& it,
                                  const Identity& identity) const {
    const auto found = passed_over_.find({&edge, &it});
    return found != passed_over_.end() && found->second.contains(identity);
}

bool TunnelWatch::was_refused(const EdgeSite& edge, const ItSite& it, const Identity& identity,
                              record::TagId tag) const {
    const auto found = refused_.find({&edge, &it});
    return found != refused_.end() && found->second.contains({identity, tag});
}

const std::set<Identity>& TunnelWatch::conflated(const EdgeSite& edge, const ItSite& it) const {
    static const std::set<Identity> none;
    const auto found = conflated_.find({&edge, &it});
    return found == conflated_.end() ? none : found->second;
}

const std::vector<tunnel::Gap>& TunnelWatch::gaps(const EdgeSite& edge, const ItSite& it) const {
    static const std::vector<tunnel::Gap> none;
    const auto found = gaps_.find({&edge, &it});
    return found == gaps_.end() ? none : found->second;
}

}  // namespace sallyport::simulation
