#include "it-agent/emit/edge_feed.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/base/mutants.hpp"

namespace sallyport::emit {

using record::Quality;

namespace {

constexpr std::size_t kWaitingBeatsMax = 64;
constexpr base::Duration kBehindMost = std::chrono::hours(24 * 365 * 10);

double seconds(base::Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

}  // namespace

std::string_view to_string(FeedState state) {
    switch (state) {
        case FeedState::never_seen: return "never-seen";
        case FeedState::catching_up: return "catching-up";
        case FeedState::behind: return "behind";
        case FeedState::stalled: return "stalled";
        case FeedState::live: return "live";
        case FeedState::lost: return "lost";
    }
    return "?";
}

EdgeFeed::EdgeFeed(std::string edge, std::string prefix, const FeedTimers& timers,
                   mqtt::Broker& broker, base::Now now, const EmissionOptions& emission)
    : edge_(std::move(edge)),
      prefix_(std::move(prefix)),
      timers_(timers),
      broker_(broker),
      values_(emission, broker),
      since_(now.wall),
      overlay_(Overlay{Quality::bad_last_known, "it-agent started"}),
      overlay_since_(now.wall),
      said_{{0, now.instant}},
      rate_(now.instant) {}

EdgeFeed::TagIndex EdgeFeed::index_of(std::string_view topic) {
    const auto [found, added] =
        by_topic_.try_emplace(std::string(topic), static_cast<TagIndex>(tags_.size()));
    if (added) {
        tags_.emplace_back();
        tags_.back().topic = topic;
        // Fed by the edge: no client's to publish on.
        const auto emitted = prefix_ + tags_.back().topic;
        broker_.protect(emitted);
        if (!values_.historical_prefix().empty())
            broker_.protect(values_.historical_prefix() + emitted);
    }
    return found->second;
}

void EdgeFeed::restore(std::string_view topic, Quality own) {
    auto& tag = tags_[index_of(topic)];
    tag.own = own;
    tag.stored = own;
    if (state_ == FeedState::never_seen) state_ = FeedState::lost;
    sweep_at_ = 0;
}

void EdgeFeed::restore_retained(TagIndex tag, Value value, base::Now now) {
    value.quality = Quality::bad_last_known;
    value.retain = true;
    values_.restore(tags_[tag].value, emitted_topic(tag), value, now);
}

std::optional<EdgeFeed::TagIndex> EdgeFeed::find_emitted(std::string_view topic) const {
    if (!topic.starts_with(prefix_)) return std::nullopt;
    const auto found = by_topic_.find(std::string(topic.substr(prefix_.size())));
    if (found == by_topic_.end()) return std::nullopt;
    return found->second;
}

bool EdgeFeed::note_stored(TagIndex tag, Quality own) {
    return std::exchange(tags_[tag].stored, own) != own;
}

void EdgeFeed::session_started(base::Now now, std::uint64_t pending) {
    waiting_beats_.clear();
    entries_arrived_ = pending;
    entries_emitted_ = 0;
    said_ = {{0, now.instant}};
    edge_clock_is_old_ = true;
    last_progress_ = now.instant;
    enter(FeedState::catching_up, "", "", now);
}

void EdgeFeed::path_lost(std::string_view side, std::string_view seen, base::Now now) {
    waiting_beats_.clear();
    if (state_ == FeedState::lost && side_ == side && seen_ == seen) return;
    enter(state_ == FeedState::never_seen ? FeedState::never_seen : FeedState::lost, side, seen,
          now);
    if (base::mutant(base::Mutant::overlay_not_set)) return;
    cover(Overlay{Quality::bad_last_known, fmt::format("{} side: {}", side, seen)}, now);
}

/// The Beat left not before this. It is answered as it arrives.
base::Instant EdgeFeed::left_at(const tunnel::Beat& beat, base::Now now) {
    while (said_.size() > 1 && said_[1].echo <= beat.echo) said_.pop_front();
    const auto heard = said_.front().at;
    if (said_.size() < kWaitingBeatsMax) said_.push_back({beat.count, now.instant});
    if (base::mutant(base::Mutant::beat_held_for_new)) return now.instant;
    return heard + std::clamp(beat.since_echo, base::Duration{}, now.instant - heard);
}

void EdgeFeed::note_clock(const tunnel::Beat& beat, base::Instant left, base::Now now) {
    const auto clock = base::Duration{beat.clock.ns};
    const auto most = clock - left.since_start, least = clock - now.instant.since_start;
    // It was set on where even the Beat's arrival says more.
    const bool begins_again = !edge_clock_ || edge_clock_is_old_ || *edge_clock_ < least;
    edge_clock_ = begins_again ? most : std::min(*edge_clock_, most);
    edge_clock_is_old_ = false;
    last_beat_ = beat;
    clock_offset_ = edge_clock(now) - now.wall;
}

base::WallTime EdgeFeed::edge_clock(base::Now now) const {
    if (!edge_clock_) return now.wall;
    return {(now.instant.since_start + *edge_clock_).count()};
}

void EdgeFeed::beat_arrived(const tunnel::Beat& beat, base::Now now) {
    const auto left = left_at(beat, now);
    note_clock(beat, left, now);
    const auto complete = left - std::clamp(beat.behind, base::Duration{}, kBehindMost);
    // Stalled, it is behind only when something gets on again.
    const bool gets_on = now.instant < last_progress_ + timers_.stalled_after;
    const bool may_turn = state_ != FeedState::stalled || gets_on;
    if (now.instant - complete > timers_.behind_above && may_turn) fall_behind(now);
    if (waiting_beats_.size() == kWaitingBeatsMax) waiting_beats_.pop_front();
    const WaitingBeat waiting{entries_arrived_, complete};
    waiting_beats_.push_back(waiting);
    if (entries_emitted_ >= entries_arrived_ || base::mutant(base::Mutant::live_too_early)) {
        waiting_beats_.clear();
        judge(waiting, now);
    }
    publish_state(now);
}

void EdgeFeed::fall_behind(base::Now now) {
    if (state_ == FeedState::behind) return;
    enter(FeedState::behind, "edge", "backlog", now);
    cover(Overlay{Quality::uncertain_last_usable, "backlog"}, now);
}

void EdgeFeed::entry_emitted(base::Now now) {
    ++entries_emitted_;
    last_progress_ = now.instant;
    while (!waiting_beats_.empty() && waiting_beats_.front().after_entries <= entries_emitted_) {
        const auto waiting = waiting_beats_.front();
        waiting_beats_.pop_front();
        judge(waiting, now);
    }
}

/// Everything before this Beat is handed over.
void EdgeFeed::judge(const WaitingBeat& waiting, base::Now now) {
    last_progress_ = now.instant;
    complete_ = waiting.complete;
    const auto behind = now.instant - complete_;
    complete_until_ = now.wall + -behind;
    if (behind <= timers_.live_below) {
        if (state_ == FeedState::live) {
            if (values_.held() > 0 && !sweep_at_) start_sweep(now);
            return;
        }
        enter(FeedState::live, "", "", now);
        if (base::mutant(base::Mutant::overlay_not_lifted)) return;
        cover(std::nullopt, now);
    } else if (state_ == FeedState::stalled) {
        enter(FeedState::catching_up, "", "", now);
    }
}

bool EdgeFeed::is_in_session() const {
    return state_ == FeedState::catching_up || state_ == FeedState::behind ||
           state_ == FeedState::live;
}

void EdgeFeed::quality_emitted(TagIndex index, Quality own, base::Now now) {
    ++records_;
    rate_.add(1, now.instant);
    auto& tag = tags_[index];
    tag.own = own;
    if (!overlay_ && tag.told != own) tell(tag, now);
}

void EdgeFeed::retained_emitted(TagIndex tag, base::ByteView properties) {
    values_.retained(tags_[tag].value, emitted_topic(tag), properties, overlay_quality());
}

record::TagRow EdgeFeed::row(TagIndex index) const {
    const auto& tag = tags_[index];
    return {prefix_ + tag.topic, tag.newest, tag.own, overlay_ ? overlay_->quality : tag.own, edge_,
            tag.unheard};
}

std::uint64_t EdgeFeed::stage_value(TagIndex index, const Value& value, base::Now now) {
    scratch_topic_.assign(prefix_).append(tags_[index].topic);
    return values_.stage(scratch_topic_, value, now);
}

void EdgeFeed::emit_value(TagIndex index, const Value& value, base::Now now) {
    scratch_topic_.assign(prefix_).append(tags_[index].topic);
    values_.emit(tags_[index].value, scratch_topic_, value, overlay_quality(), now);
}

void EdgeFeed::drop_value(TagIndex index, const Value& value, base::Now now) {
    values_.drop(tags_[index].value, emitted_topic(index), value, now);
}

std::optional<Quality> EdgeFeed::overlay_quality() const {
    return overlay_ ? std::optional(overlay_->quality) : std::nullopt;
}

void EdgeFeed::enter(FeedState state, std::string_view side, std::string_view seen, base::Now now) {
    if (state_ != state) since_ = now.wall;
    state_ = state;
    side_ = side;
    seen_ = seen;
    publish_state(now);
}

void EdgeFeed::cover(std::optional<Overlay> overlay, base::Now now) {
    overlay_ = std::move(overlay);
    overlay_since_ = now.wall;
    start_sweep(now);
}

void EdgeFeed::start_sweep(base::Now now) {
    sweep_at_ = 0;
    next_sweep_ = now.instant;
}

void EdgeFeed::sweep(base::Now now) {
    next_sweep_ = now.instant + timers_.sweep_interval;
    std::size_t published = 0;
    for (std::size_t steps = 0; steps < timers_.sweep_steps_max; ++steps) {
        if (*sweep_at_ >= tags_.size()) {
            sweep_at_.reset();
            return;
        }
        if (tell(tags_[(*sweep_at_)++], now)) ++published;
        if (published == timers_.sweep_publishes_max) return;
    }
}

bool EdgeFeed::tell(Tag& tag, base::Now now) {
    const auto shown = overlay_ ? overlay_->quality : tag.own;
    const bool is_told = tag.told == shown;
    if (is_told && !values_.has_to_show(tag.value, shown)) return false;
    const auto emitted = prefix_ + tag.topic;
    if (state_ == FeedState::live) values_.publish_held(tag.value, emitted, shown, now);
    values_.show(tag.value, emitted, shown, now);
    if (is_told) return true;
    tag.told = shown;
    scratch_topic_.assign("sallyport/quality/").append(edge_).append("/").append(tag.topic);
    scratch_text_ =
        fmt::format(R"({{"quality":"{}","code":{},"since":"{}","reason":"{}"}})", to_string(shown),
                    record::code(shown), base::to_rfc3339(overlay_ ? overlay_since_ : now.wall),
                    overlay_ ? overlay_->reason : "");
    broker_.publish({scratch_topic_,
                     base::as_bytes(scratch_text_),
                     {},
                     mqtt::Qos::at_least_once,
                     true,
                     kOwnerKeepsRetained},
                    now);
    return true;
}

void EdgeFeed::publish_state(base::Now now) {
    scratch_topic_.assign("sallyport/edges/").append(edge_);
    scratch_text_ =
        fmt::format(R"({{"state":"{}","side":"{}","seen":"{}","since":"{}","behind_s":{:.3f},)"
                    R"("spooled_records":{},"clock_offset_s":{}}})",
                    to_string(state_), side_, seen_, base::to_rfc3339(since_),
                    seconds(last_beat_.behind), last_beat_.spooled_records,
                    clock_offset_ ? fmt::format("{:.3f}", seconds(*clock_offset_)) : "null");
    broker_.publish({scratch_topic_,
                     base::as_bytes(scratch_text_),
                     {},
                     mqtt::Qos::at_least_once,
                     true,
                     kOwnerKeepsRetained},
                    now);
}

void EdgeFeed::expire(base::Now now) {
    if (is_in_session() && now.instant >= last_progress_ + timers_.stalled_after) {
        enter(FeedState::stalled, "edge", "no progress", now);
        cover(Overlay{Quality::uncertain_last_usable, "stalled"}, now);
    }
    // Entries come, but no Beat says how far: what is shown as it is may be old.
    if (is_in_session() && !overlay_ && now.instant - complete_ > timers_.behind_above)
        fall_behind(now);
    if (sweep_at_ && now.instant >= next_sweep_) sweep(now);
}

std::optional<base::Instant> EdgeFeed::next_deadline() const {
    std::optional<base::Instant> deadline;
    if (sweep_at_) deadline = next_sweep_;
    if (!is_in_session()) return deadline;
    deadline = base::earlier(deadline, last_progress_ + timers_.stalled_after);
    if (overlay_) return deadline;
    return base::earlier(deadline, complete_ + timers_.behind_above + base::Duration{1});
}

bool EdgeFeed::is_historical(base::WallTime arrival, base::WallTime edge_clock) const {
    return edge_clock - std::max(arrival, base::WallTime{}) > timers_.behind_above &&
           !base::mutant(base::Mutant::historical_unmarked);
}

FeedStatus EdgeFeed::status() const {
    return {edge_,
            state_,
            side_,
            seen_,
            since_,
            last_beat_.behind,
            last_beat_.spooled_records,
            clock_offset_,
            tags_.size(),
            records_,
            rate_,
            unheard_,
            conflated_,
            complete_until_};
}

}  // namespace sallyport::emit
