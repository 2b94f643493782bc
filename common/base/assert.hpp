// Assertions for programmer errors. They stay on in release builds; peer input never reaches one.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace sallyport::base {

[[noreturn]] inline void assertion_failed(const char* what, const char* file, int line) {
    std::fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, what);
    std::abort();
}

}  // namespace sallyport::base

#define SALLYPORT_ASSERT(condition) \
    ((condition) ? (void)0 : ::sallyport::base::assertion_failed(#condition, __FILE__, __LINE__))
