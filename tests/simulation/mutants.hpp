// The seeded defects (common/base/mutants.hpp) by name, and the proof that each is seen.
#pragma once

#include <string_view>

namespace sallyport::simulation {

/// For this thread, from now on. False: no mutant has this name.
bool choose_mutant(std::string_view name);

/// Runs each mutant over seeds until a violation tells it, in a process of its own, for a mutant
/// may also die of an assertion or never end. Prints for each the seed and what caught it. False:
/// one was not caught.
bool run_mutants(unsigned jobs);

}  // namespace sallyport::simulation
