#include "edge-agent/spool/tag_table.hpp"

#include <algorithm>

namespace sallyport::spool {
namespace {

constexpr std::size_t kDefinitionBytes = 6;  // id and length in front of each topic on disk

}  // namespace

record::TagId TagTable::intern(std::string_view topic) {
    if (topic.empty()) return 0;
    if (const auto known = ids_.find(topic); known != ids_.end()) return known->second;
    if (last_id() >= kTagsMax) return 0;
    topics_.emplace_back(topic);
    ids_.emplace(topics_.back(), last_id());
    undefined_bytes_ += topic.size() + kDefinitionBytes;
    return last_id();
}

std::optional<std::string_view> TagTable::topic(record::TagId id) const {
    if (id == 0 || id > last_id() || topics_[id - 1].empty()) return std::nullopt;
    return topics_[id - 1];
}

void TagTable::keep_out(record::TagId id) {
    const std::size_t count = std::min(id, kTagsMax);
    if (count > topics_.size()) topics_.resize(count);
}

void TagTable::restore(const record::Tag& tag) {
    if (tag.id == 0 || tag.id > kTagsMax || tag.topic.empty()) return;
    keep_out(tag.id);
    auto& topic = topics_[tag.id - 1];
    if (!topic.empty() || ids_.contains(tag.topic)) return;
    topic = tag.topic;
    ids_.emplace(topic, tag.id);
}

std::vector<record::Tag> TagTable::take_undefined() {
    auto tags = tags_after(defined_up_to_);
    defined_up_to_ = last_id();
    undefined_bytes_ = 0;
    return tags;
}

std::vector<record::Tag> TagTable::tags_after(record::TagId after) const {
    std::vector<record::Tag> tags;
    for (record::TagId id = after + 1; id <= last_id(); ++id)
        if (!topics_[id - 1].empty()) tags.push_back({id, topics_[id - 1]});
    return tags;
}

}  // namespace sallyport::spool
