// One run of the whole product on a virtual clock, network and disk: devices -> edges -> relay ->
// it-agents -> applications, with configuration, workload and faults drawn from a seed, and the
// checker beside it.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "dmz-relay/core/relay_core.hpp"
#include "tests/simulation/checker.hpp"
#include "tests/simulation/edge_site.hpp"
#include "tests/simulation/faults.hpp"
#include "tests/simulation/it_site.hpp"
#include "tests/simulation/run.hpp"
#include "tests/simulation/tunnel_watch.hpp"

namespace sallyport::simulation {

struct Outcome {
    std::vector<std::string> violations;
    Counters counters;
    std::uint64_t publishes = 0, acknowledged = 0, delivered = 0, shown = 0;
    std::uint64_t crashes = 0, faults = 0;
    double recovery_s = 0;  // from the last fault until everything was delivered and live
    double drain_s = 0;     // of an outage: from its end until the first record came
    std::uint64_t steps = 0;
};

class World final : private RelaySite {
public:
    explicit World(std::uint64_t seed, const Scenario& scenario = {});
    Outcome run();

private:
    Host& host() override { return relay_host_; }
    void die(bool silent, base::Duration down) override;
    void start_relay();
    void note_relay(const std::string& text);
    std::string unsettled();
    void let_lasting_stay();
    void watch_the_drain();
    std::size_t had() const;
    /// Since the last fault, or since then.
    void run_until_settled(base::Instant since);
    void let_it_reach_the_applications();
    std::vector<base::WallTime> states_since();
    void sum_up();

    Run run_;
    Host relay_host_;
    std::unique_ptr<relay_core::RelayCore> relay_;
    std::deque<EdgeSite> edges_;
    std::deque<ItSite> its_;
    TunnelWatch watch_;
    Faults faults_;
    Checker checker_;
    Outcome outcome_;
    std::size_t had_in_outage_ = 0;
    bool drains_ = false;
};

}  // namespace sallyport::simulation
