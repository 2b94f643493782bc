#include "tests/simulation/edge_site.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace sallyport::simulation {
namespace {

base::Identity identity(const std::string& name) {
    return {"plant", base::Role::edge, name};
}

Event event_of(uplink::PathState state) {
    switch (state) {
        case uplink::PathState::lost: return Event::edge_lost;
        case uplink::PathState::catching_up: return Event::edge_catching_up;
        case uplink::PathState::behind: return Event::edge_behind;
        case uplink::PathState::stalled: return Event::edge_stalled;
        case uplink::PathState::live: return Event::edge_live;
    }
    return Event::edge_lost;
}

}  // namespace

EdgeSite::EdgeSite(Run& run, std::string name, std::vector<std::string> destinations, Host& relay,
                   std::uint64_t disk_seed)
    : run_(run),
      name_(std::move(name)),
      destinations_(std::move(destinations)),
      host_(run.network, name_, identity(name_)),
      disk_(disk_seed),
      log_(run, disk_) {
    host_.set_target(&relay, true);
}

void EdgeSite::draw_workload(std::uint64_t publishes) {
    auto& random = run_.random;
    options_.edge = qualified();
    options_.destinations = destinations_;
    options_.segment_bytes_max = 1U << random.between(14, 19);
    // Half of the logs are so small that an outage fills them.
    options_.max_bytes = options_.segment_bytes_max * (random.one_in(2) ? 8 : 64);
    options_.entry_bytes_max = 1U << random.between(9, 15);
    options_.commit_records_max = random.between(4, 512);
    options_.commit_bytes_max = 1U << random.between(12, 20);
    options_.pending_bytes_max = 1U << random.between(12, 23);
    const bool is_slow = random.one_in(2);
    disk_slowest_ = std::chrono::milliseconds(is_slow ? 400 : 8);
    // Without a cache every entry costs a read, which a slow disk cannot keep up with.
    options_.cache_bytes_max = 1U << random.between(is_slow ? 16 : 8, 20);
    const auto count = random.between(2, 5);
    only_qos0_ = random.one_in(6);
    const bool large = random.one_in(4);
    for (std::uint64_t i = 0; i < count; ++i) {
        DeviceOptions options;
        options.client_id = fmt::format("{}d{}", name_, i);
        options.version = random.one_in(2) ? mqtt::Version::v5 : mqtt::Version::v3_1_1;
        const auto qos = i == 0 ? 1 : random.between(0, 2);
        options.qos = mqtt::Qos{static_cast<std::uint8_t>(only_qos0_ ? 0 : qos)};
        options.publishes = publishes / count + 1;
        options.topics = random.between(1, 20);
        options.payload_bytes_max = large || random.one_in(5) ? 6000 : 200;
        options.window = random.between(1, 20);
        options.interval_max = std::chrono::milliseconds(random.between(5, 120));
        if (run_.scenario.outage)
            options.interval_max =
                run_.scenario.outage_lasts / static_cast<std::int64_t>(options.publishes);
        if (random.one_in(2)) {
            auto& rule = forwards_.emplace_back();
            rule.filter = "plant/" + options.client_id + "/#";
            rule.delivery_class = ingest::DeliveryClass::latest;
        }
        devices_.emplace_back(options, Random(random.next()));
        auto& host = device_hosts_.emplace_back(run_.network, options.client_id, std::nullopt);
        host.set_target(&host_, false);
    }
    forwards_.push_back({"#"});
    publishes_that_may_wait_ = random.one_in(2) ? 64 : random.between(4, 32);
    keeps_broker_state_ = random.one_in(3);
    for (const auto qos : {mqtt::Qos::at_least_once, mqtt::Qos::exactly_once})
        if (keeps_broker_state_) {
            auto& client = local_clients_.emplace_back(
                run_, fmt::format("{}l{}", name_, static_cast<int>(qos)), qos);
            client.host.set_target(&host_, false);
        }
    const auto segment = std::min(options_.segment_bytes_max, options_.max_bytes / 8);
    // The next segment may have to hold one large entry.
    log_.set_full(options_.max_bytes - segment - std::max<std::uint64_t>(segment, 48U << 10U));
}

void EdgeSite::start_devices() {
    for (std::size_t i = 0; i < devices_.size(); ++i)
        device_hosts_[i].start(devices_[i], [this] { check_acknowledgements(); });
    for (auto& client : local_clients_)
        client.host.start(client.subscriber, [this, &client] { note_subscribed(client); });
}

void EdgeSite::note_subscribed(LocalClient& client) const {
    if (!client.subscriber.take_subscribed()) return;
    client.made_before.clear();
    for (const auto& device : devices_) client.made_before.push_back(device.made().size());
}

/// P1: acked means on disk.
void EdgeSite::check_acknowledgements() {
    for (auto& device : devices_)
        for (const auto number : device.take_new_acknowledgements())
            if (!log_.has_value(device.made()[number - 1].payload))
                run_.violate(fmt::format("P1: {} number {} was acknowledged before it was on disk",
                                         device.options().client_id, number));
}

std::unique_ptr<spool::Spool> EdgeSite::recover(base::Now now) {
    auto& random = run_.random;
    if (deaths_ > 0 && random.one_in(8)) disk_.cut_power_after(random.between(0, 24));
    log_.set_starting(true);
    auto spool = spool::Spool::recover(options_, log_, random.next() | 1U, random.next(), now);
    log_.set_starting(false);
    if (disk_.power_is_gone()) {
        run_.counters.add(Event::start_cut);
        disk_.crash(random.next());
        note_torn();
        return nullptr;
    }
    disk_.restore_power();
    if (spool) return std::move(*spool);
    run_.counters.add(Event::start_refused);
    run_.say(fmt::format("{}: the spool did not start: {}", name_, to_string(spool.error())));
    return nullptr;
}

void EdgeSite::start() {
    const auto now = host_.now();
    auto spool = recover(now);
    if (!spool) {  // whoever supervises the process starts it again
        run_.scheduler.after(std::chrono::milliseconds(500), [this] { start(); });
        return;
    }
    note_start(*spool);
    edge_core::EdgeOptions options;
    options.plant = "plant";
    options.name = name_;
    options.forwards = forwards_;
    options.destinations = destinations_;
    options.keeps_broker_state = keeps_broker_state_;
    options.waiting_publishes_per_client = publishes_that_may_wait_;
    options.seed = run_.random.next();
    core_ = std::make_unique<edge_core::EdgeCore>(options, std::move(spool), now);
    if (keeps_broker_state_) core_->restore(broker_state_.state(), now);
    started_ = run_.now();
    told_shed_ = told_dropped_ = 0;
    states_.clear();
    host_.start(*core_, [this] { after_input(); });
}

void EdgeSite::note_start(const spool::Spool& spool) {
    const auto& report = spool.report();
    if (report.torn_tail) run_.counters.add(Event::torn_tail_dropped);
    run_.counters.add(Event::damage_scanned_over, report.damaged_entries);
    run_.counters.add(Event::segment_set_aside, report.damaged_segments);
    epochs_.emplace(spool.epoch(), epochs_.size());
    // One that ended before it was through may have been the one that cut the tail off.
    const bool was_noted = std::ranges::any_of(disk_.ledger(), [&](const auto& row) {
        const auto& entry = row.second.entry;
        return entry.reason == record::LedgerReason::torn_tail &&
               entry.first == report.last_seq + 1;
    });
    const bool says_so = report.torn_tail || was_noted || report.damaged_segments > 0;
    if (was_damaged() && (says_so || log_.lost_a_file()))
        for (const auto& identity : log_.promised())
            if (identity.second > report.last_seq) lost_.insert(identity);
    const auto first = spool.runs().back().first;
    run_.say(fmt::format("{} starts: its first record will be {}", name_, first));
    // What the checkpoint knows was numbered is never numbered again, whatever became of the log.
    const auto& checkpoint = disk_.checkpoint();
    if (!checkpoint) return;
    for (const auto& cursor : checkpoint->cursors)
        if (cursor.position.seq >= first)
            run_.violate(fmt::format("P4: {} starts at {}, behind its cursor at {}", name_, first,
                                     cursor.position.seq));
    if (checkpoint->tags_complete_below > first)
        run_.violate(fmt::format("P4: {} starts at {}, below {} of its checkpoint", name_, first,
                                 checkpoint->tags_complete_below));
}

void EdgeSite::after_input() {
    while (auto job = core_->next_job(host_.now())) jobs_.push_back(std::move(*job));
    run_disk();
    if (keeps_broker_state_) run_broker_store();
    while (const auto notice = core_->next_notice()) {
        run_.say(name_ + ": " + notice->text);
        const auto says = [&](std::string_view what) {
            return notice->text.find(what) != std::string::npos;
        };
        if (says("ended: silent")) run_.counters.add(Event::link_silent);
        lost_qualities_ = lost_qualities_ || says("a change of quality is lost");
        unknown_topics_ = unknown_topics_ || says("a tag of unknown topic");
    }
}

/// One job at a time, as the storage thread does: carried out when its time comes, told a little
/// later.
void EdgeSite::run_disk() {
    if (disk_busy_ || jobs_.empty()) return;
    disk_busy_ = true;
    const auto life = host_.life();
    auto took = run_.random.duration(std::chrono::microseconds(50), disk_slowest_);
    if (run_.now() < slow_until_) took += std::chrono::seconds(2);
    run_.scheduler.after(took, [this, life] {
        if (life != host_.life()) return;
        auto job = std::move(jobs_.front());
        jobs_.pop_front();
        const bool creates = std::holds_alternative<spool::CreateFile>(job.ops.front());
        const bool commits = creates || std::holds_alternative<spool::WriteBytes>(job.ops.front());
        auto done = spool::run(log_, std::move(job));
        if (commits && done.error) commit_failed_ = true;
        if (creates && !done.error)
            run_.counters.add(std::exchange(commit_failed_, false) ? Event::commit_repeated
                                                                   : Event::segment_rolled);
        const auto told = run_.random.duration(base::Duration{1000}, std::chrono::milliseconds(1));
        run_.scheduler.after(told, [this, life, done = std::move(done)]() mutable {
            if (life != host_.life()) return;
            disk_busy_ = false;
            core_->complete(std::move(done), host_.now());
            host_.poke();
        });
    });
}

/// A transaction is atomic, and may be done although nobody lived to hear it.
void EdgeSite::run_broker_store() {
    if (broker_store_busy_) return;
    auto job = core_->next_broker_job(host_.now());
    if (!job) return;
    broker_store_busy_ = true;
    const auto life = host_.life();
    const auto took =
        run_.random.duration(std::chrono::microseconds(100), std::chrono::milliseconds(20));
    run_.scheduler.after(took, [this, life, job = std::move(*job)] {
        if (life != host_.life()) return;
        edge_core::BrokerDone done{job.changes->upto, std::nullopt};
        if (run_.random.one_in(40)) {
            run_.counters.add(Event::broker_save_failed);
            done.error = "injected failure";
        } else {
            broker_state_.apply(*job.changes);
        }
        const auto told = run_.random.duration(base::Duration{1000}, std::chrono::milliseconds(5));
        run_.scheduler.after(told, [this, life, done = std::move(done)] {
            if (life != host_.life()) {
                if (!done.error) run_.counters.add(Event::broker_saved_unheard);
                return;
            }
            broker_store_busy_ = false;
            core_->complete(done, host_.now());
            host_.poke();
        });
    });
}

/// Of what nobody was told that it is on the disk, any part may be there, and be found.
void EdgeSite::note_torn() {
    for (const auto& device : devices_)
        for (const auto number : device.waiting()) torn_.insert(device.made()[number - 1].payload);
}

void EdgeSite::die(Death death, base::Duration down) {
    if (!host_.is_up()) return;
    ++deaths_;
    // Half of the time a job is cut in its middle; what waits behind it never runs.
    const bool power_cut = death == Death::power_cut;
    const bool job_cut = !jobs_.empty() && run_.random.one_in(2);
    if (job_cut) {
        run_.counters.add(Event::job_cut);
        disk_.cut_power_after(run_.random.between(0, 5));
        spool::run(log_, std::move(jobs_.front()));
        disk_.restore_power();
    }
    jobs_.clear();
    disk_busy_ = commit_failed_ = broker_store_busy_ = false;
    disk_.clear_faults();
    if (power_cut) {
        const auto before = disk_.strikes();
        disk_.crash(run_.random.next());
        const auto& after = disk_.strikes();
        run_.counters.add(Event::names_lost, after.names_lost - before.names_lost);
        run_.counters.add(Event::sectors_lost, after.sectors_lost - before.sectors_lost);
        run_.counters.add(Event::sectors_survived,
                          after.sectors_survived - before.sectors_survived);
    }
    if (power_cut || job_cut) note_torn();
    host_.crash(power_cut && run_.random.one_in(2));
    run_.scheduler.after(down, [this] { start(); });
}

void EdgeSite::sample() {
    if (!broker_state_.faults.empty())
        run_.violate("broker state of " + name_ + ": " + std::exchange(broker_state_.faults, {}));
    if (!host_.is_up()) return;
    const auto status = core_->status(host_.now());
    for (const auto& path : status.uplink.destinations) {
        const auto known = states_.find(path.destination);
        if (known != states_.end() && known->second == path.state) continue;
        states_[path.destination] = path.state;
        run_.counters.add(event_of(path.state));
    }
    run_.counters.add(Event::qos0_shed,
                      status.shed_qos0 - std::exchange(told_shed_, status.shed_qos0));
    const auto dropped = status.spool.dropped_records;
    if (dropped > std::exchange(told_dropped_, dropped)) run_.counters.add(Event::oldest_dropped);
    if (status.spool.pending_bytes >= options_.pending_bytes_max)
        run_.counters.add(Event::publish_waited);
    // P9: one record may reach over the bound.
    constexpr std::uint64_t kRecordBytesMax = 16U << 10U;
    if (status.spool.pending_bytes > options_.pending_bytes_max + kRecordBytesMax)
        run_.violate(fmt::format("P9: {} bytes wait for the disk", status.spool.pending_bytes));
    check_qos0_balance(status);
}

/// P2, P9: what is shed is counted.
void EdgeSite::check_qos0_balance(const edge_core::EdgeStatus& status) {
    if (!only_qos0_ || status.broker.messages_received == status.forwarded + status.shed_qos0)
        return;
    run_.violate(fmt::format("P2: {} received at QoS 0, {} forwarded and {} shed",
                             status.broker.messages_received, status.forwarded, status.shed_qos0));
}

bool EdgeSite::devices_are_done() const {
    return std::ranges::all_of(devices_, &Device::is_done);
}

const Device* EdgeSite::device_of(const std::string& value) const {
    const auto id = value.substr(0, value.find(':'));
    const auto found = std::ranges::find_if(
        devices_, [&](const Device& device) { return device.options().client_id == id; });
    return found == devices_.end() ? nullptr : &*found;
}

std::size_t EdgeSite::order_of(record::Epoch epoch) const {
    const auto found = epochs_.find(epoch);
    return found == epochs_.end() ? epochs_.size() : found->second;
}

}  // namespace sallyport::simulation
