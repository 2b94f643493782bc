// What a lasting session was promised: each message that was handed over to it, or acknowledged to
// the device that published it, reaches it at least once at QoS 1 and exactly once at QoS 2, in
// order, over every death of its server.
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <tuple>

#include <fmt/format.h>

#include "tests/simulation/checker.hpp"

namespace sallyport::simulation {
namespace {

using ByQos = std::pair<std::string, mqtt::Qos>;  // order is promised for each QoS (MQTT 5, 4.6)

std::uint64_t number_of(const std::string& value) {
    const auto colon = value.find(':');
    return colon == std::string::npos ? 0 : std::strtoull(value.c_str() + colon + 1, nullptr, 10);
}

std::string device_in(const std::string& value) {
    return value.substr(0, value.find(':'));
}

std::set<std::string> values_of(const LastingSubscriber& subscriber) {
    std::set<std::string> values;
    for (const auto& taken : subscriber.taken()) values.insert(taken.value);
    return values;
}

/// Made before the subscription was there: it may come late, when its device sends it again.
bool was_made_before(const EdgeSite& edge, const LocalClient& client, const std::string& value) {
    for (std::size_t i = 0; i < client.made_before.size(); ++i)
        if (edge.devices()[i].options().client_id == device_in(value))
            return number_of(value) <= client.made_before[i];
    return true;
}

std::string missed_by(const EdgeSite& edge, const LocalClient& client) {
    const auto& subscriber = client.subscriber;
    if (!subscriber.is_subscribed()) return subscriber.client_id() + " is not subscribed";
    const auto values = values_of(subscriber);
    for (std::size_t i = 0; i < edge.devices().size(); ++i) {
        const auto& device = edge.devices()[i];
        for (const auto number : device.acknowledged())
            if (number > client.made_before[i] &&
                !values.contains(device.made()[number - 1].payload))
                return fmt::format("{} misses number {} of {}, which was acknowledged",
                                   subscriber.client_id(), number, device.options().client_id);
    }
    return {};
}

std::string missed_by(const ItSite& it, const LastingApplication& lasting) {
    const auto& subscriber = lasting.subscriber;
    if (!subscriber.is_subscribed()) return subscriber.client_id() + " is not subscribed";
    std::set<std::tuple<std::string, record::Epoch, record::Seq>> taken;
    for (const auto& one : subscriber.taken()) taken.emplace(one.edge, one.epoch, one.seq);
    const auto& journal = it.store().journal();
    for (std::size_t i = lasting.journal_before; i < journal.size(); ++i) {
        const auto& record = journal[i];
        if (!record.has_value || record.qos == mqtt::Qos::at_most_once) continue;
        if (!taken.contains({record.edge, record.epoch, record.seq}))
            return fmt::format("{} misses record {} of {}, which was handed over",
                               subscriber.client_id(), record.seq, record.edge);
    }
    return {};
}

}  // namespace

std::string Checker::missed_by_lasting() const {
    for (const auto& edge : edges_)
        for (const auto& client : edge.local_clients())
            if (auto missed = missed_by(edge, client); !missed.empty()) return missed;
    for (const auto& it : its_)
        for (const auto& lasting : it.lasting_applications())
            if (auto missed = missed_by(it, lasting); !missed.empty()) return missed;
    return {};
}

/// By the devices' own numbers. What a device sends again at QoS 1 is another message.
void Checker::check_lasting(const EdgeSite& edge) {
    for (const auto& client : edge.local_clients()) {
        const auto& subscriber = client.subscriber;
        count_lasting(subscriber);
        std::map<ByQos, std::uint64_t> newest;
        std::set<std::string> seen;
        for (const auto& taken : subscriber.taken()) {
            if (!seen.insert(taken.value).second) {
                run_.counters.add(Event::lasting_repeated);
                if (taken.qos == mqtt::Qos::exactly_once)
                    run_.violate(fmt::format("QoS 2: {} came twice to {}",
                                             taken.value.substr(0, 12), subscriber.client_id()));
                continue;
            }
            const auto number = number_of(taken.value);
            if (was_made_before(edge, client, taken.value)) continue;
            auto& before = newest[{device_in(taken.value), taken.qos}];
            if (number < before)
                run_.violate(fmt::format("P4: {} came to {} after number {}",
                                         taken.value.substr(0, 12), subscriber.client_id(),
                                         before));
            before = std::max(before, number);
        }
    }
}

void Checker::check_lasting(const ItSite& it) {
    for (const auto& lasting : it.lasting_applications()) {
        const auto& subscriber = lasting.subscriber;
        count_lasting(subscriber);
        std::map<ByQos, std::pair<std::size_t, record::Seq>> newest;
        std::set<std::tuple<std::string, record::Epoch, record::Seq>> seen;
        for (const auto& taken : subscriber.taken()) {
            if (!seen.emplace(taken.edge, taken.epoch, taken.seq).second) {
                run_.counters.add(Event::lasting_repeated);
                if (taken.qos == mqtt::Qos::exactly_once)
                    run_.violate(fmt::format("QoS 2: record {} of {} came twice to {}", taken.seq,
                                             taken.edge, subscriber.client_id()));
                continue;
            }
            const auto* edge = edge_named(taken.edge);
            if (edge == nullptr || taken.is_retained) continue;
            auto& before = newest[{taken.edge, taken.qos}];
            const std::pair here(edge->order_of(taken.epoch), taken.seq);
            if (here < before)
                run_.violate(fmt::format("P4: record {} of {} came to {} after {}", taken.seq,
                                         taken.edge, subscriber.client_id(), before.second));
            before = std::max(before, here);
        }
    }
}

void Checker::count_lasting(const LastingSubscriber& subscriber) {
    run_.counters.add(Event::lasting_resumed, subscriber.resumed());
    run_.counters.add(Event::lasting_known_again, subscriber.known_again());
    run_.counters.add(Event::lasting_released_again, subscriber.released_again());
    if (subscriber.lost_its_session())
        run_.violate("session: that of " + subscriber.client_id() + " was lost");
}

}  // namespace sallyport::simulation
