#include "tests/unit/edge/memory_in_use.hpp"

#include <atomic>
#include <cstdlib>
#include <malloc.h>
#include <new>

namespace {
std::atomic<std::size_t> in_use{0};

void give_back(void* memory) noexcept {
    if (memory != nullptr) in_use -= malloc_usable_size(memory);
    std::free(memory);
}
}  // namespace

// In a file of their own: inlined beside a caller, GCC 12 takes malloc and delete for a mismatch.
void* operator new(std::size_t size) {
    void* memory = std::malloc(size == 0 ? 1 : size);
    if (memory == nullptr) throw std::bad_alloc();
    in_use += malloc_usable_size(memory);
    return memory;
}
void operator delete(void* memory) noexcept {
    give_back(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    give_back(memory);
}

namespace sallyport::edge_core {

std::size_t memory_in_use() {
    return in_use;
}

}  // namespace sallyport::edge_core
