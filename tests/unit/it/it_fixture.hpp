// An it core with applications in front, a store in memory beneath and scripted edges behind a
// scripted relay. The store commits at once unless the test holds it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "it-agent/core/it_core.hpp"
#include "tests/unit/agent/agent_fixture.hpp"
#include "tests/unit/it/scripted_edges.hpp"
#include "tests/unit/it/shown.hpp"
#include "tests/unit/mqtt/model_store.hpp"

namespace sallyport::it_core {

using base::Lines;
using emit::Shown;
using Seqs = std::vector<record::Seq>;

/// What a store keeps over restarts.
struct StoreInMemory {
    std::map<std::pair<std::string, record::Epoch>, tunnel::Position> positions;
    std::map<std::pair<std::string, std::string>, record::Quality> tags;
    std::map<std::string, sinks::StoredRetained> retained;
    std::map<std::uint64_t, record::LedgerRow> ledger;
    mqtt::ModelStore broker;
    int failures_left = 0;

    sinks::StoreState load() const {
        sinks::StoreState state;
        state.store_id = 99;
        for (const auto& [id, row] : ledger) state.ledger.push_back(row);
        for (const auto& [key, position] : positions)
            state.positions.push_back({key.first, position});
        for (const auto& [key, quality] : tags)
            state.tags.push_back({key.first, key.second, quality});
        for (const auto& [topic, message] : retained) state.retained.push_back(message);
        state.broker = broker.state();
        return state;
    }
    std::optional<std::string> commit(const sinks::StoreJob& job) {
        if (failures_left > 0) {
            --failures_left;
            return "disk full";
        }
        for (const auto& each : job.positions)
            positions[{each.edge, each.position.epoch}] = each.position;
        for (const auto& each : job.tags) tags[{each.edge, each.topic}] = each.quality;
        for (const auto& each : job.retained) {
            retained.erase(each.topic);
            if (!each.payload.empty()) retained.emplace(each.topic, each);
        }
        for (const auto id : job.ledger.erased) ledger.erase(id);
        for (const auto& row : job.ledger.put) ledger[row.id] = row;
        broker.apply(job.broker);
        return std::nullopt;
    }
};

class ItTest : public base::AgentTest<ItCore, ScriptedEdges> {
protected:
    ItTest() {
        options_.plant = "acme";
        options_.name = "hq";
        options_.edges = {{"line*", ""}};
    }
    /// A start, or a restart: connections are gone, the store stays.
    void start() {
        link_.reset();
        dialled_.reset();
        clients_.clear();
        job_.reset();
        core_ = std::make_unique<ItCore>(options_, store_.load(), now_);
        application_ = &subscribe("#");
        drain();
    }
    ScriptedEdges& edges() { return *link_end_; }

    Client& connect(const std::string& client_id, const base::Bytes& properties = {}) {
        mqtt::Connect hello;
        hello.client_id = client_id;
        hello.properties = properties;
        auto& client = open_client(hello);
        EXPECT_TRUE(client.take<mqtt::Connack>());
        return client;
    }
    Client& subscribe(const std::string& filter) {
        auto& client = connect("application-" + std::to_string(next_id_));
        send(client, emit::subscribe_to(filter));
        EXPECT_TRUE(client.take<mqtt::Suback>());
        return client;
    }
    /// What the application was shown since the last call, below a topic.
    std::vector<Shown> see(const std::string& below) {
        auto all = emit::take_shown(*application_);
        std::erase_if(all, [&](const Shown& each) { return !each.topic.starts_with(below); });
        return all;
    }
    Lines values() {
        Lines lines;
        for (const auto& each : see("plant/")) lines.push_back(each.payload);
        return lines;
    }
    std::optional<Shown> retained(const std::string& topic) {
        auto all = emit::take_shown(subscribe(topic));
        if (all.empty()) return std::nullopt;
        return all.front();
    }
    std::string quality_told(const std::string& topic) {
        const auto message = retained("sallyport/quality/acme/line3/" + topic);
        return message ? message->member("quality") : "none";
    }
    emit::FeedStatus feed() const { return core_->status().edges.at(0); }

    // The link and what lies behind it.
    void connect_relay() {
        open_link(base::Identity{"acme", base::Role::relay, "r"});
        drain();
    }
    EdgeSession& open(const EdgeLog& log, const std::string& edge = "acme/line3") {
        auto& session = edges().open(++next_session_, edge, log.log(), now_);
        drain();
        return session;
    }
    EdgeSession& connect_edge(const EdgeLog& log) {
        connect_relay();
        return open(log);
    }
    void deliver(EdgeSession& session, const EdgeLog& log, record::Seq seq) {
        log.send(session.sender, seq);
        drain();
    }
    void beat(EdgeSession& session, base::Duration behind = {}) {
        session.sender.send_beat({0, behind, 0}, now_);
        drain();
    }

    void hold_store() { store_is_held_ = true; }
    void release_store() {
        store_is_held_ = false;
        drain();
    }

    ItOptions options_;
    StoreInMemory store_;

private:
    bool run_storage() override {
        if (!job_) job_ = core().next_job(now_);
        if (!job_ || store_is_held_) return false;
        const auto job = *std::exchange(job_, std::nullopt);
        core().complete({job.id, store_.commit(job)}, now_);
        return true;
    }

    Client* application_ = nullptr;
    std::optional<sinks::StoreJob> job_;
    bool store_is_held_ = false;
    std::uint64_t next_session_ = 500;
};

}  // namespace sallyport::it_core
