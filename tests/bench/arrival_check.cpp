#include "tests/bench/arrival_check.hpp"

#include "common/base/assert.hpp"

namespace sallyport::bench {

std::uint64_t ArrivalCheck::send(std::size_t publisher) {
    SALLYPORT_ASSERT(publisher < publishers_.size());
    Publisher& from = publishers_[publisher];
    from.arrived.push_back(false);
    ++sent_;
    return from.sent++;
}

Arrival ArrivalCheck::arrive(std::size_t publisher, std::uint64_t number) {
    if (publisher >= publishers_.size() || number >= publishers_[publisher].sent) {
        ++never_sent_;
        return Arrival::never_sent;
    }
    Publisher& from = publishers_[publisher];
    if (from.arrived[number]) {
        ++repeated_;
        return Arrival::repeated;
    }
    from.arrived[number] = true;
    ++received_;
    if (number < from.next) {
        ++out_of_order_;
        return Arrival::out_of_order;
    }
    from.next = number + 1;
    return Arrival::in_order;
}

}  // namespace sallyport::bench
