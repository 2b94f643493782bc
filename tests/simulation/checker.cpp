#include "tests/simulation/checker.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace sallyport::simulation {
namespace {

/// Lost after 6 s, told at once; the rest is for a slow network and a paced sweep.
constexpr base::Duration kLostToldWithin = std::chrono::seconds(12);
/// live: complete up to at most 10 s ago, whatever the line does.
constexpr base::Duration kLiveBehindMost = std::chrono::milliseconds(10'100);
/// Not historical: at most 10 s old when it leaves the it-agent. Then it travels, on a slow network
/// too.
constexpr base::Duration kFreshMost = std::chrono::seconds(14);

std::uint64_t number_of(const std::string& value) {
    const auto colon = value.find(':');
    return colon == std::string::npos ? 0 : std::strtoull(value.c_str() + colon + 1, nullptr, 10);
}

}  // namespace

void Checker::sample() {
    for (auto& edge : edges_) {
        edge.sample();
        for (auto& it : its_) {
            auto& path = paths_[{&edge, &it}];
            check_cursor(edge, it);
            check_lost_is_told(edge, it, path);
            check_live_is_true(edge, it, path);
        }
    }
    for (auto& it : its_) it.sample();
}

/// P3: no cursor is ahead of what the far side's sink has had.
void Checker::check_cursor(const EdgeSite& edge, const ItSite& it) {
    // Where records are left out, a position may stand behind the last one that was had.
    if (edge.core() == nullptr || edge.left_out_unknown_topics()) return;
    const auto acknowledged = edge.core()->acknowledged(it.name());
    const auto had = it.newest_had(edge.qualified());
    const auto& promised = edge.log().promised();
    for (auto at = promised.rbegin(); at != promised.rend() && at->second > had; ++at)
        if (at->second <= acknowledged && !watch_.conflated(edge, it).contains(*at) &&
            !is_excused_by_gap(edge, it, *at))
            return run_.violate(fmt::format("P3: {} holds {} for delivered at {}, which has had {}",
                                            edge.name(), acknowledged, it.name(), had));
}

/// P7: where the edge or the relay is gone, the application knows it in time.
void Checker::check_lost_is_told(const EdgeSite& edge, const ItSite& it, Path& path) {
    const bool broken = !edge.host().is_up() || !relay_.is_up();
    if (!broken) {
        path.broken_since.reset();
        path.lost_checked = false;
        return;
    }
    // It may have been whole for less than the time between two samples: it broke anew then.
    const auto whole = std::max(edge.host().started(), relay_.started());
    const bool was_whole = edge.host().was_up(whole) && relay_.was_up(whole);
    if (!path.broken_since || (was_whole && whole > *path.broken_since)) {
        path.broken_since = run_.now();
        path.lost_checked = false;
    }
    const auto& application = it.application();
    const auto since = std::max(*path.broken_since, it.application_since());
    if (path.lost_checked || run_.now() < since + kLostToldWithin || it.core() == nullptr) return;
    path.lost_checked = true;
    const auto state = application.state_of("sallyport/edges/" + edge.qualified());
    const bool told = state.find("\"lost\"") != std::string::npos ||
                      state.find("\"never-seen\"") != std::string::npos;
    if (!told)
        run_.violate(fmt::format("P7: {} is gone, and {} shows {}", edge.name(), it.name(), state));
    for (const auto& delivered : it.store().journal()) {
        if (delivered.edge != edge.qualified() || !delivered.has_value) continue;
        const auto topic = topic_of(edge, delivered.value);
        const auto shown = shown_quality(edge, it, topic);
        if (shown.find("\"code\":20,") != std::string::npos) {
            run_.counters.add(Event::shown_last_known);
            continue;
        }
        if (shown.empty()) continue;  // committed, not yet emitted
        run_.violate(fmt::format("P7: {} is gone, and {} shows {} as {}", edge.name(), it.name(),
                                 topic, shown));
        break;
    }
}

/// P7: an edge is shown as live only while what it accepted arrives.
void Checker::check_live_is_true(const EdgeSite& edge, const ItSite& it, Path& path) {
    const auto& promised = edge.log().promised();
    while (path.next < promised.size() && (it.has_had(edge.qualified(), promised[path.next]) ||
                                           is_excused(edge, it, promised[path.next])))
        ++path.next;
    if (path.next == promised.size() || it.core() == nullptr || edge.clock_jumped()) return;
    const auto since = edge.log().find(promised[path.next])->since;
    if (run_.now() < since + kLiveBehindMost) return;
    for (const auto& feed : it.core()->status().edges)
        if (feed.edge == edge.qualified() && feed.state == emit::FeedState::live)
            run_.violate(fmt::format("P7: {} shows {} as live without record {}, which is old",
                                     it.name(), edge.name(), promised[path.next].second));
}

void Checker::check() {
    for (auto& it : its_) {
        check_journal(it);
        check_first_arrivals(it);
        check_exactly_once(it);
        check_shown(it);
        check_retained(it);
        check_lasting(it);
        for (auto& edge : edges_) {
            check_promised(edge, it);
            check_ledger(edge, it);
            check_acknowledged(edge, it);
            check_newest(edge, it);
            check_conflated(edge, it);
            check_counts(edge, it);
            check_qualities(edge, it);
        }
    }
    for (auto& edge : edges_) check_lasting(edge);
}

/// A record that did not come is excused only by a gap that was named, for a reason that struck.
bool Checker::is_excused(const EdgeSite& edge, const ItSite& it, const Identity& identity) const {
    if (watch_.conflated(edge, it).contains(identity) &&
        has_newer(edge, it, identity, [](const Identity&) { return true; }))
        return true;
    return is_excused_by_gap(edge, it, identity);
}

bool Checker::is_excused_by_gap(const EdgeSite& edge, const ItSite& it,
                                const Identity& identity) const {
    if (edge.lost_at_the_end(identity) || edge.left_out_unknown_topics()) return true;
    if (is_superseded(edge, it, identity)) return true;
    for (const auto& gap : watch_.gaps(edge, it)) {
        if (identity.second < gap.from || identity.second > gap.to) continue;
        const bool full = edge.log().was_full();
        switch (gap.why) {
            case tunnel::GapReason::damaged:
                if (edge.was_damaged()) return true;
                break;
            case tunnel::GapReason::dropped:
                if (full || edge.was_damaged()) return true;
                break;
            case tunnel::GapReason::before_log:
            case tunnel::GapReason::unknown_position:
                if (full || edge.was_damaged() || it.changed_store()) return true;
                break;
            case tunnel::GapReason::refused: break;
        }
    }
    return false;
}

bool Checker::is_superseded(const EdgeSite& edge, const ItSite& it,
                            const Identity& identity) const {
    const bool struck = edge.log().was_full() || edge.was_damaged() || it.changed_store();
    if (!struck || !watch_.was_passed_over(edge, it, identity)) return false;
    if (edge.was_damaged()) return true;  // then not all that was to be kept could be read
    return has_newer(edge, it, identity, [](const Identity&) { return true; });
}

bool Checker::has_newer(const EdgeSite& edge, const ItSite& it, const Identity& identity,
                        const Counts& counts) const {
    const auto* record = edge.log().find(identity);
    if (record == nullptr) return false;
    const std::pair here(edge.order_of(identity.first), identity.second);
    return std::ranges::all_of(record->tags, [&](record::TagId tag) {
        if (watch_.was_refused(edge, it, identity, tag)) return true;
        return std::ranges::any_of(edge.log().records(), [&](const auto& each) {
            const auto& [other, newer] = each;
            return std::pair(edge.order_of(other.first), other.second) > here &&
                   newer.has_value >= record->has_value && newer.retain >= record->retain &&
                   std::ranges::find(newer.tags, tag) != newer.tags.end() && counts(other);
        });
    });
}

/// P6: what stands for a record that was left out has come, or a gap names it.
void Checker::check_conflated(const EdgeSite& edge, const ItSite& it) {
    const auto stands = [&](const Identity& newer) {
        return it.has_had(edge.qualified(), newer) || is_excused_by_gap(edge, it, newer);
    };
    for (const auto& identity : watch_.conflated(edge, it)) {
        if (it.has_had(edge.qualified(), identity) || has_newer(edge, it, identity, stands))
            continue;
        run_.violate(fmt::format("P6: record {} of {} was left out, and nothing newer is at {}",
                                 identity.second, edge.name(), it.name()));
        return;
    }
}

/// P2: accepted = delivered + named.
void Checker::check_promised(const EdgeSite& edge, const ItSite& it) {
    for (const auto& identity : edge.log().promised()) {
        if (it.has_had(edge.qualified(), identity) || is_excused(edge, it, identity)) continue;
        run_.violate(fmt::format("P2: record {} of {} is not at {}, and no gap names it",
                                 identity.second, edge.name(), it.name()));
        return;
    }
}

/// P2, on the far side: what its position has passed it has had, or has in its ledger.
void Checker::check_ledger(const EdgeSite& edge, const ItSite& it) {
    // Where records are left out of entries, only the edge's ledger has them.
    if (edge.left_out_unknown_topics() || edge.was_damaged() || it.changed_store()) return;
    for (const auto& identity : edge.log().promised()) {
        if (it.has_had(edge.qualified(), identity) || edge.lost_at_the_end(identity) ||
            watch_.was_passed_over(edge, it, identity) ||
            watch_.conflated(edge, it).contains(identity) ||
            it.store().is_settled(edge.qualified(), identity.second))
            continue;
        run_.violate(fmt::format("P2: record {} of {} was passed at {}, and is not in its ledger",
                                 identity.second, edge.name(), it.name()));
        return;
    }
}

/// P2: the edge's own count is what the stores had, exactly.
void Checker::check_counts(const EdgeSite& edge, const ItSite& it) {
    if (edge.core() == nullptr || edge.was_damaged() || it.changed_store()) return;
    for (const auto& count : edge.core()->status(edge.host().now()).counts) {
        if (count.destination != it.name()) continue;
        const auto had = static_cast<std::uint64_t>(
            std::ranges::count_if(edge.log().records(), [&](const auto& each) {
                return each.first.second >= count.counted_from &&
                       it.has_had(edge.qualified(), each.first);
            }));
        if (count.in_flight == 0 && count.delivered == had &&
            count.accepted == count.delivered + count.left_out.all())
            continue;
        run_.violate(
            fmt::format("P2: {} counts {} of {} as delivered, {} as left out and {} in flight to "
                        "{}, which has {}",
                        edge.name(), count.delivered, count.accepted, count.left_out.all(),
                        count.in_flight, it.name(), had));
    }
}

/// P2, by the devices' own numbers.
void Checker::check_acknowledged(const EdgeSite& edge, const ItSite& it) {
    std::set<std::string> here;
    for (const auto& [identity, record] : edge.log().records())
        if (it.has_had(edge.qualified(), identity) || is_excused(edge, it, identity))
            here.insert(record.value);
    for (const auto& device : edge.devices())
        for (const auto number : device.acknowledged()) {
            if (here.contains(device.made()[number - 1].payload)) continue;
            run_.violate(fmt::format("P2: {} number {} was acknowledged and is lost to {}",
                                     device.options().client_id, number, it.name()));
            return;
        }
}

/// P6: the newest value of every tag.
void Checker::check_newest(const EdgeSite& edge, const ItSite& it) {
    std::map<std::string, Identity> newest;
    for (const auto& identity : edge.log().promised()) {
        const auto* record = edge.log().find(identity);
        if (record->has_value) newest[topic_of(edge, record->value)] = identity;
    }
    for (const auto& [topic, identity] : newest) {
        if (it.has_had(edge.qualified(), identity) || is_excused(edge, it, identity)) continue;
        run_.violate(fmt::format("P6: the newest value of {} is not at {}", topic, it.name()));
    }
}

/// P4, P5: the order of identities, each once, and the bytes that were sent.
void Checker::check_journal(const ItSite& it) {
    std::map<std::string, std::pair<std::size_t, record::Seq>> last;
    // Where the log lost definitions of tags, their numbers may come again in a later epoch.
    std::map<std::tuple<std::string, record::TagId, record::Epoch>, std::string> topics;
    for (const auto& delivered : it.store().journal()) {
        const auto* edge = edge_named(delivered.edge);
        if (edge == nullptr) {
            run_.violate("identity: a record of an edge that is not there");
            continue;
        }
        check_delivered(it, *edge, delivered);
        if (delivered.quality == record::Quality::bad_not_connected)
            run_.counters.add(Event::shown_not_connected);
        auto& before = last[delivered.edge];
        const std::pair here(edge->order_of(delivered.epoch), delivered.seq);
        const bool rises = here.second > before.second || (edge->was_damaged() && here > before);
        if (here.first < before.first || !rises)
            run_.violate(fmt::format("P4, P5: {} had record {} of {} after {}", it.name(),
                                     delivered.seq, edge->name(), before.second));
        before = here;
        if (!delivered.has_value) continue;
        const auto topic = topic_of(*edge, delivered.value);
        auto& known = topics
                          .try_emplace({delivered.edge, delivered.tags.back(),
                                        edge->was_damaged() ? delivered.epoch : 0},
                                       topic)
                          .first->second;
        if (known != topic)
            run_.violate(fmt::format("tag: number {} of {} is {} and {}", delivered.tags.back(),
                                     edge->name(), known, topic));
    }
}

void Checker::check_delivered(const ItSite& it, const EdgeSite& edge, const Delivered& delivered) {
    const auto* durable = edge.log().find({delivered.epoch, delivered.seq});
    if (durable == nullptr)
        return run_.violate(fmt::format("P1: {} has record {} of {}, which its disk did not have",
                                        it.name(), delivered.seq, edge.name()));
    if (durable->value != delivered.value)
        run_.violate(fmt::format("bytes: record {} of {} is another at {}", delivered.seq,
                                 edge.name(), it.name()));
    if (!delivered.has_value) return;
    const auto* device = edge.device_of(delivered.value);
    const auto number = number_of(delivered.value);
    if (device == nullptr || number == 0 || number > device->made().size() ||
        device->made()[number - 1].payload != delivered.value)
        run_.violate(fmt::format("bytes: {} has a value that no device sent", it.name()));
}

/// P4, by the devices' own numbers: first arrivals rise.
void Checker::check_first_arrivals(const ItSite& it) {
    // A value whose first record was lost by name, or with the store, may come late, when its
    // device sends it again.
    std::set<std::tuple<std::string, record::Epoch, record::Seq>> here;
    for (const auto& delivered : it.store().journal())
        here.emplace(delivered.edge, delivered.epoch, delivered.seq);
    std::map<std::string, bool> first_came;
    for (const auto& edge : edges_)
        for (const auto& [identity, record] : edge.log().in_order())
            first_came.try_emplace(
                record->value, here.contains({edge.qualified(), identity.first, identity.second}));
    std::map<std::string, std::pair<std::uint64_t, std::set<std::uint64_t>>> seen;
    for (const auto& delivered : it.store().journal()) {
        const auto* edge = edge_named(delivered.edge);
        if (edge == nullptr || !delivered.has_value || edge->was_damaged()) continue;
        auto& [newest, numbers] = seen[delivered.value.substr(0, delivered.value.find(':'))];
        const auto number = number_of(delivered.value);
        if (!numbers.insert(number).second) continue;
        if (number < newest && !edge->torn().contains(delivered.value) &&
            first_came[delivered.value])
            run_.violate(fmt::format("P4: {} arrived at {} first after number {}",
                                     delivered.value.substr(0, 12), it.name(), newest));
        newest = std::max(newest, number);
    }
}

/// QoS 2: once, while the edge lives.
void Checker::check_exactly_once(const ItSite& it) {
    std::set<std::string> seen;
    for (const auto& delivered : it.store().journal()) {
        const auto* edge = edge_named(delivered.edge);
        if (edge == nullptr || !delivered.has_value || !edge->keeps_receipts()) continue;
        const auto* device = edge->device_of(delivered.value);
        if (device == nullptr || device->options().qos != mqtt::Qos::exactly_once) continue;
        // A death may come before the session itself is on disk; the device is told so.
        if (device->sent_anew(number_of(delivered.value))) continue;
        if (!seen.insert(delivered.value).second)
            run_.violate(fmt::format("QoS 2: {} came twice", delivered.value.substr(0, 12)));
    }
}

void Checker::check_shown(const ItSite& it) {
    // QoS 0 may overtake what waits for its window (MQTT 5, 4.6): the order holds for each of both.
    std::map<std::pair<std::string, bool>, std::pair<std::size_t, record::Seq>> last;
    for (const auto& shown : it.application().shown()) {
        const auto* edge = edge_named(shown.edge);
        if (edge == nullptr) {
            run_.violate("P5: something was shown that no edge is named for");
            continue;
        }
        auto& before = last[{shown.edge, shown.qos == mqtt::Qos::at_most_once}];
        const std::pair here(edge->order_of(shown.epoch), shown.seq);
        if (here <= before)
            run_.violate(
                fmt::format("P4, P5: the application of {} was shown record {} of {} after {}",
                            it.name(), shown.seq, edge->name(), before.second));
        before = here;
        // A start that could not read a segment may give the numbers of its tags to others.
        if (!edge->was_damaged() &&
            shown.topic != edge->name() + "/" + topic_of(*edge, shown.value))
            run_.violate(
                fmt::format("tag: {} was shown on {}", shown.value.substr(0, 12), shown.topic));
        check_honesty(*edge, it, shown);
    }
}

/// What is shown as good and not historical is at most 10 s older than at the edge.
void Checker::check_honesty(const EdgeSite& edge, const ItSite& it, const Shown& shown) {
    if (shown.historical) run_.counters.add(Event::shown_historical);
    const auto* durable = edge.log().find({shown.epoch, shown.seq});
    if (durable == nullptr)
        return run_.violate(fmt::format("P1: record {} was shown, which the disk of {} never had",
                                        shown.seq, edge.name()));
    if (durable->value != shown.value)
        run_.violate(fmt::format("bytes: record {} was shown with other bytes", shown.seq));
    if (edge.clock_jumped() || it.clock_jumped()) return;
    if (shown.historical || shown.quality != "Good" || shown.at <= durable->since + kFreshMost)
        return;
    const std::chrono::duration<double> age = shown.at - durable->since;
    run_.violate(
        fmt::format("P7: {} shows record {} of {} as good and fresh, which is {:.1f} s old",
                    it.name(), shown.seq, edge.name(), age.count()));
}

/// P7: everything has drained, so each tag shows its own quality: that of its newest record.
void Checker::check_qualities(const EdgeSite& edge, const ItSite& it) {
    if (edge.was_damaged()) return;  // numbers of tags may have come again
    std::map<record::TagId, std::string> topics;
    std::map<record::TagId, record::Quality> own;
    for (const auto& delivered : it.store().journal()) {
        if (delivered.edge != edge.qualified()) continue;
        if (delivered.has_value) topics[delivered.tags.back()] = topic_of(edge, delivered.value);
        for (const auto tag : delivered.tags) own[tag] = delivered.quality;
    }
    for (const auto& [tag, topic] : topics) {
        const auto shown = shown_quality(edge, it, topic);
        const auto expected = fmt::format("\"quality\":\"{}\"", to_string(own[tag]));
        if (own[tag] == record::Quality::good) run_.counters.add(Event::shown_good);
        if (own[tag] == record::Quality::uncertain_last_usable)
            run_.counters.add(Event::shown_last_usable);
        if (shown.find(expected) != std::string::npos) continue;
        run_.violate(fmt::format("P7: {} of {} is {}, and {} shows {}", topic, edge.name(),
                                 to_string(own[tag]), it.name(), shown));
        break;
    }
    for (const auto& device : edge.devices()) check_device_qualities(edge, it, device);
}

/// P7, by what the device did: published on its present connection to the present process: good;
/// not since the edge started: not good.
void Checker::check_device_qualities(const EdgeSite& edge, const ItSite& it, const Device& device) {
    if (!device.online_since() || device.options().qos == mqtt::Qos::at_most_once ||
        edge.was_damaged() || edge.lost_qualities() || edge.log().was_full() || it.changed_store())
        return;
    std::map<std::string, base::Instant> last;
    for (const auto& made : device.made()) last[made.topic] = made.at;
    for (const auto& [topic, at] : last) {
        const auto shown = shown_quality(edge, it, topic);
        const bool good = shown.find("\"Good\"") != std::string::npos;
        if (good && at + std::chrono::seconds(1) < edge.started() &&
            *device.online_since() > edge.started() && device.sent_again() == 0)
            run_.violate(fmt::format("P7: {} was not published since {} started, and shows {}",
                                     topic, edge.name(), shown));
        // A connection of before the start is half open: what came on it, the last process had.
        if (!good && at > *device.online_since() && *device.online_since() > edge.started())
            run_.violate(fmt::format("P7: {} is published, and shows {}", topic, shown));
    }
}

/// What is retained for who comes late is what the newest retained publish said.
void Checker::check_retained(const ItSite& it) {
    std::map<std::string, std::string> newest;
    for (const auto& delivered : it.store().journal()) {
        const auto* edge = edge_named(delivered.edge);
        if (edge == nullptr || !delivered.has_value) continue;
        const auto* durable = edge->log().find({delivered.epoch, delivered.seq});
        if (durable != nullptr && durable->retain)
            newest[edge->name() + "/" + topic_of(*edge, delivered.value)] = delivered.value;
    }
    for (const auto& [topic, value] : newest) {
        const auto& stored = it.store().retained();
        const auto kept = stored.find(topic);
        if (kept == stored.end() || kept->second != value)
            run_.violate(
                fmt::format("retained: {} at {} is not the newest in the store", topic, it.name()));
        const auto& shown = it.late_application().retained();
        const auto late = shown.find(topic);
        if (late == shown.end() || late->second != value)
            run_.violate(fmt::format("retained: {} at {} is not the newest for a late application",
                                     topic, it.name()));
    }
}

const EdgeSite* Checker::edge_named(const std::string& qualified) const {
    const auto found = std::ranges::find_if(
        edges_, [&](const EdgeSite& edge) { return edge.qualified() == qualified; });
    return found == edges_.end() ? nullptr : &*found;
}

std::string Checker::topic_of(const EdgeSite& edge, const std::string& value) {
    const auto* device = edge.device_of(value);
    const auto number = number_of(value);
    if (device == nullptr || number == 0 || number > device->made().size()) return "?";
    return device->made()[number - 1].topic;
}

std::string Checker::shown_quality(const EdgeSite& edge, const ItSite& it,
                                   const std::string& topic) {
    return it.application().state_of("sallyport/quality/" + edge.qualified() + "/" + topic);
}

}  // namespace sallyport::simulation
