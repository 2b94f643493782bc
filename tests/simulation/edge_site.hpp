// One edge of a run: its process, disk and devices.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "edge-agent/core/edge_core.hpp"
#include "tests/simulation/device.hpp"
#include "tests/simulation/durable_log.hpp"
#include "tests/simulation/lasting_subscriber.hpp"
#include "tests/simulation/model_disk.hpp"
#include "tests/simulation/run.hpp"
#include "tests/unit/mqtt/model_store.hpp"

namespace sallyport::simulation {

/// A client on the edge's machine, with a lasting session.
struct LocalClient {
    LocalClient(Run& run, const std::string& name, mqtt::Qos qos)
        : host(run.network, name, std::nullopt),
          subscriber(name, "plant/#", qos, Random(run.random.next())) {}

    Host host;
    LastingSubscriber subscriber;
    /// What each device had made when the subscription was acknowledged; what came later is its.
    std::vector<std::uint64_t> made_before{};
};

class EdgeSite {
public:
    enum class Death { kill, power_cut };

    EdgeSite(Run& run, std::string name, std::vector<std::string> destinations, Host& relay,
             std::uint64_t disk_seed);
    /// Draws spool options and devices from the run's seed; at least `publishes` in all.
    void draw_workload(std::uint64_t publishes);
    void start_devices();
    void start();
    /// Dies at once, or amid its disk job; starts again after `down`.
    void die(Death death, base::Duration down);
    /// Looks at its state: what it entered is counted. Every 100 ms.
    void sample();

    const std::string& name() const { return name_; }  // "e0"
    std::string qualified() const { return "plant/" + name_; }
    Host& host() { return host_; }
    const Host& host() const { return host_; }
    ModelDisk& disk() { return disk_; }
    const ModelDisk& disk() const { return disk_; }
    DurableLog& log() { return log_; }
    const DurableLog& log() const { return log_; }
    const edge_core::EdgeCore* core() const { return host_.is_up() ? core_.get() : nullptr; }
    const std::vector<std::string>& destinations() const { return destinations_; }
    std::deque<Device>& devices() { return devices_; }
    const std::deque<Device>& devices() const { return devices_; }
    std::deque<Host>& device_hosts() { return device_hosts_; }
    /// None where the broker's state is not kept.
    std::deque<LocalClient>& local_clients() { return local_clients_; }
    const std::deque<LocalClient>& local_clients() const { return local_clients_; }
    bool devices_are_done() const;
    const Device* device_of(const std::string& value) const;
    void slow_disk_until(base::Instant until) { slow_until_ = until; }

    /// Epochs in the order of their starts.
    std::size_t order_of(record::Epoch epoch) const;
    std::uint64_t deaths() const { return deaths_; }
    base::Instant started() const { return started_; }
    /// Numbers not acknowledged at a power cut: of a commit that was never synced, later sectors
    /// may survive where earlier ones do not, so that these may arrive first after what was sent
    /// behind them.
    const std::set<std::string>& torn() const { return torn_; }
    /// A QoS 2 publish is one record over all its lives. Receipts lie in the log, and may be lost
    /// with what is damaged there.
    bool keeps_receipts() const { return deaths_ == 0 || (keeps_broker_state_ && !was_damaged()); }
    /// Bits flipped, files gone, or reads failed so often that their bytes count as damaged.
    bool was_damaged() const {
        constexpr auto kRead = static_cast<std::size_t>(ModelDisk::Kind::read);
        return damaged_ || disk_.strikes().failed[kRead] > 0;
    }
    /// Promised records that a start found damaged at the log's end: it cannot tell them from a
    /// torn tail, and reports that.
    bool lost_at_the_end(const Identity& identity) const { return lost_.contains(identity); }
    void note_damage() { damaged_ = true; }
    bool clock_jumped() const { return clock_jumped_; }
    void jump_clock(base::Duration by) {
        clock_jumped_ = true;
        host_.jump_wall_clock(by);
    }
    bool lost_qualities() const { return lost_qualities_; }
    bool left_out_unknown_topics() const { return unknown_topics_; }

private:
    void after_input();
    void run_disk();
    void run_broker_store();
    void note_subscribed(LocalClient& client) const;
    void note_start(const spool::Spool& spool);
    void note_torn();
    void check_acknowledgements();
    void check_qos0_balance(const edge_core::EdgeStatus& status);
    std::unique_ptr<spool::Spool> recover(base::Now now);

    Run& run_;
    std::string name_;
    std::vector<std::string> destinations_;
    Host host_;
    ModelDisk disk_;
    DurableLog log_;
    spool::SpoolOptions options_;
    std::vector<ingest::ForwardRule> forwards_;
    std::deque<Host> device_hosts_;
    std::deque<Device> devices_;
    std::unique_ptr<edge_core::EdgeCore> core_;
    std::deque<spool::DiskJob> jobs_;
    bool disk_busy_ = false;
    std::size_t publishes_that_may_wait_ = 0;  // of each device
    bool keeps_broker_state_ = false, broker_store_busy_ = false;
    mqtt::ModelStore broker_state_;
    std::deque<LocalClient> local_clients_;
    base::Duration disk_slowest_{};
    base::Instant slow_until_{};
    std::map<record::Epoch, std::size_t> epochs_;
    std::uint64_t deaths_ = 0;
    base::Instant started_{};
    std::set<std::string> torn_;
    std::set<Identity> lost_;
    bool damaged_ = false, clock_jumped_ = false, lost_qualities_ = false, unknown_topics_ = false;
    bool only_qos0_ = false, commit_failed_ = false;
    std::uint64_t told_shed_ = 0, told_dropped_ = 0;
    std::map<std::string, uplink::PathState> states_;
};

}  // namespace sallyport::simulation
