// Compares what arrived with what was sent: every publisher numbers its messages 0, 1, 2 … over all
// its topics, and each must arrive once, in that order. One bit of memory a message.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sallyport::bench {

enum class Arrival {
    in_order,
    out_of_order,  // first arrival, but a later number of the same publisher was there before
    repeated,      // this number was there before, in whatever order
    never_sent,    // no such publisher, or it has not sent that number
};

class ArrivalCheck {
public:
    explicit ArrivalCheck(std::size_t publishers) : publishers_(publishers) {}

    /// The publisher's next number.
    std::uint64_t send(std::size_t publisher);
    Arrival arrive(std::size_t publisher, std::uint64_t number);

    std::uint64_t sent() const { return sent_; }
    std::uint64_t received() const { return received_; }  // each number once
    std::uint64_t missing() const { return sent_ - received_; }
    std::uint64_t repeated() const { return repeated_; }
    std::uint64_t out_of_order() const { return out_of_order_; }
    std::uint64_t never_sent() const { return never_sent_; }

private:
    struct Publisher {
        std::uint64_t sent = 0;
        std::uint64_t next = 0;  // one above the highest number that arrived
        std::vector<bool> arrived;
    };

    std::vector<Publisher> publishers_;
    std::uint64_t sent_ = 0, received_ = 0, repeated_ = 0, out_of_order_ = 0, never_sent_ = 0;
};

}  // namespace sallyport::bench
