// An edge core with scripted devices in front, a model disk beneath and a scripted far side behind
// it. The disk does its work at once unless the test holds it.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "edge-agent/core/edge_core.hpp"
#include "tests/simulation/model_disk.hpp"
#include "tests/unit/edge/far_side.hpp"
#include "tests/unit/edge/mqtt_client.hpp"

namespace sallyport::edge_core {

using Lines = std::vector<std::string>;

class EdgeTest : public testing::Test {
protected:
    using Client = mqtt::MqttClient;

    EdgeTest() {
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
        core_ = std::make_unique<EdgeCore>(options_, std::move(*spool), now_);
        drain();
    }
    EdgeCore& core() { return *core_; }
    FarSide& far() { return *far_; }
    EdgeStatus status() const { return core_->status(now_); }

    // Devices.
    Client& connect(const mqtt::Connect& hello) {
        auto& client = *clients_.emplace_back(std::make_unique<Client>());
        client.id = base::ConnectionId{next_id_ += 2};
        client.version = hello.version;
        core().opened(client.id, {}, now_);
        send(client, hello);
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
    template <class P>
    void send(Client& client, const P& packet) {
        send_bytes(client, client.bytes_of(packet));
    }
    void send_bytes(Client& client, const base::Bytes& bytes) {
        core().received(client.id, bytes, now_);
        drain();
    }
    void publish(Client& client, std::string_view topic, std::string_view payload,
                 std::uint16_t packet_id) {
        send(client, mqtt::message(topic, payload, mqtt::Qos::at_least_once, packet_id));
    }
    void subscribe(Client& client, std::string_view filter) {
        send(client, mqtt::Subscribe{7, {}, {{filter, mqtt::Qos::at_least_once, false, true, 0}}});
        EXPECT_TRUE(client.take<mqtt::Suback>());
    }
    void hang_up(Client& client) {
        client.linked = false;
        core().closed(client.id, base::CloseCause::reset, now_);
        drain();
    }

    // The far side.
    FarSession& connect_far(const Lines& topics = {"#"}, const tunnel::Position& has = {}) {
        pass(std::chrono::seconds(1));
        EXPECT_TRUE(dialled_);
        link_ = dialled_;
        dialled_.reset();
        far_ = std::make_unique<FarSide>(now_);
        far().resume_at_ = has;
        core().opened(*link_, {0, "10.20.0.5:8443", kRelayIdentity}, now_);
        drain();
        auto& session = far().open(++next_session_, "acme/hq", topics, now_);
        drain();
        return session;
    }
    void lose_link() {
        const auto id = *std::exchange(link_, std::nullopt);
        core().closed(id, base::CloseCause::reset, now_);
        drain();
    }

    // The disk.
    void hold_disk() { disk_is_held_ = true; }
    void release_disk() {
        disk_is_held_ = false;
        drain();
    }

    void pass(base::Duration time) {
        constexpr base::Duration kStep = std::chrono::milliseconds(50);
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
            for (const auto& client : clients_) moved = take(*client) || moved;
            moved = carry_frames() || moved;
            moved = run_disk() || moved;
        }
        while (const auto notice = core().next_notice())
            if (notice->level == base::NoticeLevel::alarm) alarms_.push_back(notice->text);
    }

    EdgeOptions options_;
    spool::SpoolOptions stored_;
    simulation::ModelDisk disk_;
    base::Now now_{base::Instant{std::chrono::hours(1)}, base::WallTime{1'000'000'000'000}};
    std::optional<base::ConnectionId> dialled_, link_;
    Lines alarms_;

private:
    bool obey(const base::Command& command) {
        if (const auto* connect = std::get_if<base::Connect>(&command)) dialled_ = connect->id;
        if (const auto* reading = std::get_if<base::SetReading>(&command))
            for (const auto& client : clients_)
                if (client->id == reading->id) client->is_read = reading->on;
        const auto* close = std::get_if<base::Close>(&command);
        if (close == nullptr) return false;
        carry_frames();
        for (const auto& client : clients_) {
            if (client->id != close->id) continue;
            if (close->flush) take(*client);
            client->linked = false;
        }
        if (link_ == close->id) link_.reset();
        core().closed(close->id, base::CloseCause::local, now_);
        return true;
    }
    bool take(Client& client) {
        bool moved = false;
        base::Bytes bytes;
        while (client.linked && client.reads && core().take_output(client.id, bytes)) {
            moved = true;
            base::append(client.inbox, bytes);
        }
        return moved;
    }
    bool carry_frames() {
        bool moved = false;
        base::Bytes bytes;
        while (link_ && core().take_output(*link_, bytes)) {
            moved = true;
            far().receive(bytes, now_);
        }
        while (link_ && far().take_output(bytes)) {
            moved = true;
            core().received(*link_, bytes, now_);
        }
        return moved;
    }
    bool run_disk() {
        while (auto job = core().next_job(now_)) jobs_.push_back(std::move(*job));
        if (disk_is_held_ || jobs_.empty()) return false;
        auto job = std::move(jobs_.front());
        jobs_.pop_front();
        core().complete(run(disk_, std::move(job)), now_);
        return true;
    }

    std::unique_ptr<EdgeCore> core_;
    std::vector<std::unique_ptr<Client>> clients_;
    std::unique_ptr<FarSide> far_;
    std::deque<spool::DiskJob> jobs_;
    bool disk_is_held_ = false;
    std::uint64_t next_id_ = 0, next_session_ = 500;
    record::Epoch epoch_ = 100;
};

}  // namespace sallyport::edge_core
