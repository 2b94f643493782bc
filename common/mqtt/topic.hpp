// Topic names and filters (section 4.7 of both standards).
#pragma once

#include <string_view>

namespace sallyport::mqtt {

constexpr std::size_t kTopicBytesMax = 65'535;

/// A topic name: not empty, no wildcard, no U+0000.
bool is_valid_topic_name(std::string_view topic);
/// A topic filter, `$share/<name>/<filter>` included.
bool is_valid_topic_filter(std::string_view filter);
/// Wildcards at the first level do not match topics that begin with '$' (4.7.2).
bool matches(std::string_view filter, std::string_view topic);

struct SharedFilter {
    std::string_view group;  // empty: not a shared subscription
    std::string_view filter;
};
SharedFilter split_shared(std::string_view filter);

}  // namespace sallyport::mqtt
