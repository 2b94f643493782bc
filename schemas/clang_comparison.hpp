// clang in C++20 mode does not rewrite the reversed comparison that Cap'n Proto 0.9's headers rely on
// (capnp/blob.h compares a char pointer with kj::StringPtr). Included ahead of them, for clang only.
#pragma once

#include <kj/string.h>

namespace kj {

inline bool operator==(const char* a, const StringPtr& b) { return b.operator==(StringPtr(a)); }
inline bool operator!=(const char* a, const StringPtr& b) { return !b.operator==(StringPtr(a)); }

}  // namespace kj
