#include "tests/simulation/world.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace sallyport::simulation {
namespace {

constexpr base::Duration kSettleWithin = std::chrono::seconds(120);
/// The 2 s of P8, and ten round trips of the slowest network that is drawn.
constexpr base::Duration kDrainsWithin = std::chrono::milliseconds(2000 + 10 * 120);
constexpr base::Duration kSampleInterval = std::chrono::milliseconds(100);
/// For what has been emitted to reach the applications, and a late one to be shown what is
/// retained.
constexpr base::Duration kGrace = std::chrono::seconds(5);

}  // namespace

World::World(std::uint64_t seed, const Scenario& scenario)
    : run_(seed, scenario),
      relay_host_(run_.network, "relay", base::Identity{"plant", base::Role::relay, "relay"}),
      watch_(run_, edges_, its_),
      faults_(run_, edges_, its_, *this),
      checker_(run_, edges_, its_, relay_host_, watch_) {
    auto& random = run_.random;
    const std::uint64_t edges = random.one_in(4) ? 2 : 1;
    const std::uint64_t its = random.one_in(3) ? 2 : 1;
    std::vector<std::string> edge_names, it_names;
    for (std::uint64_t i = 0; i < edges; ++i) edge_names.push_back(fmt::format("e{}", i));
    for (std::uint64_t i = 0; i < its; ++i) it_names.push_back(fmt::format("hq{}", i));
    for (const auto& name : edge_names)
        edges_.emplace_back(run_, name, it_names, relay_host_, random.next());
    for (const auto& name : it_names)
        its_.emplace_back(run_, name, edge_names, relay_host_, random.next() | 1U);
    run_.network.set_watch(watch_);
    run_.network.set_delays({std::chrono::microseconds(random.between(20, 500)),
                             std::chrono::milliseconds(random.between(1, 60))});
    for (auto& edge : edges_) {
        edge.draw_workload(random.between(200, 400) / edges + 1);
        edge.log().set_had([this, &edge](const Identity& identity) {
            return std::ranges::all_of(its_, [&](const ItSite& it) {
                return it.has_had(edge.qualified(), identity) ||
                       checker_.is_excused(edge, it, identity);
            });
        });
    }
}

void World::start_relay() {
    relay_core::RelayOptions options;
    options.plant = "plant";
    options.routes = {{"e*", "hq*", {"#"}}};
    options.seed = run_.random.next();
    relay_ = std::make_unique<relay_core::RelayCore>(options);
    relay_host_.start(*relay_, [this] {
        while (const auto notice = relay_->next_notice()) note_relay(notice->text);
    });
}

void World::note_relay(const std::string& text) {
    run_.say("relay: " + text);
    const auto says = [&](std::string_view what) { return text.find(what) != std::string::npos; };
    if (says("fell silent")) run_.counters.add(Event::link_silent);
    if (says("replaced by the same process")) run_.counters.add(Event::link_replaced);
    if (says("did not answer while")) run_.counters.add(Event::holder_gave_way);
    if (says("another live process")) run_.counters.add(Event::twin_refused);
}

void World::die(bool silent, base::Duration down) {
    if (!relay_host_.is_up()) return;
    relay_host_.crash(silent);
    run_.scheduler.after(down, [this] { start_relay(); });
}

/// What has not settled yet; empty: everything has.
std::string World::unsettled() {
    if (!relay_host_.is_up()) return "the relay is down";
    for (auto& it : its_) {
        if (it.core() == nullptr) return it.name() + " is down";
        for (const auto& feed : it.core()->status().edges)
            if (feed.state != emit::FeedState::live)
                return fmt::format("{} shows {} as {}", it.name(), feed.edge,
                                   to_string(feed.state));
    }
    for (auto& edge : edges_) {
        if (edge.core() == nullptr) return edge.name() + " is down";
        if (!edge.devices_are_done()) return edge.name() + "'s devices wait";
        const auto status = edge.core()->status(edge.host().now());
        if (status.spool.pending_bytes > 0) return edge.name() + "'s spool waits for its disk";
        for (const auto& path : status.uplink.destinations)
            if (path.waiting_records > 0 || path.state != uplink::PathState::live)
                return fmt::format("{} to {} is {}, {} records wait", edge.name(), path.destination,
                                   to_string(path.state), path.waiting_records);
    }
    return checker_.missed_by_lasting();
}

void World::let_lasting_stay() {
    for (auto& edge : edges_)
        for (auto& client : edge.local_clients()) client.subscriber.stay();
    for (auto& it : its_)
        for (auto& lasting : it.lasting_applications()) lasting.subscriber.stay();
}

std::size_t World::had() const {
    std::size_t records = 0;
    for (const auto& it : its_) records += it.store().journal().size();
    return records;
}

/// P8: a backlog begins to come within 2 s of an outage's end, and a few round trips.
void World::watch_the_drain() {
    if (!run_.scenario.outage || drains_) return;
    if (run_.now() < faults_.last()) {
        had_in_outage_ = had();
        return;
    }
    const auto since = run_.now() - faults_.last();
    drains_ = had() > had_in_outage_ || since > kSettleWithin;
    if (!drains_) return;
    outcome_.drain_s = std::chrono::duration<double>(since).count();
    if (*run_.scenario.outage != Event::slow_link && since > kDrainsWithin)
        run_.violate(fmt::format("P8: nothing came for {} s after the outage", outcome_.drain_s));
}

void World::run_until_settled(base::Instant since) {
    const auto end = run_.now() + run_.scenario.outage_lasts + std::chrono::seconds(600);
    auto next_sample = run_.now();
    auto undisturbed_since = run_.now();  // by faults and by what the devices still publish
    while (run_.now() < end) {
        run_.scheduler.step(end);
        if (run_.now() < next_sample) continue;
        next_sample = run_.now() + kSampleInterval;
        checker_.sample();
        watch_the_drain();
        if (run_.now() < faults_.last()) continue;
        let_lasting_stay();
        if (unsettled().empty()) return;
        if (!std::ranges::all_of(edges_, &EdgeSite::devices_are_done))
            undisturbed_since = run_.now();
        if (run_.now() > std::max({undisturbed_since, faults_.last(), since}) + kSettleWithin)
            break;
    }
    run_.violate("P8: not drained and live in time after the last fault: " + unsettled());
}

/// Since when each it-agent shows each edge as what it shows.
std::vector<base::WallTime> World::states_since() {
    std::vector<base::WallTime> since;
    for (auto& it : its_)
        if (it.core() != nullptr)
            for (const auto& feed : it.core()->status().edges) since.push_back(feed.since);
    return since;
}

/// A fault may show only now: a link that is cut at a byte breaks when that is sent, a black hole
/// is a silence first. Then what it upsets has to settle again before it is judged.
void World::let_it_reach_the_applications() {
    for (;;) {
        const auto before = states_since();
        const auto until = run_.now() + kGrace;
        while (run_.scheduler.step(until)) {
        }
        if (states_since() == before || !run_.violations.empty()) return;
        run_until_settled(run_.now());
    }
}

Outcome World::run() {
    faults_.draw();
    start_relay();
    for (auto& it : its_) {
        it.start();
        it.start_application();
    }
    for (auto& edge : edges_) {
        edge.start();
        edge.start_devices();
    }
    run_until_settled(run_.now());
    const std::chrono::duration<double> took = run_.now() - faults_.last();
    outcome_.recovery_s = took.count();
    for (auto& it : its_) it.start_late_application();
    let_it_reach_the_applications();
    checker_.sample();
    checker_.check();
    sum_up();
    return std::move(outcome_);
}

void World::sum_up() {
    for (auto& edge : edges_)
        for (const auto& device : edge.devices()) {
            outcome_.publishes += device.made().size();
            outcome_.acknowledged += device.acknowledged().size();
            run_.counters.add(Event::sent_again, device.sent_again());
        }
    for (auto& it : its_) {
        outcome_.delivered += it.store().journal().size();
        outcome_.shown += it.application().shown().size();
    }
    outcome_.violations = run_.violations;
    outcome_.counters = run_.counters;
    outcome_.faults = faults_.struck();
    outcome_.crashes = faults_.crashes();
    outcome_.steps = run_.scheduler.steps();
}

}  // namespace sallyport::simulation
