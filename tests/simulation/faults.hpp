// The faults of one run: drawn from its seed, struck in its course.
#pragma once

#include <deque>

#include "tests/simulation/edge_site.hpp"
#include "tests/simulation/it_site.hpp"
#include "tests/simulation/run.hpp"

namespace sallyport::simulation {

/// What the relay lends to the faults.
class RelaySite {
public:
    virtual ~RelaySite() = default;
    virtual Host& host() = 0;
    virtual void die(bool silent, base::Duration down) = 0;
};

class Faults {
public:
    Faults(Run& run, std::deque<EdgeSite>& edges, std::deque<ItSite>& its, RelaySite& relay)
        : run_(run), edges_(edges), its_(its), relay_(relay) {}

    /// Three to seven, one of them a crash at least; or the scenario's outage.
    void draw();
    /// From here on everything heals.
    base::Instant last() const { return last_; }
    std::uint64_t struck() const { return struck_; }
    std::uint64_t crashes() const { return crashes_; }

private:
    void strike(Event fault);
    void strike_outage();
    void strike_processes(Event fault, base::Duration down);
    void strike_network(Event fault, base::Duration down);
    void strike_disk(Event fault, base::Duration down);
    void strike_store(Event fault, base::Duration down);
    void fail_disk(ModelDisk::Kind kind);
    void flip_bit(EdgeSite& edge);
    void delete_segment(EdgeSite& edge, base::Duration down);
    void jump_clock(Event fault);
    EdgeSite& edge();
    ItSite& it();

    Run& run_;
    std::deque<EdgeSite>& edges_;
    std::deque<ItSite>& its_;
    RelaySite& relay_;
    base::Instant last_{};
    std::uint64_t struck_ = 0, crashes_ = 0;
};

}  // namespace sallyport::simulation
