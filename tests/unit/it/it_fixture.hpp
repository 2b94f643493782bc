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
#include "tests/unit/it/scripted_edges.hpp"
#include "tests/unit/it/shown.hpp"

namespace sallyport::it_core {

using emit::Shown;
using Lines = std::vector<std::string>;
using Seqs = std::vector<record::Seq>;

/// What a store keeps over restarts.
struct StoreInMemory {
    std::map<std::pair<std::string, record::Epoch>, tunnel::Position> positions;
    std::map<std::pair<std::string, std::string>, record::Quality> tags;
    std::map<std::string, sinks::StoredRetained> retained;
    int failures_left = 0;

    sinks::StoreState load() const {
        sinks::StoreState state{99, {}, {}, {}};
        for (const auto& [key, position] : positions)
            state.positions.push_back({key.first, position});
        for (const auto& [key, quality] : tags)
            state.tags.push_back({key.first, key.second, quality});
        for (const auto& [topic, message] : retained) state.retained.push_back(message);
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
        return std::nullopt;
    }
};

class ItTest : public testing::Test {
protected:
    using Client = mqtt::MqttClient;

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
    ItCore& core() { return *core_; }
    ScriptedEdges& edges() { return *edges_; }

    Client& connect(const std::string& client_id, const base::Bytes& properties = {}) {
        auto& client = *clients_.emplace_back(std::make_unique<Client>());
        client.id = base::ConnectionId{next_id_ += 2};
        mqtt::Connect hello;
        hello.client_id = client_id;
        hello.properties = properties;
        core().opened(client.id, {}, now_);
        send(client, hello);
        EXPECT_TRUE(client.take<mqtt::Connack>());
        return client;
    }
    Client& subscribe(const std::string& filter) {
        auto& client = connect("application-" + std::to_string(next_id_));
        send(client, emit::subscribe_to(filter));
        EXPECT_TRUE(client.take<mqtt::Suback>());
        return client;
    }
    template <class P>
    void send(Client& client, const P& packet) {
        core().received(client.id, client.bytes_of(packet), now_);
        drain();
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
        pass(std::chrono::seconds(1));
        ASSERT_TRUE(dialled_);
        link_ = std::exchange(dialled_, std::nullopt);
        edges_ = std::make_unique<ScriptedEdges>(now_);
        core().opened(*link_, {0, "10.20.0.5:8443", base::Identity{"acme", base::Role::relay, "r"}},
                      now_);
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
    void lose_link(base::CloseCause cause = base::CloseCause::reset) {
        const auto id = *std::exchange(link_, std::nullopt);
        core().closed(id, cause, now_);
        drain();
    }

    void hold_store() { store_is_held_ = true; }
    void release_store() {
        store_is_held_ = false;
        drain();
    }

    void pass(base::Duration time) {
        constexpr base::Duration kStep = std::chrono::milliseconds(10);
        for (; time > base::Duration{}; time -= kStep) {
            now_.instant = now_.instant + std::min(kStep, time);
            now_.wall = now_.wall + std::min(kStep, time);
            const auto deadline = core().next_deadline();
            if (deadline && *deadline <= now_.instant) core().expire(now_);
            drain();
        }
    }
    void drain() {
        for (bool moved = true; moved;) {
            moved = false;
            while (const auto command = core().next_command()) moved = obey(*command) || moved;
            for (const auto& client : clients_) take(*client);
            moved = carry_frames() || moved;
            moved = run_store() || moved;
        }
        while (const auto notice = core().next_notice())
            if (notice->level == base::NoticeLevel::alarm) alarms_.push_back(notice->text);
    }

    ItOptions options_;
    StoreInMemory store_;
    base::Now now_{base::Instant{std::chrono::hours(1)}, base::WallTime{1'700'000'000'000'000'000}};
    std::optional<base::ConnectionId> dialled_, link_;
    Lines alarms_;

private:
    bool obey(const base::Command& command) {
        if (const auto* connect = std::get_if<base::Connect>(&command)) dialled_ = connect->id;
        const auto* close = std::get_if<base::Close>(&command);
        if (close == nullptr) return false;
        carry_frames();
        for (const auto& client : clients_) {
            if (client->id != close->id) continue;
            take(*client);
            client->linked = false;
        }
        if (link_ == close->id) link_.reset();
        core().closed(close->id, base::CloseCause::local, now_);
        return true;
    }
    void take(Client& client) {
        base::Bytes bytes;
        while (client.linked && client.reads && core().take_output(client.id, bytes))
            base::append(client.inbox, bytes);
    }
    bool carry_frames() {
        bool moved = false;
        base::Bytes bytes;
        while (link_ && core().take_output(*link_, bytes)) {
            moved = true;
            edges().receive(bytes, now_);
        }
        while (link_ && edges().take_output(bytes)) {
            moved = true;
            core().received(*link_, bytes, now_);
        }
        return moved;
    }
    bool run_store() {
        if (!job_) job_ = core().next_job(now_);
        if (!job_ || store_is_held_) return false;
        const auto job = *std::exchange(job_, std::nullopt);
        core().complete({job.id, store_.commit(job)}, now_);
        return true;
    }

    std::unique_ptr<ItCore> core_;
    std::vector<std::unique_ptr<Client>> clients_;
    Client* application_ = nullptr;
    std::unique_ptr<ScriptedEdges> edges_;
    std::optional<sinks::StoreJob> job_;
    bool store_is_held_ = false;
    std::uint64_t next_id_ = 0, next_session_ = 500;
};

}  // namespace sallyport::it_core
