#include "tests/simulation/faults.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace sallyport::simulation {
namespace {

constexpr std::array kCrashes{Event::edge_kill,       Event::edge_power_cut, Event::relay_kill,
                              Event::relay_power_cut, Event::it_kill,        Event::it_power_cut,
                              Event::all_killed};

constexpr base::Duration kBeforeOutage = std::chrono::seconds(5);

bool is_crash(Event fault) {
    return std::ranges::find(kCrashes, fault) != kCrashes.end();
}

bool is_between(Event fault, Event first, Event last) {
    return fault >= first && fault <= last;
}

}  // namespace

void Faults::draw() {
    if (run_.scenario.outage) {
        last_ = run_.now() + kBeforeOutage + run_.scenario.outage_lasts;
        run_.scheduler.after(kBeforeOutage, [this] { strike_outage(); });
        return;
    }
    auto& random = run_.random;
    const auto count = random.between(3, 7);
    bool crashed = false;
    for (std::uint64_t i = 0; i < count; ++i) {
        auto fault = Event{static_cast<std::uint8_t>(random.between(0, kFaults - 1))};
        // A third of the faults are deaths, as most paths lead through them.
        if (random.one_in(3) || (i + 1 == count && !crashed))
            fault = kCrashes[random.between(0, kCrashes.size() - 1)];
        crashed = crashed || is_crash(fault);
        if (run_.scenario.favoured && !is_crash(fault)) fault = *run_.scenario.favoured;
        const auto at = random.duration(std::chrono::milliseconds(50), std::chrono::seconds(12));
        last_ = std::max(last_, run_.now() + at);
        run_.scheduler.after(at, [this, fault] { strike(fault); });
    }
    if (random.one_in(2)) {
        const auto at = random.duration(std::chrono::seconds(1), std::chrono::seconds(6));
        run_.scheduler.after(at, [this] { it().store().copy(); });
    }
}

void Faults::strike_outage() {
    const auto fault = *run_.scenario.outage;
    run_.counters.add(fault);
    ++struck_;
    const auto down = run_.scenario.outage_lasts;
    if (fault == Event::it_kill)
        for (auto& each : its_) each.die(false, down);
    else if (fault == Event::slow_link)
        strike_network(fault, down);
    else
        relay_.die(true, down);
}

EdgeSite& Faults::edge() {
    return edges_[run_.random.between(0, edges_.size() - 1)];
}

ItSite& Faults::it() {
    return its_[run_.random.between(0, its_.size() - 1)];
}

void Faults::strike(Event fault) {
    run_.say(fmt::format("FAULT: {}", to_string(fault)));
    run_.counters.add(fault);
    ++struck_;
    if (is_crash(fault)) ++crashes_;
    // One in six lasts so long that backlogs, full logs and timeouts come of it.
    const bool is_long = run_.random.one_in(6);
    const auto down =
        is_long ? run_.random.duration(std::chrono::seconds(12), std::chrono::seconds(40))
                : run_.random.duration(std::chrono::milliseconds(10), std::chrono::seconds(10));
    if (is_between(fault, Event::edge_kill, Event::all_killed) || fault == Event::twin)
        strike_processes(fault, down);
    else if (is_between(fault, Event::edge_reset, Event::slow_link))
        strike_network(fault, down);
    else if (is_between(fault, Event::disk_write_error, Event::segment_deleted))
        strike_disk(fault, down);
    else if (is_between(fault, Event::store_error, Event::store_restored))
        strike_store(fault, down);
    else
        jump_clock(fault);
    last_ = std::max(last_, run_.now() + down);
}

void Faults::strike_processes(Event fault, base::Duration down) {
    switch (fault) {
        case Event::edge_kill: edge().die(EdgeSite::Death::kill, down); break;
        case Event::edge_power_cut: edge().die(EdgeSite::Death::power_cut, down); break;
        case Event::relay_kill: relay_.die(false, down); break;
        case Event::relay_power_cut: relay_.die(true, down); break;
        case Event::it_kill: it().die(false, down); break;
        case Event::it_power_cut: it().die(true, down); break;
        case Event::twin:
            it().start_twin(std::min<base::Duration>(down, std::chrono::seconds(5)));
            break;
        default:
            relay_.die(run_.random.one_in(2), down);
            for (auto& each : edges_) each.die(EdgeSite::Death::power_cut, down);
            for (auto& each : its_) each.die(run_.random.one_in(2), down);
    }
}

void Faults::strike_network(Event fault, base::Duration down) {
    auto& network = run_.network;
    auto& random = run_.random;
    auto& some_agent = random.one_in(2) ? edge().host() : it().host();
    auto& some_edge = edge();
    auto& device = some_edge.device_hosts()[random.between(0, some_edge.device_hosts().size() - 1)];
    using Direction = Network::Direction;
    switch (fault) {
        case Event::edge_reset: network.reset_all(some_edge.host()); break;
        case Event::it_reset: network.reset_all(it().host()); break;
        case Event::device_reset: network.reset_all(device); break;
        case Event::device_black_hole: network.black_hole(device, Direction::both); break;
        case Event::relay_black_hole: network.black_hole(relay_.host(), Direction::both); break;
        case Event::one_way_black_hole:
            network.black_hole(some_agent, random.one_in(2) ? Direction::toward : Direction::from);
            break;
        case Event::half_open: network.half_open(some_agent); break;
        case Event::link_cut: network.cut(some_agent, random.between(0, 20'000)); break;
        case Event::slow_network:
            network.set_delays({std::chrono::milliseconds(50), std::chrono::milliseconds(800)});
            run_.scheduler.after(down, [&network] { network.set_delays({}); });
            break;
        default:
            network.set_delays({std::chrono::milliseconds(1), std::chrono::milliseconds(20),
                                random.between(4'000, 64'000)});
            run_.scheduler.after(down, [&network] { network.set_delays({}); });
    }
}

void Faults::fail_disk(ModelDisk::Kind kind) {
    edge().disk().fail(kind, run_.random.between(1, 5), spool::DiskError::io,
                       run_.random.between(1, 3));
}

void Faults::strike_disk(Event fault, base::Duration down) {
    using Kind = ModelDisk::Kind;
    switch (fault) {
        case Event::disk_write_error: fail_disk(Kind::write); break;
        case Event::disk_sync_error: fail_disk(Kind::sync); break;
        case Event::disk_create_error: fail_disk(Kind::create); break;
        case Event::disk_directory_error: fail_disk(Kind::sync_directory); break;
        case Event::disk_read_error: fail_disk(Kind::read); break;
        case Event::disk_remove_error: fail_disk(Kind::remove); break;
        case Event::disk_checkpoint_error: fail_disk(Kind::save); break;
        case Event::disk_rename_error: {  // a start renames: let it meet one
            auto& some_edge = edge();
            some_edge.die(EdgeSite::Death::kill, down);
            some_edge.disk().fail(Kind::rename, 1, spool::DiskError::io, 1);
            break;
        }
        case Event::disk_full: {
            auto& disk = edge().disk();
            disk.fail(Kind::write, 1, spool::DiskError::no_space, 1'000'000);
            disk.fail(Kind::create, 1, spool::DiskError::no_space, 1'000'000);
            run_.scheduler.after(down, [&disk] { disk.clear_faults(); });
            break;
        }
        case Event::disk_slow: edge().slow_disk_until(run_.now() + down); break;
        case Event::bit_flip: flip_bit(edge()); break;
        default: delete_segment(edge(), down);
    }
}

/// Half of the time in the entry where a destination stands, where it tells most.
void Faults::flip_bit(EdgeSite& edge) {
    auto& random = run_.random;
    const auto& entries = edge.log().entries();
    if (entries.empty()) return;
    const auto* place = &entries[random.between(0, entries.size() - 1)];
    const auto had = it().newest_had(edge.qualified());
    const bool where_it_stands = random.one_in(2);
    for (const auto& entry : entries)
        if (where_it_stands && entry.first <= had && had <= entry.last) place = &entry;
    if (!edge.disk().exists(place->file)) return;
    // Now and then in the segment's header.
    const auto offset = random.one_in(8) ? random.between(0, 511)
                                         : place->offset + random.between(0, place->size - 1);
    edge.disk().flip_bit(place->file, offset, static_cast<unsigned>(random.between(0, 7)));
    edge.note_damage();
    // Read again from the disk, and by a new session.
    if (random.one_in(2)) edge.die(EdgeSite::Death::kill, std::chrono::milliseconds(100));
}

void Faults::delete_segment(EdgeSite& edge, base::Duration down) {
    if (!edge.host().is_up()) return;
    edge.die(EdgeSite::Death::kill, down);
    const auto& entries = edge.log().entries();
    if (entries.empty()) return;
    const auto file = entries[run_.random.between(0, entries.size() - 1)].file;
    edge.log().lose_file(file);
    edge.note_damage();
}

void Faults::strike_store(Event fault, base::Duration down) {
    auto& some = it();
    if (fault == Event::store_error)
        some.store().fail(run_.random.between(1, 3));
    else if (fault == Event::store_lost || !some.store().has_copy())
        some.die_and_lose_store(down);
    else
        some.die_and_restore_store(down);
}

void Faults::jump_clock(Event fault) {
    const auto by = run_.random.duration(std::chrono::seconds(1), std::chrono::hours(24));
    const auto signed_by = run_.random.one_in(2) ? by : -by;
    if (fault == Event::edge_clock)
        edge().jump_clock(signed_by);
    else
        it().jump_clock(signed_by);
}

}  // namespace sallyport::simulation
