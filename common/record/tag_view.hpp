// What an agent shows of its tags when somebody asks: the newest value, cut, with its quality,
// times and origin. A page at a time, so that an answer stays small however many tags there are.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/bytes.hpp"
#include "common/base/time.hpp"
#include "common/record/record.hpp"

namespace sallyport::record {

/// The newest value of a tag, as much of it as is kept to be shown. Its text keeps its memory: in
/// steady state nothing is allocated.
struct NewestValue {
    static constexpr std::size_t kHeadBytesMax = 256;

    std::string head;         // its first bytes
    std::uint32_t bytes = 0;  // of the whole value
    bool is_known = false;    // false: none has come since the agent started
    Seq seq = 0;              // 0: not yet numbered
    base::WallTime source_time, arrival_time;

    void set(Seq new_seq, base::ByteView value, base::WallTime source, base::WallTime arrival) {
        head.assign(base::as_text(value.first(std::min(value.size(), kHeadBytesMax))));
        bytes = static_cast<std::uint32_t>(value.size());
        is_known = true;
        seq = new_seq;
        source_time = source;
        arrival_time = arrival;
    }
};

struct TagsQuery {
    std::uint64_t from = 0;       // 0, or `next` of the page before
    std::size_t rows_max = 1000;  // at most kRowsMax
    std::string filter = "#";     // an MQTT topic filter

    static constexpr std::size_t kRowsMax = 1000;
    static constexpr std::size_t kTagsLookedAtMax = 50'000;  // for one page
};

struct TagRow {
    std::string topic;
    NewestValue value;
    Quality quality = Quality::good;  // the tag's own
    Quality shown = Quality::good;    // what applications are told
    std::string publisher;            // empty: not known
    /// Its values since the start that nobody subscribed to; nothing: not counted here.
    std::optional<std::uint64_t> unheard{};
};
struct TagsPage {
    std::vector<TagRow> rows;
    std::optional<std::uint64_t> next;  // nothing: there are no more
};

}  // namespace sallyport::record
