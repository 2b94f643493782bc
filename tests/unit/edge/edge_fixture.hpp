// An edge core with scripted devices in front, a model disk beneath and a scripted far side behind
// it. The disk does its work at once unless the test holds it.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "edge-agent/core/edge_core.hpp"
#include "tests/simulation/model_disk.hpp"
#include "tests/unit/agent/agent_fixture.hpp"
#include "tests/unit/edge/far_side.hpp"

namespace sallyport::edge_core {

using base::Lines;

/// Who publishes what, as a store keeps it over restarts.
class PublishersInMemory final : public ingest::PublisherStore {
public:
    std::vector<ingest::TagPublisher> load() override {
        std::vector<ingest::TagPublisher> all;
        all.reserve(clients_.size());
        for (const auto& [topic, client] : clients_) all.push_back({topic, client});
        return all;
    }
    std::optional<std::string> commit(const ingest::PublisherJob& job) override {
        ++commits_;
        if (fails_) return "disk full";
        for (const auto& each : job.changed) clients_[each.topic] = each.client;
        return std::nullopt;
    }

    std::map<std::string, std::string> clients_;
    int commits_ = 0;
    bool fails_ = false;
};

class EdgeTest : public base::AgentTest<EdgeCore, FarSide> {
protected:
    EdgeTest() {
        step_ = std::chrono::milliseconds(50);
        now_.wall = base::WallTime{1'000'000'000'000};
        stored_.edge = "acme/line3";
        stored_.segment_bytes_max = 256U << 10U;
        options_.plant = "acme";
        options_.name = "line3";
        options_.destinations = {"hq"};
        options_.forwards = {{"plant/#"}};
    }
    void start() {
        stored_.destinations = options_.destinations;
        auto spool = spool::Spool::recover(stored_, disk_, ++epoch_, 1, now_);
        ASSERT_TRUE(spool);
        saving_.reset();
        jobs_.clear();  // what the process before had asked for went with it
        core_ = std::make_unique<EdgeCore>(options_, std::move(*spool), publishers_.load(), now_);
        drain();
    }
    FarSide& far() { return *link_end_; }
    EdgeStatus status() const { return core_->status(now_); }

    // Devices.
    Client& connect(const mqtt::Connect& hello) {
        auto& client = open_client(hello);
        const auto connack = client.take<mqtt::Connack>();
        EXPECT_TRUE(connack && connack->reason == mqtt::ReasonCode::success);
        return client;
    }
    static mqtt::Connect hello(std::string_view client_id,
                               mqtt::Version version = mqtt::Version::v5) {
        mqtt::Connect connect;
        connect.version = version;
        connect.client_id = client_id;
        return connect;
    }
    Client& join(std::string_view client_id, mqtt::Version version = mqtt::Version::v5) {
        return connect(hello(client_id, version));
    }
    void publish(Client& client, std::string_view topic, std::string_view payload,
                 std::uint16_t packet_id) {
        send(client, mqtt::message(topic, payload, mqtt::Qos::at_least_once, packet_id));
    }
    void subscribe(Client& client, std::string_view filter) {
        send(client, mqtt::Subscribe{7, {}, {{filter, mqtt::Qos::at_least_once, false, true, 0}}});
        EXPECT_TRUE(client.take<mqtt::Suback>());
    }

    // The far side.
    FarSession& connect_far(const Lines& topics = {"#"}, const tunnel::Position& has = {}) {
        open_link(kRelayIdentity);
        far().resume_at_ = has;
        drain();
        auto& session = far().open(++next_session_, "acme/hq", topics, now_);
        drain();
        return session;
    }

    // The disk.
    void hold_disk() { disk_is_held_ = true; }
    void release_disk() {
        disk_is_held_ = false;
        drain();
    }

    EdgeOptions options_;
    PublishersInMemory publishers_;
    spool::SpoolOptions stored_;
    simulation::ModelDisk disk_;

    bool run_storage() override {
        if (!saving_) saving_ = core().next_publisher_job(now_);
        if (saving_ && !disk_is_held_) {
            const auto job = *std::exchange(saving_, std::nullopt);
            core().complete(ingest::PublisherDone{job.id, publishers_.commit(job)}, now_);
            return true;
        }
        while (auto job = core().next_job(now_)) jobs_.push_back(std::move(*job));
        if (disk_is_held_ || jobs_.empty()) return false;
        auto job = std::move(jobs_.front());
        jobs_.pop_front();
        core().complete(run(disk_, std::move(job)), now_);
        return true;
    }

private:
    std::deque<spool::DiskJob> jobs_;
    std::optional<ingest::PublisherJob> saving_;
    bool disk_is_held_ = false;
    std::uint64_t next_session_ = 500;
    record::Epoch epoch_ = 100;
};

}  // namespace sallyport::edge_core
