// The vocabulary of the data path: one value of one tag, as the edge accepted it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/bytes.hpp"
#include "common/base/time.hpp"
#include "common/record/quality.hpp"

namespace sallyport::record {

using Seq = std::uint64_t;    // a record's number in an edge's log; the first is 1, 0 means none
using Epoch = std::uint64_t;  // drawn at random at every start of an edge; 0 means none
using TagId = std::uint32_t;  // an edge's number of a tag; lives as long as its spool, never reused

/// Bits of Record::flags, as of the record's acceptance at the edge.
enum Flag : std::uint16_t {
    kRetain = 1U << 0U,
    kQosShift = 1,  // two bits: 1 and 2
    kQosMask = 3U << 1U,
    kHasValue = 1U << 3U,             // absent: a change of quality alone
    kClockUnsynchronised = 1U << 4U,  // the edge's clock was not synchronised
    kHistorical = 1U << 5U,           // sent more than 10 s after its arrival
    kOverflow = 1U << 6U,             // first record of its tag after a gap
    kLatest = 1U << 7U,               // class `latest`: may be left out once it is superseded
};
constexpr std::uint16_t qos_bits(unsigned qos) {
    return static_cast<std::uint16_t>((qos & 3U) << kQosShift);
}
constexpr unsigned qos_of(std::uint16_t flags) {
    return (flags & kQosMask) >> kQosShift;
}

/// One record. Borrowed: `value` and `properties` point into the buffer it was read from.
struct Record {
    Seq seq = 0;
    TagId tag = 0;
    std::uint16_t flags = 0;
    Quality quality = Quality::good;
    base::WallTime source_time;
    base::WallTime arrival_time;
    base::ByteView value;       // the payload as published, untouched
    base::ByteView properties;  // MQTT 5 publish properties as on the wire (without their length)
};

/// What is the same for every record of a tag.
struct Tag {
    TagId id = 0;
    std::string topic;
};

}  // namespace sallyport::record
