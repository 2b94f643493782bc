// What must hold, judged from outside: by the devices' own numbers, by what the edges' disks held
// for good, by what the stores committed and by what the applications were shown. README.md lists
// the invariants; the text of a violation begins with the promise it breaks.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "tests/simulation/edge_site.hpp"
#include "tests/simulation/it_site.hpp"
#include "tests/simulation/tunnel_watch.hpp"

namespace sallyport::simulation {

class Checker {
public:
    Checker(Run& run, std::deque<EdgeSite>& edges, std::deque<ItSite>& its, const Host& relay,
            const TunnelWatch& watch)
        : run_(run), edges_(edges), its_(its), relay_(relay), watch_(watch) {}

    /// While it runs, every 100 ms.
    void sample();
    /// When everything has drained.
    void check();
    /// What a lasting session still misses; empty: nothing.
    std::string missed_by_lasting() const;
    /// The record need not come: a gap names it, for a reason that struck.
    bool is_excused(const EdgeSite& edge, const ItSite& it, const Identity& identity) const;

private:
    /// One edge's records at one it-agent.
    struct Path {
        std::size_t next = 0;  // promised records before it have arrived, or are excused
        std::optional<base::Instant> broken_since;
        bool lost_checked = false;  // that it is told
    };

    void check_cursor(const EdgeSite& edge, const ItSite& it);
    void check_lost_is_told(const EdgeSite& edge, const ItSite& it, Path& path);
    void check_live_is_true(const EdgeSite& edge, const ItSite& it, Path& path);
    void check_promised(const EdgeSite& edge, const ItSite& it);
    void check_ledger(const EdgeSite& edge, const ItSite& it);
    void check_acknowledged(const EdgeSite& edge, const ItSite& it);
    void check_newest(const EdgeSite& edge, const ItSite& it);
    void check_journal(const ItSite& it);
    void check_delivered(const ItSite& it, const EdgeSite& edge, const Delivered& delivered);
    void check_first_arrivals(const ItSite& it);
    void check_exactly_once(const ItSite& it);
    void check_shown(const ItSite& it);
    void check_honesty(const EdgeSite& edge, const ItSite& it, const Shown& shown);
    void check_qualities(const EdgeSite& edge, const ItSite& it);
    void check_device_qualities(const EdgeSite& edge, const ItSite& it, const Device& device);
    void check_retained(const ItSite& it);
    void check_lasting(const EdgeSite& edge);
    void check_lasting(const ItSite& it);
    void count_lasting(const LastingSubscriber& subscriber);

    void check_conflated(const EdgeSite& edge, const ItSite& it);
    void check_counts(const EdgeSite& edge, const ItSite& it);

    bool is_excused_by_gap(const EdgeSite& edge, const ItSite& it, const Identity& identity) const;
    /// Newer durable records of each of its tags, but of those that were refused, carry all that it
    /// carries, and `counts` says yes to them.
    using Counts = std::function<bool(const Identity&)>;
    bool has_newer(const EdgeSite& edge, const ItSite& it, const Identity& identity,
                   const Counts& counts) const;
    /// The log let the record go and sent what it had kept: one that a newer one of the same tag
    /// supersedes is not among that.
    bool is_superseded(const EdgeSite& edge, const ItSite& it, const Identity& identity) const;
    const EdgeSite* edge_named(const std::string& qualified) const;
    static std::string topic_of(const EdgeSite& edge, const std::string& value);
    static std::string shown_quality(const EdgeSite& edge, const ItSite& it,
                                     const std::string& topic);

    Run& run_;
    std::deque<EdgeSite>& edges_;
    std::deque<ItSite>& its_;
    const Host& relay_;
    const TunnelWatch& watch_;
    std::map<std::pair<const EdgeSite*, const ItSite*>, Path> paths_;
};

}  // namespace sallyport::simulation
