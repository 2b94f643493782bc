// Many runs, and what they came to.
#pragma once

#include <cstdint>
#include <string>

namespace sallyport::simulation {

struct Range {
    std::uint64_t first = 1, last = 0;
};

struct Campaign {
    Range seeds;
    double hours = 0;  // 0: all of them, however long it takes
    unsigned jobs = 1;
    std::string log, commit;  // a file to append a line to, and what it names
};

/// Prints the counters and a summary. True where no run has violated anything, none was too thin to
/// count, and (in a campaign of the standard size) everything has happened.
bool run_campaign(const Campaign& campaign);
/// Told step by step. True: nothing was violated.
bool run_one(std::uint64_t seed);
/// One outage of so many hours of each kind: the relay gone, the it-agents gone, the link slow.
/// True: nothing was violated.
bool run_outages(Range seeds, double hours);

}  // namespace sallyport::simulation
