// Who publishes which tag, and what that says of the tag's quality (the table in the README): a
// device whose connection breaks leaves its tags Bad.NotConnected; one that leaves in order leaves
// them Uncertain.LastUsable a minute later; one that is back has them uncertain until each is
// published again; a cyclic tag that is not updated in its time is uncertain too.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/time.hpp"
#include "common/record/record.hpp"
#include "edge-agent/ingest/quality_policy.hpp"
#include "edge-agent/ingest/stale_timers.hpp"

namespace sallyport::ingest {

/// Tags whose quality changes together.
struct QualityChange {
    record::Quality quality;
    std::vector<record::TagId> tags;
};
/// What one event changes, a quality once.
using QualityChanges = std::vector<QualityChange>;

/// A value that goes into the spool.
struct Update {
    std::string_view client;
    record::TagId tag = 0;
    std::size_t rule = 0;  // number of its [[forward]]
    record::Quality quality = record::Quality::good;
    bool is_will = false;
};

/// A tag that the spool had at the start.
struct KnownTag {
    record::TagId tag = 0;
    std::optional<std::size_t> rule;  // nothing: none matches it any more
    std::string publisher;            // empty: not known
};

class Publishers {
public:
    /// How long after a normal DISCONNECT values count as usable where stale_after is off.
    static constexpr base::Duration kStaleAfterDisconnect = std::chrono::seconds(60);
    /// How long after a start of the edge its publishers may take to be back.
    static constexpr base::Duration kBackAfterRestart = std::chrono::seconds(60);

    /// `policies` by number of the [[forward]].
    explicit Publishers(const std::vector<QualityPolicy>& policies);

    /// The edge has started with these tags in its spool: what was good may have changed unseen.
    QualityChanges restarted(const std::vector<KnownTag>& tags, base::Now now);
    /// The tag is the client's from now on, and has the value's quality.
    void published(const Update& update, base::Now now);
    QualityChanges connected(std::string_view client);
    /// `in_order`: by a normal DISCONNECT. A session taken over by the same client changes nothing.
    QualityChanges gone(std::string_view client, bool in_order, base::Now now);
    /// What has become stale by now.
    QualityChanges expire(base::Now now);
    std::optional<base::Instant> next_deadline() const {
        return base::earlier(back_until_, timers_.next_deadline());
    }

    /// What is said of the tag now.
    record::Quality quality(record::TagId tag) const;
    /// Empty: nobody has published it since it was known.
    std::string_view publisher(record::TagId tag) const;

    bool has_unsaved() const { return !unsaved_.empty(); }
    /// Tags whose publisher is another than was last taken here, at most `max`.
    std::vector<record::TagId> take_unsaved(std::size_t max);
    /// Takes them again later.
    void not_saved(record::TagId tag);

private:
    struct Publisher {
        std::vector<record::TagId> tags;        // those it published last
        std::optional<record::TagId> will_tag;  // keeps the will's own value good
        bool online = true;
        bool awaited = false;  // the edge has started, it is not back yet
    };
    using Entry = std::map<std::string, Publisher, std::less<>>::value_type;
    struct Policy {
        std::optional<StaleTimers::Queue> stale_queue;
        bool keep_on_disconnect = false;
        bool restore_on_reconnect = false;
    };
    struct TagState {
        Entry* publisher = nullptr;
        std::uint32_t place = 0;                        // in its publisher's tags
        std::uint32_t policy = 0;                       // index into policies_
        record::Quality own = record::Quality::good;    // as its last value said
        record::Quality shown = record::Quality::good;  // own, or what has become of it
        bool unsaved = false;
    };

    Entry& entry_of(std::string_view client, bool online);
    TagState& state_of(record::TagId tag);
    void give_to(Entry& entry, record::TagId tag);
    void take_from(TagState& state);
    const Policy& policy_of(const TagState& state) const { return policies_[state.policy]; }
    record::Quality when_back(record::TagId tag) const;
    void change(record::TagId tag, record::Quality to, QualityChanges& changes);
    void miss_awaited(QualityChanges& changes);

    std::vector<Policy> policies_;  // the first is of tags without a rule
    std::map<std::string, Publisher, std::less<>> publishers_;  // node-based: pointers stay valid
    std::vector<TagState> tags_;                                // by tag id
    std::vector<record::TagId> unsaved_;
    StaleTimers timers_;
    StaleTimers::Queue after_disconnect_;
    std::optional<base::Instant> back_until_;
    Entry* last_ = nullptr;  // who published last
};

}  // namespace sallyport::ingest
