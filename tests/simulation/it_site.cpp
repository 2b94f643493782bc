#include "tests/simulation/it_site.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace sallyport::simulation {
namespace {

Event event_of(emit::FeedState state) {
    switch (state) {
        case emit::FeedState::never_seen:
        case emit::FeedState::lost: return Event::feed_lost;
        case emit::FeedState::catching_up: return Event::feed_catching_up;
        case emit::FeedState::behind: return Event::feed_behind;
        case emit::FeedState::stalled: return Event::feed_stalled;
        case emit::FeedState::live: return Event::feed_live;
    }
    return Event::feed_lost;
}

}  // namespace

ItSite::ItSite(Run& run, std::string name, std::vector<std::string> edges, Host& relay,
               std::uint64_t store_id)
    : run_(run),
      name_(std::move(name)),
      edges_(std::move(edges)),
      host_(run.network, name_, base::Identity{"plant", base::Role::it, name_}),
      application_host_(run.network, name_ + "-application", std::nullopt),
      late_host_(run.network, name_ + "-late", std::nullopt),
      twin_host_(run.network, name_ + "-twin", host_.identity()),
      store_(store_id),
      keeps_broker_state_(run.random.one_in(3)) {
    host_.set_target(&relay, true);
    twin_host_.set_target(&relay, true);
    application_host_.set_target(&host_, false);
    late_host_.set_target(&host_, false);
    if (!keeps_broker_state_) return;
    for (const auto qos : {mqtt::Qos::at_least_once, mqtt::Qos::exactly_once}) {
        auto& lasting =
            lasting_.emplace_back(run_, fmt::format("{}l{}", name_, static_cast<int>(qos)), qos);
        lasting.host.set_target(&host_, false);
    }
}

void ItSite::start() {
    it_core::ItOptions options;
    options.plant = "plant";
    options.name = name_;
    for (const auto& edge : edges_) options.edges.push_back({edge, "{edge}/"});
    options.keeps_broker_state = keeps_broker_state_;
    options.seed = run_.random.next();
    core_ = std::make_unique<it_core::ItCore>(options, store_.load(), host_.now());
    store_busy_ = false;
    told_repeated_ = 0;
    states_.clear();
    host_.start(*core_, [this] { after_input(); });
}

void ItSite::after_input() {
    run_store();
    while (const auto notice = core_->next_notice()) {
        run_.say(name_ + ": " + notice->text);
        if (notice->text.find("ended: silent") != std::string::npos)
            run_.counters.add(Event::link_silent);
    }
}

void ItSite::run_store() {
    if (store_busy_) return;
    auto job = core_->next_job(host_.now());
    if (!job) return;
    store_busy_ = true;
    const auto life = host_.life();
    const auto took =
        run_.random.duration(std::chrono::microseconds(100), std::chrono::milliseconds(20));
    run_.scheduler.after(took, [this, life, job = std::move(*job)] {
        if (life != host_.life()) return;
        const auto error = store_.commit(job);
        note_committed();
        const auto told = run_.random.duration(base::Duration{1000}, std::chrono::milliseconds(5));
        run_.scheduler.after(told, [this, life, done = sinks::StoreDone{job.id, error}] {
            if (life != host_.life()) {
                if (!done.error) run_.counters.add(Event::commit_unheard);
                return;
            }
            store_busy_ = false;
            core_->complete(done, host_.now());
            host_.poke();
        });
    });
}

void ItSite::note_committed() {
    const auto& journal = store_.journal();
    for (; journal_seen_ < journal.size(); ++journal_seen_) {
        const auto& record = journal[journal_seen_];
        had_[record.edge].insert({record.epoch, record.seq});
        auto& newest = newest_had_[record.edge];
        newest = std::max(newest, record.seq);
    }
}

bool ItSite::has_had(const std::string& edge, const Identity& identity) const {
    const auto found = had_.find(edge);
    return found != had_.end() && found->second.contains(identity);
}

record::Seq ItSite::newest_had(const std::string& edge) const {
    const auto found = newest_had_.find(edge);
    return found == newest_had_.end() ? 0 : found->second;
}

void ItSite::die(bool silent, base::Duration down) {
    if (!host_.is_up()) return;
    host_.crash(silent);
    run_.scheduler.after(down, [this] { start(); });
}

void ItSite::die_and_lose_store(base::Duration down) {
    if (!host_.is_up()) return;
    die(false, down);
    store_.lose(run_.random.next() | 1U);
    changed_store_ = true;
    journal_seen_ = 0;
    begin_anew();
}

void ItSite::die_and_restore_store(base::Duration down) {
    if (!host_.is_up()) return;
    die(false, down);
    store_.restore();
    changed_store_ = true;
    journal_seen_ = store_.journal().size();
    begin_anew();
}

/// What the other store has of the clients' sessions is not what they were told.
void ItSite::begin_anew() {
    application_.forget();
    for (auto& lasting : lasting_) {
        lasting.subscriber.begin_anew();
        lasting.taken_seen = 0;
    }
}

void ItSite::start_application() {
    application_host_.start(application_, [] {});
    for (auto& lasting : lasting_)
        lasting.host.start(lasting.subscriber, [this, &lasting] { note_taken(lasting); });
}

/// P3: nothing is shown to a lasting session that a crash could show it once more.
void ItSite::note_taken(LastingApplication& lasting) {
    if (lasting.subscriber.take_subscribed()) lasting.journal_before = store_.journal().size();
    const auto& taken = lasting.subscriber.taken();
    if (taken.empty()) lasting.taken_seen = 0;
    for (; lasting.taken_seen < taken.size(); ++lasting.taken_seen) {
        const auto& one = taken[lasting.taken_seen];
        if (!has_had(one.edge, {one.epoch, one.seq}))
            run_.violate(fmt::format("P3: {} was given record {} of {}, which the store has not",
                                     lasting.subscriber.client_id(), one.seq, one.edge));
    }
}

void ItSite::start_late_application() {
    late_host_.start(late_, [] {});
}

/// It serves no edge, so that a session with it is refused and nothing can be lost to it.
void ItSite::start_twin(base::Duration life) {
    if (twin_host_.is_up()) return;
    it_core::ItOptions options;
    options.plant = "plant";
    options.name = name_;
    options.seed = run_.random.next();
    twin_ = std::make_unique<it_core::ItCore>(options, sinks::StoreState{}, host_.now());
    twin_host_.start(*twin_, [] {});
    run_.scheduler.after(life, [this] { twin_host_.crash(); });
}

void ItSite::jump_clock(base::Duration by) {
    clock_jumped_ = true;
    host_.jump_wall_clock(by);
}

void ItSite::sample() {
    if (!store_.broker_faults().empty())
        run_.violate("broker state of " + name_ + ": " + store_.broker_faults());
    if (!application_.is_online() || !host_.is_up()) application_since_ = run_.now();
    if (!host_.is_up()) return;
    const auto status = core_->status();
    for (const auto& feed : status.edges) {
        const auto known = states_.find(feed.edge);
        if (known != states_.end() && known->second == feed.state) continue;
        states_[feed.edge] = feed.state;
        run_.counters.add(event_of(feed.state));
    }
    run_.counters.add(
        Event::entry_repeated,
        status.repeated_entries - std::exchange(told_repeated_, status.repeated_entries));
}

}  // namespace sallyport::simulation
