// Whether a client may do what it asks for. The one place where such a decision is made.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/mqtt/packet.hpp"
#include "common/mqtt/session.hpp"
#include "common/mqtt/text_map.hpp"

namespace sallyport::mqtt {

class Authorisation {
public:
    explicit Authorisation(std::size_t topic_levels_max) : topic_levels_max_(topic_levels_max) {}

    /// From now on only the owner publishes on topics that match `filter`.
    void protect(std::string_view filter);
    /// The reason to refuse with; nothing: allowed. Holds for wills, too.
    std::optional<ReasonCode> refuse_publish(const Session& client, std::string_view topic) const;
    std::optional<ReasonCode> refuse_subscribe(const Session& client,
                                               std::string_view filter) const;

private:
    std::size_t topic_levels_max_;
    TextSet protected_topics_;  // filters without wildcards: there may be one for every tag
    std::vector<std::string> protected_filters_;
};

}  // namespace sallyport::mqtt
