#include "dmz-relay/policy/routes.hpp"

#include <algorithm>
#include <utility>

#include "common/mqtt/topic.hpp"

namespace sallyport::policy {

RoutePolicy::RoutePolicy(std::string own_plant, std::vector<Route> routes)
    : own_plant_(std::move(own_plant)), routes_(std::move(routes)) {}

std::vector<std::string> RoutePolicy::topics_between(const base::Identity& edge,
                                                     const base::Identity& it) const {
    std::vector<std::string> topics;
    for (const auto& route : routes_) {
        if (!base::matches_name_pattern(route.edge, own_plant_, edge) ||
            !base::matches_name_pattern(route.it, own_plant_, it))
            continue;
        topics.insert(topics.end(), route.topics.begin(), route.topics.end());
    }
    return topics;
}

bool may_pass(const std::vector<std::string>& filters, std::string_view topic) {
    return std::ranges::any_of(filters,
                               [&](const auto& filter) { return mqtt::matches(filter, topic); });
}

}  // namespace sallyport::policy
