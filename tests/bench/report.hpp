// What a run found, as text for people and JSON for programs.
#pragma once

#include <cstdint>
#include <string>

#include "tests/bench/histogram.hpp"
#include "tests/bench/options.hpp"

namespace sallyport::bench {

struct Report {
    // The whole run, warm-up included.
    std::uint64_t sent = 0, acknowledged = 0, refused = 0, unacknowledged = 0;
    std::uint64_t received = 0, lost = 0, repeated = 0, out_of_order = 0, foreign = 0;
    std::size_t window = 0;  // what the broker's Receive Maximum left of the wanted one

    // The messages due after the warm-up.
    std::uint64_t measured = 0;
    double receiving_seconds = 0;    // from the first of them read to the last
    double messages_per_second = 0;  // over that interval
    Histogram latency;               // from due to read, ns

    double own_cpu_seconds = 0;  // this process: whether the load itself was the limit
    bool unreachable = false;    // never got as far as sending
    std::string error;           // why the run ended early; empty where it did not

    /// Every message once and in order is demanded of QoS 1 and 2 only.
    bool is_good(mqtt::Qos qos) const;
};

std::string to_text(const Options& options, const Report& report);
std::string to_json(const Options& options, const Report& report);

}  // namespace sallyport::bench
