// Walking a topic name or filter level by level (section 4.7.1.1): "a//b" has the levels "a", "",
// "b".
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string_view>

namespace sallyport::mqtt {

struct TopicLevel {
    std::string_view level;
    std::optional<std::string_view> rest;  // nothing: that was the last level
};

inline TopicLevel first_level(std::string_view topic) {
    const auto slash = topic.find('/');
    if (slash == std::string_view::npos) return {topic, std::nullopt};
    return {topic.substr(0, slash), topic.substr(slash + 1)};
}

inline std::size_t count_levels(std::string_view topic) {
    return static_cast<std::size_t>(std::ranges::count(topic, '/')) + 1;
}

}  // namespace sallyport::mqtt
