// Which edge may talk to which it-agent, about what. Without a route nothing passes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/identity.hpp"

namespace sallyport::policy {

/// One [[route]]: name patterns of both ends, topic filters of what may pass.
struct Route {
    std::string edge, it;
    std::vector<std::string> topics;
};

class RoutePolicy {
public:
    RoutePolicy(std::string own_plant, std::vector<Route> routes);

    /// The topic filters of every route that joins the two; empty: no route.
    std::vector<std::string> topics_between(const base::Identity& edge,
                                            const base::Identity& it) const;

private:
    std::string own_plant_;
    std::vector<Route> routes_;
};

/// True where one of the filters matches.
bool may_pass(const std::vector<std::string>& filters, std::string_view topic);

}  // namespace sallyport::policy
