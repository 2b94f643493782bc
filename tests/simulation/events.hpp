// What can happen in a run: the faults that strike, and the states and recovery paths they lead
// through. Each is counted; one that never happens in a standard run fails it, for what is never
// reached proves nothing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sallyport::simulation {

/// Faults come first, in the order of Fault.
#define SIMULATION_FAULTS(X)                               \
    X(edge_kill, "edge killed")                            \
    X(edge_power_cut, "edge's power cut")                  \
    X(relay_kill, "relay killed")                          \
    X(relay_power_cut, "relay's power cut")                \
    X(it_kill, "it-agent killed")                          \
    X(it_power_cut, "it-agent's power cut")                \
    X(all_killed, "all killed within 10 ms")               \
    X(edge_reset, "edge's connections reset")              \
    X(it_reset, "it-agent's connections reset")            \
    X(device_reset, "device's connection reset")           \
    X(device_black_hole, "black hole at a device")         \
    X(relay_black_hole, "black hole at the relay")         \
    X(one_way_black_hole, "black hole one way")            \
    X(half_open, "half-open link")                         \
    X(link_cut, "link cut at a byte")                      \
    X(slow_network, "slow network")                        \
    X(slow_link, "slow link")                              \
    X(disk_write_error, "disk: write fails")               \
    X(disk_sync_error, "disk: fdatasync fails")            \
    X(disk_create_error, "disk: create fails")             \
    X(disk_directory_error, "disk: directory sync fails")  \
    X(disk_read_error, "disk: read fails")                 \
    X(disk_remove_error, "disk: remove fails")             \
    X(disk_rename_error, "disk: rename fails")             \
    X(disk_checkpoint_error, "disk: checkpoint fails")     \
    X(disk_full, "disk full")                              \
    X(disk_slow, "disk slow")                              \
    X(bit_flip, "bit flipped on the disk")                 \
    X(segment_deleted, "segment file deleted")             \
    X(store_error, "store's commit fails")                 \
    X(store_lost, "store lost")                            \
    X(store_restored, "store restored from an older copy") \
    X(edge_clock, "edge's clock jumps")                    \
    X(it_clock, "it-agent's clock jumps")                  \
    X(twin, "second process of the it-agent's identity")

#define SIMULATION_PATHS(X)                                               \
    X(job_cut, "edge killed amid a disk job")                             \
    X(start_cut, "edge killed amid its start")                            \
    X(names_lost, "directory entry lost in a power cut")                  \
    X(sectors_lost, "unsynced sector lost in a power cut")                \
    X(sectors_survived, "unsynced sector survived a power cut")           \
    X(start_refused, "start refused by the disk")                         \
    X(torn_tail_dropped, "torn tail dropped")                             \
    X(damage_scanned_over, "damaged entry scanned over at a start")       \
    X(segment_set_aside, "unreadable segment set aside")                  \
    X(tail_rewritten, "tail rewritten at a start")                        \
    X(segment_rolled, "segment rolled")                                   \
    X(commit_repeated, "failed commit appended to a new segment")         \
    X(segment_trimmed, "segment removed")                                 \
    X(oldest_dropped, "oldest segment dropped")                           \
    X(conflated, "superseded record left out")                            \
    X(read_from_disk, "entries read from the disk")                       \
    X(publish_waited, "publishes wait for the spool")                     \
    X(qos0_shed, "QoS 0 shed")                                            \
    X(sent_again, "publish sent again by a device")                       \
    X(resume_from_nothing, "session resumed from nothing")                \
    X(resume_from_position, "session resumed from a position in the log") \
    X(resume_from_cursor, "session resumed from the cursor")              \
    X(position_unknown, "position unknown")                               \
    X(gap_damaged, "gap named: damaged")                                  \
    X(gap_dropped, "gap named: dropped")                                  \
    X(gap_before_log, "gap named: before the log")                        \
    X(entry_repeated, "entry repeated and dropped")                       \
    X(credit_exhausted, "credit exhausted")                               \
    X(window_changed, "credit window widened or narrowed")                \
    X(lost_ack_made_good, "lost ack made good")                           \
    X(commit_unheard, "store's commit done though nobody heard")          \
    X(broker_saved_unheard, "broker state saved though nobody heard")     \
    X(broker_save_failed, "broker state not saved, tried again")          \
    X(lasting_resumed, "lasting session resumed")                         \
    X(lasting_repeated, "QoS 1 message came again to a lasting session")  \
    X(lasting_known_again, "QoS 2 PUBLISH came again to one")             \
    X(lasting_released_again, "PUBREL came again to one")                 \
    X(link_silent, "link ended: silent")                                  \
    X(link_replaced, "link replaced by the same process")                 \
    X(holder_gave_way, "other process probed, gave way")                  \
    X(twin_refused, "other process probed, stayed")                       \
    X(edge_catching_up, "edge: catching-up")                              \
    X(edge_behind, "edge: behind")                                        \
    X(edge_stalled, "edge: stalled")                                      \
    X(edge_lost, "edge: lost")                                            \
    X(edge_live, "edge: live")                                            \
    X(feed_catching_up, "it-agent: catching-up")                          \
    X(feed_behind, "it-agent: behind")                                    \
    X(feed_stalled, "it-agent: stalled")                                  \
    X(feed_lost, "it-agent: lost")                                        \
    X(feed_live, "it-agent: live")                                        \
    X(shown_historical, "record shown as historical")                     \
    X(shown_last_known, "tag shown as Bad.LastKnown")                     \
    X(shown_not_connected, "tag shown as Bad.NotConnected")               \
    X(shown_last_usable, "tag shown as Uncertain.LastUsable")             \
    X(shown_good, "tag shown as Good again")

enum class Event : std::uint8_t {
#define SIMULATION_NAME(name, text) name,
    SIMULATION_FAULTS(SIMULATION_NAME) SIMULATION_PATHS(SIMULATION_NAME)
#undef SIMULATION_NAME
};

constexpr std::array kEventTexts{
#define SIMULATION_TEXT(name, text) std::string_view(text),
    SIMULATION_FAULTS(SIMULATION_TEXT) SIMULATION_PATHS(SIMULATION_TEXT)
#undef SIMULATION_TEXT
};
constexpr std::size_t kEvents = kEventTexts.size();
constexpr std::size_t kFaults = static_cast<std::size_t>(Event::twin) + 1;

constexpr std::string_view to_string(Event event) {
    return kEventTexts[static_cast<std::size_t>(event)];
}

/// How often each happened.
class Counters {
public:
    void add(Event event, std::uint64_t times = 1) {
        counts_[static_cast<std::size_t>(event)] += times;
    }
    void add(const Counters& other) {
        for (std::size_t i = 0; i < kEvents; ++i) counts_[i] += other.counts_[i];
    }
    std::uint64_t operator[](Event event) const { return counts_[static_cast<std::size_t>(event)]; }

private:
    std::array<std::uint64_t, kEvents> counts_{};
};

}  // namespace sallyport::simulation
