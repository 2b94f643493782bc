// The verb `tags`: a request line of the control socket, its answer as JSON, and the command that
// asks page by page.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/record/tag_view.hpp"

namespace sallyport::ops {

/// "tags <from> <rows> <filter>", as the control socket takes it.
std::string to_request(const record::TagsQuery& query);
/// Nothing where it is another request, or no such one.
std::optional<record::TagsQuery> parse_tags_request(std::string_view request);

/// {"tags":[{"topic":…,"value":…,"bytes":…,"quality":…,"code":…,"shown":…,"source_time":…,
/// "arrival_time":…,"publisher":…,"seq":…}],"next":…}: `value` is null where none is known, a text,
/// or "0x…" where it is none.
std::string tags_json(const record::TagsPage& page);

/// Asks the agent behind the socket and prints at most `rows_max` tags, a line each, or one JSON
/// object. Says where there are more. Throws Failure.
int show_tags(const std::string& socket, const std::string& filter, std::size_t rows_max,
              bool as_json);

}  // namespace sallyport::ops
