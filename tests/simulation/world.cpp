#include "tests/simulation/world.hpp"

#include <algorithm>
#include <cstdio>
#include <map>
#include <utility>

#include <fmt/format.h>

namespace sallyport::simulation {
namespace {

constexpr std::string_view kPlant = "plant";
constexpr std::string_view kEdgeName = "plant/edge";
constexpr base::Duration kSettleWithin = std::chrono::seconds(120);

base::Identity identity(base::Role role, std::string name) {
    return {std::string(kPlant), role, std::move(name)};
}

bool is_crash(Fault fault) {
    return fault == Fault::edge_kill || fault == Fault::edge_power_cut ||
           fault == Fault::relay_kill || fault == Fault::it_kill;
}

}  // namespace

std::string_view to_string(Fault fault) {
    switch (fault) {
        case Fault::edge_kill: return "edge killed";
        case Fault::edge_power_cut: return "edge power cut";
        case Fault::relay_kill: return "relay killed";
        case Fault::it_kill: return "it-agent killed";
        case Fault::edge_reset: return "edge connections reset";
        case Fault::it_reset: return "it-agent connections reset";
        case Fault::relay_black_hole: return "relay black hole";
        case Fault::disk_error: return "spool disk error";
        case Fault::store_error: return "store error";
        case Fault::slow_network: return "slow network";
    }
    return "?";
}

World::World(std::uint64_t seed, bool verbose)
    : verbose_(verbose),
      random_(seed),
      network_(scheduler_, Random(seed ^ 0xA5A5)),
      edge_host_(network_, "edge", identity(base::Role::edge, "edge")),
      relay_host_(network_, "relay", identity(base::Role::relay, "relay")),
      it_host_(network_, "it", identity(base::Role::it, "hq")),
      application_host_(network_, "application", std::nullopt),
      disk_(seed),
      store_(seed | 1U) {
    edge_host_.set_target(&relay_host_, true);
    it_host_.set_target(&relay_host_, true);
    application_host_.set_target(&it_host_, false);
}

void World::say(const std::string& what) const {
    if (verbose_)
        std::printf("%10.3f  %s\n",
                    std::chrono::duration<double>(scheduler_.now().instant.since_start).count(),
                    what.c_str());
}

void World::violate(std::string what) {
    say("VIOLATION: " + what);
    if (outcome_.violations.size() < 10) outcome_.violations.push_back(std::move(what));
}

void World::draw_workload() {
    spool_options_.edge = kEdgeName;
    spool_options_.destinations = {"hq"};
    spool_options_.max_bytes = 16U << 20U;
    spool_options_.segment_bytes_max = 1U << random_.between(15, 19);
    spool_options_.entry_bytes_max = 1U << random_.between(9, 15);
    spool_options_.cache_bytes_max = 1U << random_.between(10, 20);
    spool_options_.commit_records_max = random_.between(4, 512);
    disk_slowest_ = std::chrono::milliseconds(random_.one_in(2) ? 8 : 400);
    network_.set_delays({std::chrono::microseconds(random_.between(20, 500)),
                         std::chrono::milliseconds(random_.between(1, 60))});
    const auto count = random_.between(2, 5);
    const auto publishes = random_.between(200, 400) / count + 1;
    for (std::uint64_t i = 0; i < count; ++i) {
        DeviceOptions options;
        options.client_id = fmt::format("device{}", i);
        options.version = random_.one_in(2) ? mqtt::Version::v5 : mqtt::Version::v3_1_1;
        options.qos = mqtt::Qos{static_cast<std::uint8_t>(i == 0 ? 1 : random_.between(0, 2))};
        options.publishes = publishes;
        options.topics = random_.between(1, 20);
        options.payload_bytes_max = random_.one_in(5) ? 6000 : 200;
        options.window = random_.between(1, 20);
        options.interval_max = std::chrono::milliseconds(random_.between(5, 120));
        auto& device = devices_.emplace_back(options, Random(random_.next()));
        auto& host = device_hosts_.emplace_back(network_, options.client_id, std::nullopt);
        host.set_target(&edge_host_, false);
        host.start(device, [] {});
    }
}

void World::draw_faults() {
    const auto count = random_.between(3, 7);
    bool crashed = false;
    for (std::uint64_t i = 0; i < count; ++i) {
        auto fault = Fault{static_cast<int>(random_.between(0, kFaults - 1))};
        if (i + 1 == count && !crashed) fault = Fault{static_cast<int>(random_.between(0, 3))};
        crashed = crashed || is_crash(fault);
        const auto at = random_.duration(std::chrono::milliseconds(50), std::chrono::seconds(12));
        last_fault_ = std::max(last_fault_, scheduler_.now().instant + at);
        scheduler_.after(at, [this, fault] { strike(fault); });
    }
}

void World::strike(Fault fault) {
    say(fmt::format("FAULT: {}", to_string(fault)));
    ++outcome_.struck[static_cast<std::size_t>(fault)];
    ++outcome_.faults;
    if (is_crash(fault)) ++outcome_.crashes;
    const auto down = random_.duration(std::chrono::milliseconds(10), std::chrono::seconds(10));
    switch (fault) {
        case Fault::edge_kill: kill_edge(false); break;
        case Fault::edge_power_cut: kill_edge(true); break;
        case Fault::relay_kill: crash(relay_host_, down, &World::start_relay); break;
        case Fault::it_kill: crash(it_host_, down, &World::start_it); break;
        case Fault::edge_reset: network_.reset_all(edge_host_); break;
        case Fault::it_reset: network_.reset_all(it_host_); break;
        case Fault::relay_black_hole: network_.black_hole(relay_host_); break;
        case Fault::disk_error: {
            const auto kind = random_.one_in(2) ? ModelDisk::Kind::sync : ModelDisk::Kind::write;
            disk_.fail(kind, random_.between(1, 5), spool::DiskError::io, random_.between(1, 3));
            break;
        }
        case Fault::store_error: store_.fail(random_.between(1, 3)); break;
        case Fault::slow_network:
            network_.set_delays({std::chrono::milliseconds(50), std::chrono::milliseconds(800)});
            scheduler_.after(down, [this] { network_.set_delays({}); });
            break;
    }
    last_fault_ = std::max(last_fault_, scheduler_.now().instant + down);
}

void World::crash(Host& host, base::Duration down, void (World::*start)()) {
    if (!host.is_up()) return;
    host.crash();
    scheduler_.after(down, [this, start] { (this->*start)(); });
}

void World::kill_edge(bool power_cut) {
    if (!edge_host_.is_up()) return;
    ++edge_kills_;
    // Half of the time a job is cut in its middle; what waits behind it never runs.
    if (power_cut && !disk_jobs_.empty() && random_.one_in(2)) {
        disk_.cut_power_after(random_.between(0, 3));
        spool::run(disk_, std::move(disk_jobs_.front()));
    }
    disk_jobs_.clear();
    disk_busy_ = false;
    disk_.clear_faults();
    if (power_cut) {
        disk_.crash(random_.next());
        for (const auto& device : devices_)
            for (const auto number : device.waiting())
                torn_[device.options().client_id].insert(number);
    }
    const auto down = random_.duration(std::chrono::milliseconds(10), std::chrono::seconds(5));
    last_fault_ = std::max(last_fault_, scheduler_.now().instant + down);
    crash(edge_host_, down, &World::start_edge);
}

void World::start_edge() {
    const auto now = scheduler_.now();
    auto spool =
        spool::Spool::recover(spool_options_, disk_, random_.next() | 1U, random_.next(), now);
    if (!spool) {  // an injected error met the start: whoever supervises the process starts it
                   // again
        say(fmt::format("the spool did not start: {}", to_string(spool.error())));
        scheduler_.after(std::chrono::milliseconds(500), [this] { start_edge(); });
        return;
    }
    const auto first = (*spool)->runs().back().first;
    say(fmt::format("edge starts: its first record will be {}", first));
    // A record sent before its own sync would be numbered again after a power cut.
    const auto& journal = store_.journal();
    if (!journal.empty() && journal.back().seq >= first)
        violate("a record was delivered that the edge's disk did not have");
    edge_core::EdgeOptions options;
    options.plant = kPlant;
    options.name = "edge";
    options.forwards = {{"#"}};
    options.destinations = {"hq"};
    options.seed = random_.next();
    edge_ = std::make_unique<edge_core::EdgeCore>(options, std::move(*spool), now);
    edge_host_.start(*edge_, [this] {
        while (auto job = edge_->next_job(scheduler_.now())) disk_jobs_.push_back(std::move(*job));
        check_cursor();
        run_edge_disk();
        while (const auto notice = edge_->next_notice()) say("edge: " + notice->text);
    });
}

/// One job at a time, as the storage thread does: carried out when its time comes, told a little
/// later.
void World::run_edge_disk() {
    if (disk_busy_ || disk_jobs_.empty()) return;
    disk_busy_ = true;
    const auto life = edge_host_.life();
    const auto took = random_.duration(std::chrono::microseconds(50), disk_slowest_);
    scheduler_.after(took, [this, life] {
        if (life != edge_host_.life()) return;
        auto job = std::move(disk_jobs_.front());
        disk_jobs_.pop_front();
        auto done = spool::run(disk_, std::move(job));
        const auto told = random_.duration(base::Duration{1000}, std::chrono::milliseconds(1));
        scheduler_.after(told, [this, life, done = std::move(done)]() mutable {
            if (life != edge_host_.life()) return;
            disk_busy_ = false;
            edge_->complete(std::move(done), scheduler_.now());
            edge_host_.poke();
        });
    });
}

void World::start_relay() {
    relay_core::RelayOptions options;
    options.plant = kPlant;
    options.routes = {{"edge", "hq", {"#"}}};
    options.seed = random_.next();
    relay_ = std::make_unique<relay_core::RelayCore>(options);
    relay_host_.start(*relay_, [this] {
        while (const auto notice = relay_->next_notice()) say("relay: " + notice->text);
    });
}

void World::start_it() {
    it_core::ItOptions options;
    options.plant = kPlant;
    options.name = "hq";
    options.edges = {{"edge", ""}};
    options.seed = random_.next();
    it_ = std::make_unique<it_core::ItCore>(options, store_.load(), scheduler_.now());
    store_busy_ = false;
    it_host_.start(*it_, [this] {
        run_store();
        while (const auto notice = it_->next_notice()) say("it: " + notice->text);
    });
}

void World::run_store() {
    if (store_busy_) return;
    auto job = it_->next_job(scheduler_.now());
    if (!job) return;
    store_busy_ = true;
    const auto life = it_host_.life();
    const auto took =
        random_.duration(std::chrono::microseconds(100), std::chrono::milliseconds(20));
    scheduler_.after(took, [this, life, job = std::move(*job)] {
        if (life != it_host_.life()) return;
        const auto error = store_.commit(job);
        const auto told = random_.duration(base::Duration{1000}, std::chrono::milliseconds(5));
        scheduler_.after(told, [this, life, done = sinks::StoreDone{job.id, error}] {
            if (life != it_host_.life()) return;
            store_busy_ = false;
            it_->complete(done, scheduler_.now());
            it_host_.poke();
        });
    });
}

/// P3: no cursor is ahead of what the far side's sink has.
void World::check_cursor() {
    const auto had = store_.newest_position(std::string(kEdgeName));
    const auto acknowledged = edge_->acknowledged("hq");
    if (acknowledged > had)
        violate(fmt::format("acknowledged up to {}, the sink has {}", acknowledged, had));
}

bool World::is_settled() const {
    if (!edge_host_.is_up() || !relay_host_.is_up() || !it_host_.is_up()) return false;
    if (!std::ranges::all_of(devices_, &Device::is_done)) return false;
    const auto status = edge_->status(scheduler_.now());
    const auto& path = status.uplink.destinations.front();
    return path.waiting_records == 0 && status.spool.pending_bytes == 0 &&
           path.state == uplink::PathState::live &&
           it_->status().edges.front().state == emit::FeedState::live;
}

Outcome World::run() {
    draw_workload();
    draw_faults();
    start_relay();
    start_it();
    start_edge();
    application_host_.start(application_, [] {});
    const auto end = scheduler_.now().instant + std::chrono::seconds(600);
    auto checked = scheduler_.now().instant;
    std::optional<base::Instant> settled;
    while (!settled && scheduler_.now().instant < end) {
        scheduler_.step(end);
        if (scheduler_.now().instant < checked) continue;
        checked = scheduler_.now().instant + std::chrono::milliseconds(100);
        if (checked < last_fault_) continue;
        if (is_settled()) settled = scheduler_.now().instant;
        const bool published = std::ranges::all_of(devices_, &Device::is_done);
        if (published && scheduler_.now().instant > last_fault_ + kSettleWithin) break;
    }
    if (!settled) violate("not drained and live in time after the last fault");
    // The application is shown what has been emitted.
    const auto grace = scheduler_.now().instant + std::chrono::seconds(5);
    while (scheduler_.step(grace)) {
    }
    check_outcome();
    outcome_.steps = scheduler_.steps();
    if (settled && *settled > last_fault_)
        outcome_.recovery_s = std::chrono::duration<double>(*settled - last_fault_).count();
    return outcome_;
}

void World::check_outcome() {
    record::Seq previous = 0;
    for (const auto& delivered : store_.journal()) {
        if (delivered.seq <= previous)
            violate(fmt::format("record {} delivered after {}", delivered.seq, previous));
        previous = delivered.seq;
    }
    outcome_.delivered = store_.journal().size();
    for (const auto& device : devices_) check_device(device);
    if (application_.repeats() > 0)
        violate(fmt::format("{} records shown to the application twice", application_.repeats()));
    outcome_.shown = application_.records();
    outcome_.repeated_entries = it_ ? it_->status().repeated_entries : 0;
}

void World::check_device(const Device& device) {
    const auto& options = device.options();
    std::map<std::uint64_t, std::uint64_t> times;
    std::uint64_t newest = 0;
    for (const auto& delivered : store_.journal()) {
        if (!delivered.value.starts_with(options.client_id + ":")) continue;
        const std::uint64_t number =
            std::stoull(delivered.value.substr(options.client_id.size() + 1));
        if (number == 0 || number > device.made().size() ||
            device.made()[number - 1].payload != delivered.value)
            violate(fmt::format("{} delivered {} that was never sent", options.client_id, number));
        if (times[number]++ == 0) {
            if (number < newest && !torn_[options.client_id].contains(number))
                violate(fmt::format("{}: {} arrived first after {}", options.client_id, number,
                                    newest));
            newest = std::max(newest, number);
        }
    }
    for (const auto number : device.acknowledged())
        if (!times.contains(number))
            violate(fmt::format("{}: {} was acknowledged and is lost", options.client_id, number));
    const bool exactly_once = options.qos == mqtt::Qos::exactly_once && edge_kills_ == 0;
    for (const auto& [number, count] : times)
        if (exactly_once && count > 1)
            violate(fmt::format("{}: {} sent at QoS 2 came {} times", options.client_id, number,
                                count));
    outcome_.publishes += device.made().size();
    outcome_.acknowledged += device.acknowledged().size();
    outcome_.sent_again += device.sent_again();
}

}  // namespace sallyport::simulation
