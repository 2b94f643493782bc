#include "edge-agent/ingest/classifier.hpp"

#include <algorithm>

#include "common/mqtt/topic.hpp"

namespace sallyport::ingest {

std::optional<std::size_t> Classifier::rule_of(std::string_view topic) const {
    if (topic.starts_with('$') || topic.starts_with("sallyport/")) return std::nullopt;
    for (std::size_t i = 0; i < rules_.size(); ++i)
        if (mqtt::matches(rules_[i].filter, topic)) return i;
    return std::nullopt;
}

DeliveryClass Classifier::class_of_tag(record::TagId tag) const {
    const auto topic = spool_.topic(tag);
    const auto rule = topic ? rule_of(*topic) : std::nullopt;
    return rule ? rules_[*rule].delivery_class : DeliveryClass::history;
}

std::optional<record::TagId> Classifier::classify(std::string_view topic) {
    if (const auto known = known_.find(topic); known != known_.end()) return known->second;
    std::optional<record::TagId> tag;
    const auto rule = rule_of(topic);
    if (rule) tag = spool_.tag(topic);
    if (tag == record::TagId{0})
        return tag;  // not remembered: anybody could name topics without end
    if (tag) {
        if (*tag >= rule_by_tag_.size())
            rule_by_tag_.resize(std::max<std::size_t>(*tag + 1, rule_by_tag_.size() * 2));
        rule_by_tag_[*tag] = static_cast<std::uint32_t>(*rule);
    }
    if (tag || known_.size() < kRememberedMax) known_.emplace(topic, tag);
    return tag;
}

}  // namespace sallyport::ingest
