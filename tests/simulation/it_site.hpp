// One it-agent of a run: its process, store and application; and, when a fault asks for it, a
// second process of the same identity.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "it-agent/core/it_core.hpp"
#include "tests/simulation/durable_log.hpp"
#include "tests/simulation/lasting_subscriber.hpp"
#include "tests/simulation/model_store.hpp"
#include "tests/simulation/run.hpp"
#include "tests/simulation/subscriber.hpp"

namespace sallyport::simulation {

/// An application with a lasting session.
struct LastingApplication {
    LastingApplication(Run& run, const std::string& name, mqtt::Qos qos)
        : host(run.network, name, std::nullopt),
          subscriber(name, "+/plant/#", qos, Random(run.random.next())) {}

    Host host;
    LastingSubscriber subscriber;
    /// Of the store's journal when the subscription was acknowledged; what came later is its.
    std::size_t journal_before = 0;
    std::size_t taken_seen = 0;
};

class ItSite {
public:
    ItSite(Run& run, std::string name, std::vector<std::string> edges, Host& relay,
           std::uint64_t store_id);

    void start();
    void die(bool silent, base::Duration down);
    /// The store is another when the process comes back.
    void die_and_lose_store(base::Duration down);
    void die_and_restore_store(base::Duration down);
    void start_application();
    /// An application that comes late and is shown what is retained.
    void start_late_application();
    void start_twin(base::Duration life);
    void sample();

    const std::string& name() const { return name_; }
    std::string qualified() const { return "plant/" + name_; }
    Host& host() { return host_; }
    const Host& host() const { return host_; }
    ModelStore& store() { return store_; }
    const ModelStore& store() const { return store_; }
    const it_core::ItCore* core() const { return host_.is_up() ? core_.get() : nullptr; }
    const Subscriber& application() const { return application_; }
    const Subscriber& late_application() const { return late_; }
    /// None where the broker's state is not kept.
    std::deque<LastingApplication>& lasting_applications() { return lasting_; }
    const std::deque<LastingApplication>& lasting_applications() const { return lasting_; }
    base::Instant application_since() const { return application_since_; }

    /// Some store of this it-agent has had the record.
    bool has_had(const std::string& edge, const Identity& identity) const;
    /// The highest seq that some store of this it-agent has had of an edge.
    record::Seq newest_had(const std::string& edge) const;
    bool changed_store() const { return changed_store_; }
    bool clock_jumped() const { return clock_jumped_; }
    void jump_clock(base::Duration by);

private:
    void after_input();
    void run_store();
    void note_committed();
    void note_taken(LastingApplication& lasting);
    void begin_anew();

    Run& run_;
    std::string name_;
    std::vector<std::string> edges_;
    Host host_, application_host_, late_host_, twin_host_;
    ModelStore store_;
    Subscriber application_, late_;
    bool keeps_broker_state_;
    std::deque<LastingApplication> lasting_;
    base::Instant application_since_{};
    std::unique_ptr<it_core::ItCore> core_, twin_;
    bool store_busy_ = false;
    std::size_t journal_seen_ = 0;
    std::map<std::string, std::set<Identity>> had_;
    std::map<std::string, record::Seq> newest_had_;
    bool changed_store_ = false, clock_jumped_ = false;
    std::uint64_t told_repeated_ = 0;
    std::map<std::string, emit::FeedState> states_;
};

}  // namespace sallyport::simulation
