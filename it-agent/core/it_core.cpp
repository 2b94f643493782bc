#include "it-agent/core/it_core.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/base/mutants.hpp"
#include "common/mqtt/stored_message.hpp"
#include "common/mqtt/topic.hpp"
#include "it-agent/emit/mirror.hpp"

namespace sallyport::it_core {

using base::NoticeLevel;

namespace {

downlink::DownlinkOptions downlink_options(const ItOptions& options) {
    downlink::DownlinkOptions made;
    made.plant = options.plant;
    made.name = options.name;
    made.link_timers = options.link_timers;
    made.receiver_limits = options.receiver_limits;
    made.process = options.seed;
    return made;
}

/// As an emitted value; views `retained`.
emit::Value value_of(const sinks::StoredRetained& retained, base::Now now) {
    emit::Value value{retained.payload, retained.properties, retained.qos, true};
    if (retained.expires_at) value.expires_at = now.instant + (*retained.expires_at - now.wall);
    return value;
}

record::LedgerReason ledger_reason(tunnel::GapReason why) {
    using record::LedgerReason;
    switch (why) {
        case tunnel::GapReason::before_log: return LedgerReason::before_log;
        case tunnel::GapReason::damaged: return LedgerReason::damaged;
        case tunnel::GapReason::dropped: return LedgerReason::dropped;
        case tunnel::GapReason::refused: return LedgerReason::refused;
        case tunnel::GapReason::unknown_position: return LedgerReason::unknown_position;
    }
    return LedgerReason::dropped;
}

bool is_pattern(std::string_view text) {
    return text.find('*') != std::string_view::npos;
}

base::Identity edge_identity(std::string_view qualified) {
    const auto slash = qualified.find('/');
    return {std::string(qualified.substr(0, slash)), base::Role::edge,
            std::string(slash == std::string_view::npos ? "" : qualified.substr(slash + 1))};
}

}  // namespace

ItCore::ItCore(ItOptions options, const sinks::StoreState& state, base::Now now)
    : options_(std::move(options)),
      store_id_(state.store_id),
      broker_(options_.broker, options_.seed,
              {.keeps_state = options_.keeps_broker_state, .consumers = options_.consumers}),
      downlink_(downlink_options(options_), now),
      sink_(broker_, sinks::Ledger(state.ledger)),
      consumer_watch_(broker_, now),
      started_(now.wall),
      store_since_(now.wall) {
    if (!options_.has_relay) downlink_.shut_down();
    for (const auto& tag : state.tags)
        if (rule_for(tag.edge) != nullptr)
            edge_of(tag.edge, now).feed.restore(tag.topic, tag.quality);
    for (const auto& stored : state.positions) {
        if (rule_for(stored.edge) == nullptr) continue;
        auto& edge = edge_of(stored.edge, now);
        edge.taken[stored.position.epoch] = edge.committed[stored.position.epoch] = stored.position;
    }
    restore(state, now);
    for (const auto& rule : options_.edges) {
        if (is_pattern(rule.pattern)) continue;
        const auto qualified = rule.pattern.find('/') == std::string::npos
                                   ? options_.plant + '/' + rule.pattern
                                   : rule.pattern;
        edge_of(qualified, now);
    }
    for (auto& [name, edge] : edges_) edge.feed.path_lost("relay", "it-agent started", now);
}

/// Sessions, and what was retained. The store has an edge's values in format `mirror`, whatever
/// the sink's format is; those of an edge that is known no more stay, and are not fresh.
void ItCore::restore(const sinks::StoreState& state, base::Now now) {
    auto lasting = state.broker;
    lasting.retained.clear();
    if (options_.keeps_broker_state)
        for (const auto& row : state.broker.retained)
            if (!emit::is_emitted(row.message->properties)) lasting.retained.push_back(row);
    if (options_.keeps_broker_state) broker_.restore(lasting, now);
    for (const auto& retained : state.retained)
        if (!options_.keeps_broker_state || emit::is_emitted(retained.properties))
            restore(retained, now);
}

void ItCore::restore(const sinks::StoredRetained& retained, base::Now now) {
    if (retained.expires_at && *retained.expires_at <= now.wall) {
        sink_.clear_retained(retained.topic);
        return;
    }
    const auto value = value_of(retained, now);
    for (auto& [name, edge] : edges_) {
        const auto tag = edge.feed.find_emitted(retained.topic);
        if (!tag) continue;
        edge.feed.restore_retained(*tag, value, now);
        return;
    }
    auto stale = emit::with_quality(value.properties, record::Quality::bad_last_known);
    if (value.expires_at) mqtt::append_remaining(stale, *value.expires_at, now.instant);
    broker_.set_retained(
        {retained.topic, retained.payload, stale, retained.qos, true, emit::kOwnerKeepsRetained},
        now);
}

const EdgeRule* ItCore::rule_for(std::string_view edge) const {
    const auto identity = edge_identity(edge);
    for (const auto& rule : options_.edges)
        if (base::matches_name_pattern(rule.pattern, options_.plant, identity)) return &rule;
    return nullptr;
}

ItCore::Edge& ItCore::edge_of(const std::string& name, base::Now now) {
    const auto found = edges_.find(name);
    if (found != edges_.end()) return found->second;
    const auto identity = edge_identity(name);
    const auto* rule = rule_for(name);
    const auto prefix =
        rule == nullptr ? "" : emit::expand_prefix(rule->prefix, identity.plant, identity.name);
    return edges_
        .emplace(name, Edge{emit::EdgeFeed(name, prefix, options_.feed_timers, broker_, now,
                                           options_.emission)})
        .first->second;
}

void ItCore::opened(base::ConnectionId id, const base::Peer& peer, base::Now now) {
    if (base::is_dialled(id))
        handle(downlink_.opened(id, peer, now), now);
    else
        broker_.opened(id, peer, now);
    settle(now);
}

void ItCore::received(base::ConnectionId id, base::ByteView bytes, base::Now now) {
    if (base::is_dialled(id)) {
        const auto wanted = [this](const std::string& edge) { return rule_for(edge) != nullptr; };
        handle(downlink_.received(id, bytes, wanted, now), now);
    } else {
        broker_.receive(id, bytes, now);
    }
    settle(now);
}

void ItCore::progressed(base::ConnectionId id, base::Now now) {
    if (base::is_dialled(id)) downlink_.progressed(now);
}

void ItCore::closed(base::ConnectionId id, base::CloseCause cause, base::Now now) {
    if (base::is_dialled(id))
        handle(downlink_.closed(cause, now), now);
    else
        broker_.closed(id, cause, now);
    settle(now);
}

void ItCore::expire(base::Now now) {
    broker_.expire(now);
    handle(downlink_.expire(now), now);
    for (auto& [name, edge] : edges_) edge.feed.expire(now);
    consumer_watch_.expire(now, notices_);
    settle(now);
}

std::optional<base::Instant> ItCore::next_deadline() const {
    auto deadline = base::earlier(broker_.next_deadline(), downlink_.next_deadline());
    deadline = base::earlier(deadline, sink_.next_deadline());
    deadline = base::earlier(deadline, consumer_watch_.next_deadline());
    for (const auto& [name, edge] : edges_)
        deadline = base::earlier(deadline, edge.feed.next_deadline());
    return deadline;
}

void ItCore::settle(base::Now now) {
    // What local clients publish stays local: it is acknowledged as soon as it is fanned out.
    while (const auto event = broker_.next_event()) {
        const auto* published = std::get_if<mqtt::Published>(&*event);
        if (published != nullptr && published->qos != mqtt::Qos::at_most_once)
            broker_.acknowledge(published->token, mqtt::ReasonCode::success, now);
    }
    sink_.take_held(now);
    emit_committed(now);
}

void ItCore::handle(const downlink::DownlinkEvent& event, base::Now now) {
    if (const auto* arrived = std::get_if<downlink::EntryArrived>(&event)) {
        take_entry(*arrived, now);
    } else if (const auto* beat = std::get_if<downlink::BeatArrived>(&event)) {
        edge_of(beat->edge, now).feed.beat_arrived(beat->beat, now);
    } else if (const auto* defined = std::get_if<downlink::TagsDefined>(&event)) {
        define_tags(*defined);
    } else if (const auto* started = std::get_if<downlink::SessionStarted>(&event)) {
        start_session(*started, now);
    } else if (const auto* named = std::get_if<downlink::GapNamed>(&event)) {
        note_gap(*named, now);
    } else if (const auto* ended = std::get_if<downlink::SessionEnded>(&event)) {
        lose(edge_of(ended->edge, now), "edge", ended->seen, now);
    } else if (const auto* lost = std::get_if<downlink::LinkLost>(&event)) {
        for (auto& [name, edge] : edges_) lose(edge, "relay", lost->seen, now);
    }
}

void ItCore::lose(Edge& edge, std::string_view side, std::string_view seen, base::Now now) {
    edge.session = {};
    edge.feed.path_lost(side, seen, now);
}

void ItCore::start_session(const downlink::SessionStarted& started, base::Now now) {
    auto& edge = edge_of(started.edge, now);
    edge.session = started.session;
    edge.tags = std::make_shared<sinks::TagMap>();
    edge.log = started.log.runs;
    sink_.begin_ledger_pass();
    for (const auto& [epoch, position] : sink_.forget_held(edge.feed)) {
        if (position.seq == 0)
            edge.taken.erase(epoch);
        else
            edge.taken[epoch] = position;
    }
    tunnel::Position from;
    for (const auto& run : started.log.runs) {
        const auto taken = edge.taken.find(run.epoch);
        if (taken != edge.taken.end()) from = taken->second;
    }
    const auto held = [&](const auto& entry) {
        return std::ranges::find(started.log.runs, entry.first, &tunnel::Run::epoch) ==
               started.log.runs.end();
    };
    if (edge.taken.size() > kEpochsMax) {
        std::erase_if(edge.taken, held);
        std::erase_if(edge.committed, held);
    }
    edge.resumed_at = from;
    edge.feed.session_started(now, sink_.pending(edge.feed));
    downlink_.resume(started.session, store_id_, from);
    // An acknowledgement lost with the last session is made good.
    const auto committed = edge.committed.find(from.epoch);
    if (committed != edge.committed.end() && committed->second == from &&
        !base::mutant(base::Mutant::lost_ack_not_made_good))
        downlink_.acknowledge(started.session, from, 0, now);
}

void ItCore::define_tags(const downlink::TagsDefined& defined) {
    auto& edge = edges_.at(defined.edge);
    for (const auto& tag : defined.define.tags) {
        auto& tags = *edge.tags;
        if (tag.id >= tags.size()) tags.resize(std::max<std::size_t>(tag.id + 1, tags.size() * 2));
        tags[tag.id] = edge.feed.index_of(tag.topic);
    }
}

void ItCore::take_entry(const downlink::EntryArrived& arrived, base::Now now) {
    auto& edge = edges_.at(arrived.edge);
    ++entries_;
    auto& taken = edge.taken[arrived.end.epoch];
    const auto after = base::mutant(base::Mutant::duplicate_emitted) ? 0 : taken.seq;
    sinks::Arrival arrival{&edge.feed, arrived.session,     arrived.end, after,
                           edge.tags,  arrived.body.size(), taken};
    edge.feed.entry_arrived();
    if (arrived.end.seq <= after) {
        ++repeated_entries_;  // had before: acknowledged in its turn, emitted no more
    } else {
        taken = arrived.end;
    }
    sink_.add(arrival, arrived.body, *arrived.records, now);
}

/// Up to here everything in the edge's log has been handed over or named. In each of its runs a
/// position counts as far as the log has that run: beyond, an older copy of it was restored.
record::Seq ItCore::known_to(const Edge& edge) {
    record::Seq known = 0;
    for (const auto& run : edge.log)
        if (const auto taken = edge.taken.find(run.epoch); taken != edge.taken.end())
            known = std::max(known, std::min(taken->second.seq, run.last));
    return known;
}

void ItCore::note_gap(const downlink::GapNamed& named, base::Now now) {
    auto& edge = edge_of(named.edge, now);
    ++gaps_;
    const auto& gap = named.gap;
    const auto from = std::max(gap.from, known_to(edge) + 1);
    if (gap.to >= from) {
        record::LedgerEntry missing;
        missing.peer = named.edge;
        missing.reason = ledger_reason(gap.why);
        missing.epoch = gap.epoch;
        missing.first = from;
        missing.last = gap.to;
        missing.since = missing.until = now.wall;
        missing_records_ += sink_.note_missing(missing, edge.log);
    }
    notices_.add(NoticeLevel::alarm, fmt::format("records {}..{} of {} will not come: {}", gap.from,
                                                 gap.to, named.edge, to_string(gap.why)));
}

void ItCore::complete(const sinks::StoreDone& done, base::Now now) {
    if (done.error)
        notices_.add(
            NoticeLevel::alarm,
            fmt::format("the store refuses: {}; nothing is acknowledged meanwhile", *done.error));
    const bool was_failing = sink_.is_failing();
    sink_.complete(done, now);
    if (sink_.is_failing() != was_failing) store_since_ = now.wall;
    settle(now);
}

/// One Ack a session for all that a commit brings: it names the newest, and a store that was slow
/// may bring more than a link takes of control frames.
void ItCore::emit_committed(base::Now now) {
    struct Ack {
        tunnel::Position end;
        std::uint64_t credit_bytes = 0;
    };
    std::map<tunnel::SessionId, Ack> acks;
    while (const auto emitted = sink_.emit_next(now)) {
        auto& edge = edges_.at(emitted->feed->edge());
        auto& committed = edge.committed[emitted->end.epoch];
        if (emitted->end.seq > committed.seq) committed = emitted->end;
        if (edge.session == tunnel::SessionId{}) continue;
        if (edge.session == emitted->session) {
            auto& ack = acks[edge.session];
            ack.end = emitted->end;
            ack.credit_bytes += emitted->credit_bytes;
        } else if (committed == edge.resumed_at) {
            acks[edge.session].end = committed;
        }
        edge.feed.entry_emitted(now);
    }
    for (const auto& [session, ack] : acks)
        downlink_.acknowledge(session, ack.end, ack.credit_bytes, now);
}

std::optional<base::Command> ItCore::next_command() {
    if (auto command = downlink_.next_command()) return command;
    return broker_.next_command();
}

bool ItCore::take_output(base::ConnectionId id, base::Bytes& out) {
    return base::is_dialled(id) ? downlink_.take_output(out) : broker_.take_output(id, out);
}

void ItCore::shut_down(base::Now now) {
    downlink_.shut_down();
    broker_.shut_down(now);
}

std::optional<base::Notice> ItCore::next_notice() {
    if (auto notice = downlink_.next_notice()) return notice;
    return notices_.next();
}

record::TagsPage ItCore::tags(const record::TagsQuery& query) const {
    record::TagsPage page;
    // Numbered through all edges, in their order.
    std::uint64_t first_of_edge = 0;
    const auto end = query.from + record::TagsQuery::kTagsLookedAtMax;
    for (const auto& [name, edge] : edges_) {
        const auto count = edge.feed.tag_count();
        for (auto at = std::max(query.from, first_of_edge); at < first_of_edge + count; ++at) {
            if (at == end || page.rows.size() == query.rows_max) {
                page.next = at;
                return page;
            }
            const auto tag = static_cast<emit::EdgeFeed::TagIndex>(at - first_of_edge);
            if (mqtt::matches(query.filter, edge.feed.emitted_topic(tag)))
                page.rows.push_back(edge.feed.row(tag));
        }
        first_of_edge += count;
    }
    return page;
}

ItStatus ItCore::status() const {
    ItStatus status;
    status.broker = broker_.counters();
    if (options_.has_relay) status.link = downlink_.relay().status();
    status.started = started_;
    status.store_since = store_since_;
    status.entries = entries_;
    status.repeated_entries = repeated_entries_;
    status.gaps = gaps_;
    status.missing_records = missing_records_;
    if (sink_.is_failing()) status.store_error = sink_.last_error();
    for (const auto& [name, edge] : edges_) status.edges.push_back(edge.feed.status());
    status.consumers = broker_.consumers();
    status.ledger_rows = sink_.ledger().size();
    for (const auto& [whose, records] : sink_.ledger().sums())
        status.ledger.push_back({whose.first, whose.second, records});
    return status;
}

}  // namespace sallyport::it_core
