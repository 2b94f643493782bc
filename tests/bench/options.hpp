// What the command line asks for.
#pragma once

#include <cstdint>
#include <string>

#include "common/mqtt/packet.hpp"

namespace sallyport::bench {

struct Options {
    std::string publish_to, subscribe_at;  // host:port
    mqtt::Qos qos = mqtt::Qos::at_least_once;
    std::size_t publishers = 4;
    std::size_t payload_bytes = 64;
    std::uint64_t topics = 1000;
    std::uint64_t rate = 0;       // messages a second of all publishers; 0: as fast as possible
    std::uint64_t count = 0;      // messages of the run, warm-up included; 0: `seconds` rules
    double seconds = 10;          // measured, after the warm-up
    double warmup_seconds = 1;    // sent and checked, not measured
    std::uint16_t window = 1000;  // in flight per publisher, QoS 1 and 2
    double settle_seconds = 5;    // silence after which what is missing counts as lost
    double timeout_seconds = 0;   // of the whole run; 0: what the above takes, and a minute
    bool as_json = false;
};

}  // namespace sallyport::bench
