#include "common/mqtt/topic.hpp"

#include <algorithm>

namespace sallyport::mqtt {
namespace {

constexpr std::string_view kSharePrefix = "$share/";

bool is_wildcard(char c) {
    return c == '+' || c == '#';
}

bool is_valid_length(std::string_view topic) {
    return !topic.empty() && topic.size() <= kTopicBytesMax;
}

/// Takes the first level off `topic`, its separator too. `more` tells whether a level follows,
/// which an empty rest does not: "a/" has two levels.
std::string_view take_level(std::string_view& topic, bool& more) {
    const std::size_t slash = topic.find('/');
    more = slash != std::string_view::npos;
    const std::string_view level = topic.substr(0, slash);
    topic.remove_prefix(more ? slash + 1 : topic.size());
    return level;
}

bool is_valid_plain_filter(std::string_view filter) {
    if (filter.empty()) return false;
    bool more = true;
    while (more) {
        const std::string_view level = take_level(filter, more);
        if (level.find('\0') != std::string_view::npos) return false;
        if (level.size() != 1 && std::ranges::any_of(level, is_wildcard)) return false;
        if (level == "#" && more) return false;
    }
    return true;
}

}  // namespace

bool is_valid_topic_name(std::string_view topic) {
    // One plain pass: every PUBLISH comes through here, and find_first_of makes decoding thrice as
    // slow.
    return is_valid_length(topic) &&
           std::ranges::none_of(topic, [](char c) { return is_wildcard(c) || c == '\0'; });
}

bool is_valid_topic_filter(std::string_view filter) {
    if (!is_valid_length(filter)) return false;
    if (!filter.starts_with(kSharePrefix)) return is_valid_plain_filter(filter);
    // 4.8.2: a share name of at least one character, then '/', then a filter.
    const SharedFilter shared = split_shared(filter);
    return is_valid_topic_name(shared.group) && is_valid_plain_filter(shared.filter);
}

bool matches(std::string_view filter, std::string_view topic) {
    if (filter.empty() || topic.empty()) return false;
    if (topic.front() == '$' && is_wildcard(filter.front())) return false;
    bool more_filter = true;
    bool more_topic = true;
    while (more_filter && more_topic) {
        const std::string_view wanted = take_level(filter, more_filter);
        if (wanted == "#") return true;
        const std::string_view level = take_level(topic, more_topic);
        if (wanted != "+" && wanted != level) return false;
    }
    if (more_topic) return false;
    // 4.7.1.2: '#' includes the parent level.
    return !more_filter || filter == "#";
}

SharedFilter split_shared(std::string_view filter) {
    if (!filter.starts_with(kSharePrefix)) return {{}, filter};
    const std::string_view rest = filter.substr(kSharePrefix.size());
    const std::size_t slash = rest.find('/');
    // Without a second separator nothing is left to subscribe to: the empty filter is not valid.
    if (slash == std::string_view::npos) return {rest, {}};
    return {rest.substr(0, slash), rest.substr(slash + 1)};
}

}  // namespace sallyport::mqtt
