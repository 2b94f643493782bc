// The edge's tags: number and topic of each, and which of them are not durable yet.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/record/record.hpp"

namespace sallyport::spool {

constexpr record::TagId kTagsMax = 1U << 20U;

/// Ids rise from 1 and are never given twice; 0 is no tag.
class TagTable {
public:
    /// The id of a topic, made if new; 0 where kTagsMax are in use.
    record::TagId intern(std::string_view topic);
    std::optional<std::string_view> topic(record::TagId id) const;
    std::size_t size() const { return ids_.size(); }
    /// The largest id in use or kept out of use.
    record::TagId last_id() const { return static_cast<record::TagId>(topics_.size()); }

    /// At a start: a tag as it was found. One that is known keeps its topic; ids past kTagsMax are
    /// left out.
    void restore(const record::Tag& tag);
    /// Gives out no id up to `id`: records use it, though its topic is lost.
    void keep_out(record::TagId id);
    /// All that is known so far is durable.
    void mark_all_defined() { defined_up_to_ = last_id(); }

    /// The tags that no entry defines yet, for the next entry; from now on it defines them.
    std::vector<record::Tag> take_undefined();
    std::size_t undefined_bytes() const { return undefined_bytes_; }
    /// Tags with ids above `after`, in the order of their ids.
    std::vector<record::Tag> tags_after(record::TagId after) const;

private:
    std::deque<std::string>
        topics_;  // by id - 1; empty: kept out of use. Never moved: ids_ borrows.
    std::unordered_map<std::string_view, record::TagId> ids_;
    record::TagId defined_up_to_ = 0;
    std::size_t undefined_bytes_ = 0;
};

}  // namespace sallyport::spool
