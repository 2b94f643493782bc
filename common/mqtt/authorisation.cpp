#include "common/mqtt/authorisation.hpp"

#include <algorithm>

#include "common/mqtt/topic.hpp"
#include "common/mqtt/topic_levels.hpp"

namespace sallyport::mqtt {
namespace {

constexpr std::string_view kProtectedPrefix = "sallyport/";

}  // namespace

void Authorisation::protect(std::string_view filter) {
    if (filter.find_first_of("+#") == std::string_view::npos)
        protected_topics_.emplace(filter);
    else if (std::ranges::find(protected_filters_, filter) == protected_filters_.end())
        protected_filters_.emplace_back(filter);
}

std::optional<ReasonCode> Authorisation::refuse_publish(const Session& /*client*/,
                                                        std::string_view topic) const {
    if (count_levels(topic) > topic_levels_max_) return ReasonCode::topic_name_invalid;
    const auto is_protected = [&](const std::string& filter) { return matches(filter, topic); };
    if (topic.starts_with(kProtectedPrefix) || protected_topics_.contains(topic) ||
        std::ranges::any_of(protected_filters_, is_protected))
        return ReasonCode::not_authorized;
    return std::nullopt;
}

std::optional<ReasonCode> Authorisation::refuse_subscribe(const Session& /*client*/,
                                                          std::string_view filter) const {
    if (count_levels(filter) > topic_levels_max_) return ReasonCode::topic_filter_invalid;
    return std::nullopt;
}

}  // namespace sallyport::mqtt
