// Counts every operator new of the test program, so that "does not allocate" is a claim that can
// fail.
#pragma once

#include <cstddef>

namespace sallyport::mqtt::vectors {

std::size_t allocation_count();

}  // namespace sallyport::mqtt::vectors
