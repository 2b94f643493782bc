// Who publishes which tag, and what that says of the tag's quality (the table in the README): a
// device whose connection breaks leaves its tags Bad.NotConnected; one that leaves in order leaves
// them Uncertain.LastUsable a minute later; one that is back has them uncertain until each is
// published again.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/time.hpp"
#include "common/record/record.hpp"

namespace sallyport::ingest {

/// Tags whose quality changes together.
struct QualityChange {
    record::Quality quality;
    std::vector<record::TagId> tags;
};

class Publishers {
public:
    /// How long after a normal DISCONNECT values count as usable.
    static constexpr base::Duration kStaleAfterDisconnect = std::chrono::seconds(60);

    /// The edge has started with these tags in its spool: what was good may have changed unseen.
    std::optional<QualityChange> restarted(std::vector<record::TagId> tags);
    /// A value of `tag` came from `client`; it is good again.
    void published(std::string_view client, record::TagId tag, bool is_will);
    std::optional<QualityChange> connected(std::string_view client);
    /// `in_order`: by a normal DISCONNECT. A session taken over by the same client changes nothing.
    std::optional<QualityChange> gone(std::string_view client, bool in_order, base::Now now);
    /// What has become stale by now; call until it gives nothing.
    std::optional<QualityChange> expire(base::Now now);
    std::optional<base::Instant> next_deadline() const { return next_stale_; }

private:
    struct Publisher {
        std::vector<record::TagId> tags;        // those it published last
        std::optional<record::TagId> will_tag;  // keeps the will's own value good
        std::optional<base::Instant> stale_at;
        bool online = true;
    };
    using Entry = std::map<std::string, Publisher, std::less<>>::value_type;
    struct TagState {
        Entry* publisher = nullptr;
        std::size_t place = 0;  // in its publisher's tags
        record::Quality quality = record::Quality::good;
    };

    Entry& entry_of(std::string_view client);
    void take_from(TagState& state);
    static std::optional<QualityChange> change(Publisher& publisher, std::vector<TagState>& tags,
                                               record::Quality to,
                                               std::optional<record::Quality> only_from);
    void find_next_stale();

    std::map<std::string, Publisher, std::less<>> publishers_;  // node-based: pointers stay valid
    std::vector<TagState> tags_;                                // by tag id
    std::optional<base::Instant> next_stale_;                   // the earliest stale_at
    Entry* last_ = nullptr;                                     // who published last
};

}  // namespace sallyport::ingest
