// Bytes that operator new has given and not had back, so that "does not grow" is a claim that can
// fail.
#pragma once

#include <cstddef>

namespace sallyport::edge_core {

std::size_t memory_in_use();

}  // namespace sallyport::edge_core
