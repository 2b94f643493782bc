// One run of the whole product on a virtual clock, network and disk: devices -> edge -> relay ->
// it-agent -> application, with a workload and faults drawn from a seed, and a checker that goes by
// the devices' own numbers.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "dmz-relay/core/relay_core.hpp"
#include "edge-agent/core/edge_core.hpp"
#include "it-agent/core/it_core.hpp"
#include "tests/simulation/device.hpp"
#include "tests/simulation/model_disk.hpp"
#include "tests/simulation/model_store.hpp"
#include "tests/simulation/network.hpp"
#include "tests/simulation/subscriber.hpp"

namespace sallyport::simulation {

enum class Fault {
    edge_kill,
    edge_power_cut,
    relay_kill,
    it_kill,
    edge_reset,
    it_reset,
    relay_black_hole,
    disk_error,
    store_error,
    slow_network,
};
constexpr std::size_t kFaults = 10;
std::string_view to_string(Fault fault);

struct Outcome {
    std::vector<std::string> violations;
    std::array<std::uint64_t, kFaults> struck{};
    std::uint64_t publishes = 0, acknowledged = 0, delivered = 0, sent_again = 0;
    std::uint64_t crashes = 0, faults = 0;
    std::uint64_t repeated_entries = 0, shown = 0;
    double recovery_s = 0;  // from the last fault until everything was delivered and live
    std::uint64_t steps = 0;
};

class World {
public:
    explicit World(std::uint64_t seed, bool verbose);
    Outcome run();

private:
    void draw_workload();
    void draw_faults();
    void start_edge();
    void start_relay();
    void start_it();
    void run_edge_disk();
    void run_store();
    void strike(Fault fault);
    void kill_edge(bool power_cut);
    void crash(Host& host, base::Duration down, void (World::*start)());
    void check_cursor();
    void check_outcome();
    void check_device(const Device& device);
    void violate(std::string what);
    bool is_settled() const;
    void say(const std::string& what) const;

    bool verbose_;
    Random random_;
    Scheduler scheduler_;
    Network network_;
    Host edge_host_, relay_host_, it_host_, application_host_;
    std::deque<Host> device_hosts_;
    std::deque<Device> devices_;
    ModelDisk disk_;
    ModelStore store_;
    Subscriber application_;
    std::unique_ptr<edge_core::EdgeCore> edge_;
    std::unique_ptr<relay_core::RelayCore> relay_;
    std::unique_ptr<it_core::ItCore> it_;
    spool::SpoolOptions spool_options_;
    std::deque<spool::DiskJob> disk_jobs_;
    base::Duration disk_slowest_{};  // of one job
    bool disk_busy_ = false, store_busy_ = false;
    std::uint64_t edge_kills_ = 0;
    /// Numbers not acknowledged at a power cut, by device: of a commit that was never synced, later
    /// sectors may survive where earlier ones do not, so that these may arrive first after what was
    /// sent behind them.
    std::map<std::string, std::set<std::uint64_t>> torn_;
    base::Instant last_fault_{};
    Outcome outcome_;
};

}  // namespace sallyport::simulation
