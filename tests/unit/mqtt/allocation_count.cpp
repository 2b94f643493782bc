#include "tests/unit/mqtt/allocation_count.hpp"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {
std::atomic<std::size_t> allocations{0};
}  // namespace

// In a file of their own: inlined beside a caller, GCC 12 takes malloc and delete for a mismatch.
void* operator new(std::size_t size) {
    ++allocations;
    if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
    throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}

namespace sallyport::mqtt::vectors {

std::size_t allocation_count() {
    return allocations;
}

}  // namespace sallyport::mqtt::vectors
