// What may travel toward OT: the exact bytes of a body of numbers, judged without reading it.
#include <array>
#include <cstring>

#include "common/tunnel/frame.hpp"

namespace sallyport::tunnel {

bool is_numbers_only(FrameKind kind, base::ByteView body) {
    std::uint32_t data_words = 0;
    switch (kind) {
        case FrameKind::resume:
        case FrameKind::ack: data_words = 5; break;
        case FrameKind::echo: data_words = 2; break;
        default: return false;
    }
    // One segment of 1 + n words; a root pointer to a struct of n data words and no pointers, right
    // behind it (Cap'n Proto encoding: "Serialization over a stream", "Structs").
    const std::array<std::uint32_t, 4> expected{0, 1 + data_words, 0, data_words};
    return body.size() == sizeof expected + data_words * sizeof(std::uint64_t) &&
           std::memcmp(body.data(), expected.data(), sizeof expected) == 0;
}

}  // namespace sallyport::tunnel
