#include "edge-agent/ingest/classifier.hpp"

#include "common/mqtt/topic.hpp"

namespace sallyport::ingest {

std::optional<std::size_t> Classifier::rule_of(std::string_view topic) const {
    if (topic.starts_with('$') || topic.starts_with("sallyport/")) return std::nullopt;
    for (std::size_t i = 0; i < rules_.size(); ++i)
        if (mqtt::matches(rules_[i].filter, topic)) return i;
    return std::nullopt;
}

std::optional<record::TagId> Classifier::classify(std::string_view topic) {
    if (const auto known = known_.find(topic); known != known_.end()) return known->second;
    std::optional<record::TagId> tag;
    if (rule_of(topic)) tag = spool_.tag(topic);
    if (tag == record::TagId{0})
        return tag;  // not remembered: anybody could name topics without end
    if (tag || known_.size() < kRememberedMax) known_.emplace(topic, tag);
    return tag;
}

}  // namespace sallyport::ingest
