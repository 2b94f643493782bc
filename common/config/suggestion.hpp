// "did you mean …?": the nearest of the words that would have been right.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::config {

/// Levenshtein: insertions, deletions and substitutions of bytes that lead from `a` to `b`.
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The candidate nearest to `word`, at most two edits away and sharing at least one letter with it;
/// the first of equally near ones.
std::optional<std::string> nearest(std::string_view word,
                                   const std::vector<std::string>& candidates);

/// `text` in single quotes, fit for one line of an error: control characters become '?', and what
/// is longer than 64 bytes is cut.
std::string in_quotes(std::string_view text);

}  // namespace sallyport::config
