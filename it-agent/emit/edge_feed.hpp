// What the IT side knows of one edge: its tags with their qualities, the state of the path to it,
// and the overlay that hides the tags' own qualities while the path is not live. It publishes what
// changes: `sallyport/edges/<plant>/<edge>` at once, `sallyport/quality/<plant>/<edge>/<topic>`
// paced.
//
//   never-seen --session--> catching-up --complete up to <= 5 s ago--> live
//   any with a session --complete up to > 10 s ago--> behind;  no progress for 6 s--> stalled;
//   session gone--> lost
//
// Complete: all that the edge took in up to then is handed over. A Beat says so once all before it
// is handed over: up to when it left, less what it says to be behind. When it left is not known but
// bounded: not before an Echo, or the Resume, that had reached the edge by then; so on a slow link
// it counts for old, however slow that was from its beginning.
//
// Overlay: lost (and after a start): Bad.LastKnown; behind, stalled: Uncertain.LastUsable;
// catching-up keeps what was; live lifts it. An overlay hides, never overwrites: `own` is the tag's
// quality whatever is shown.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/base/rate.hpp"
#include "common/base/time.hpp"
#include "common/mqtt/broker.hpp"
#include "common/record/quality.hpp"
#include "common/record/tag_view.hpp"
#include "common/tunnel/frame.hpp"
#include "it-agent/emit/value_topic.hpp"

namespace sallyport::emit {

enum class FeedState { never_seen, catching_up, behind, stalled, live, lost };
std::string_view to_string(FeedState state);

struct FeedTimers {
    base::Duration stalled_after = std::chrono::seconds(6);
    base::Duration behind_above = std::chrono::seconds(10);
    base::Duration live_below = std::chrono::seconds(5);
    base::Duration sweep_interval = std::chrono::milliseconds(10);
    std::size_t sweep_publishes_max = 200;  // an interval: 20,000 a second
    std::size_t sweep_steps_max = 20'000;   // tags looked at an interval
};

struct FeedStatus {
    std::string edge;
    FeedState state = FeedState::never_seen;
    std::string side, seen;
    base::WallTime since;
    base::Duration behind{};
    std::uint64_t spooled_records = 0;
    std::optional<base::Duration> clock_offset;
    std::size_t tags = 0;
    std::uint64_t records = 0;
    base::Rate rate;              // of records
    std::uint64_t unheard = 0;    // of them, values that were handed over while nobody subscribed
    std::uint64_t conflated = 0;  // that newer ones of class `latest` stand for
    /// Everything that the edge took in up to then has been handed over (our clock).
    std::optional<base::WallTime> complete_until;
};

class EdgeFeed {
public:
    using TagIndex = std::uint32_t;

    /// `edge` is "<plant>/<name>", `prefix` what is put before its topics.
    EdgeFeed(std::string edge, std::string prefix, const FeedTimers& timers, mqtt::Broker& broker,
             base::Now now, const EmissionOptions& emission = {});

    // Tags. Indices are this process's own and stable.
    TagIndex index_of(std::string_view topic);
    void restore(std::string_view topic, record::Quality own);
    /// A retained value of before this start, shown as Bad.LastKnown until the path is live.
    void restore_retained(TagIndex tag, Value value, base::Now now);
    const std::string& topic(TagIndex tag) const { return tags_[tag].topic; }
    /// False where the store has the tag with this quality already, or is about to.
    bool note_stored(TagIndex tag, record::Quality own);
    /// The tag that is emitted on `topic`, if it is one of this edge's.
    std::optional<TagIndex> find_emitted(std::string_view topic) const;
    std::string emitted_topic(TagIndex tag) const { return prefix_ + tags_[tag].topic; }
    std::size_t tag_count() const { return tags_.size(); }

    // What happened, in the order in which it did.
    /// `pending`: entries of earlier sessions that are still to be handed over.
    void session_started(base::Now now, std::uint64_t pending = 0);
    void path_lost(std::string_view side, std::string_view seen, base::Now now);
    void entry_arrived() { ++entries_arrived_; }
    /// So many records were left out by the edge: newer ones stand for them.
    void note_conflated(std::uint64_t records) { conflated_ += records; }
    void beat_arrived(const tunnel::Beat& beat, base::Now now);
    /// An entry has been emitted: the Beats behind it count now.
    void entry_emitted(base::Now now);
    /// Notes what is newest, for whoever asks for the tags.
    void note_value(TagIndex tag, const record::Record& record) {
        tags_[tag].newest.set(record.seq, record.value, record.source_time, record.arrival_time);
    }
    record::TagRow row(TagIndex tag) const;
    /// Before the sink's commit: puts a value into the queues of lasting sessions, from where it
    /// leaves after it. Gives Value::stage, for emit_value.
    std::uint64_t stage_value(TagIndex tag, const Value& value, base::Now now);
    /// Publishes a value on the tag's topic; quality_emitted() is to follow.
    void emit_value(TagIndex tag, const Value& value, base::Now now);
    /// In the place of emit_value(): the value had expired before it could be shown.
    void drop_value(TagIndex tag, const Value& value, base::Now now);
    /// Nobody subscribed to the value that was emitted last.
    void note_unheard(TagIndex tag) {
        ++tags_[tag].unheard;
        ++unheard_;
    }
    /// A value or a change of quality of `tag` has been emitted.
    void quality_emitted(TagIndex tag, record::Quality own, base::Now now);
    /// The retained copy of the tag's value now has these properties; empty: there is none.
    void retained_emitted(TagIndex tag, base::ByteView properties);

    void expire(base::Now now);
    std::optional<base::Instant> next_deadline() const;

    /// True where a record that arrived at the edge at `arrival` is sent more than 10 s later
    /// (edge's clock).
    bool is_historical(base::WallTime arrival, base::Now now) const {
        return is_historical(arrival, edge_clock(now));
    }
    bool is_historical(base::WallTime arrival, base::WallTime edge_clock) const;
    /// What the edge's clock says now, as far as is known here; without a Beat: what ours says.
    base::WallTime edge_clock(base::Now now) const;
    const std::string& edge() const { return edge_; }
    FeedState state() const { return state_; }
    FeedStatus status() const;

private:
    struct Tag {
        std::string topic;
        record::Quality own = record::Quality::good;
        std::optional<record::Quality> told;
        std::optional<record::Quality> stored;  // as in the store, transactions under way included
        ValueTopic value;
        record::NewestValue newest;
        std::uint64_t unheard = 0;
    };
    struct WaitingBeat {
        std::uint64_t after_entries;
        base::Instant complete;  // then, when all before it is handed over
    };
    /// What the edge tells that it has heard: an Echo, or (0) the Resume.
    struct Said {
        std::uint64_t echo;
        base::Instant at;
    };
    struct Overlay {
        record::Quality quality;
        std::string reason;
    };

    void enter(FeedState state, std::string_view side, std::string_view seen, base::Now now);
    void cover(std::optional<Overlay> overlay, base::Now now);
    void start_sweep(base::Now now);
    std::optional<record::Quality> overlay_quality() const;
    base::Instant left_at(const tunnel::Beat& beat, base::Now now);
    void note_clock(const tunnel::Beat& beat, base::Instant left, base::Now now);
    bool is_in_session() const;
    void fall_behind(base::Now now);
    void judge(const WaitingBeat& waiting, base::Now now);
    void sweep(base::Now now);
    /// Publishes the tag's shown quality where it was not told yet. True: something was published.
    bool tell(Tag& tag, base::Now now);
    void publish_state(base::Now now);

    std::string edge_, prefix_;
    FeedTimers timers_;
    mqtt::Broker& broker_;
    ValueTopics values_;
    std::vector<Tag> tags_;
    std::unordered_map<std::string, TagIndex> by_topic_;

    FeedState state_ = FeedState::never_seen;
    std::string side_, seen_;
    base::WallTime since_;
    std::optional<Overlay> overlay_;
    base::WallTime overlay_since_;
    std::optional<std::size_t> sweep_at_;  // the next tag to look at; nothing: no sweep under way
    base::Instant next_sweep_;

    std::uint64_t entries_arrived_ = 0, entries_emitted_ = 0, records_ = 0, unheard_ = 0;
    std::uint64_t conflated_ = 0;
    std::deque<WaitingBeat> waiting_beats_;
    base::Instant last_progress_;
    tunnel::Beat last_beat_;
    std::deque<Said> said_;   // from the newest that the edge has told of
    base::Instant complete_;  // by the newest Beat before which all is handed over
    /// The edge's wall clock minus our monotonic one, at most: by the Beat of this session whose
    /// leaving is known best. By its arrival a late one would make old records look fresh.
    std::optional<base::Duration> edge_clock_;
    bool edge_clock_is_old_ = false;  // of an earlier session
    std::optional<base::Duration> clock_offset_;
    base::Rate rate_;
    std::optional<base::WallTime> complete_until_;
    std::string scratch_topic_, scratch_text_;
};

}  // namespace sallyport::emit
