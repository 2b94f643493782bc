// Whether two [[edge]] sections can put the records of two edges on one topic.
#pragma once

#include <string_view>

#include "it-agent/runtime/it_config.hpp"

namespace sallyport::it_agent {

/// True where some text matches both patterns, in which '*' stands for any run of characters but
/// '/'.
bool patterns_intersect(std::string_view a, std::string_view b);

/// True where two different edges, one of `a` and one of `b`, can have the same expansion of their
/// prefixes. With `a` and `b` the same section: whether it alone mixes the edges that its pattern
/// admits.
bool can_emit_one_topic(const EdgeSection& a, const EdgeSection& b);

}  // namespace sallyport::it_agent
