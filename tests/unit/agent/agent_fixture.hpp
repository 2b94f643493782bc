// The core of an agent with scripted MQTT clients in front and one scripted link behind it. What
// its storage does is the fixture's of that agent.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/agent_core.hpp"
#include "tests/unit/agent/mqtt_client.hpp"

namespace sallyport::base {

using Lines = std::vector<std::string>;

/// `LinkEnd`: what is at the other end of the link: receive(frame, now), take_output(frame).
template <class Core, class LinkEnd>
class AgentTest : public testing::Test {
protected:
    using Client = mqtt::MqttClient;

    Core& core() { return *core_; }

    /// The client's connection stands and its CONNECT is sent; the answer is still to be taken.
    Client& open_client(const mqtt::Connect& hello) {
        auto& client = *clients_.emplace_back(std::make_unique<Client>());
        client.id = ConnectionId{next_id_ += 2};
        client.version = hello.version;
        core().opened(client.id, {}, now_);
        send(client, hello);
        return client;
    }
    template <class P>
    void send(Client& client, const P& packet) {
        send_bytes(client, client.bytes_of(packet));
    }
    void send_bytes(Client& client, const Bytes& bytes) {
        core().received(client.id, bytes, now_);
        drain();
    }
    void hang_up(Client& client) {
        client.linked = false;
        core().closed(client.id, CloseCause::reset, now_);
        drain();
    }

    /// Answers the dial that must be under way.
    void open_link(const Identity& relay) {
        pass(std::chrono::seconds(1));
        ASSERT_TRUE(dialled_);
        link_ = std::exchange(dialled_, std::nullopt);
        link_end_ = std::make_unique<LinkEnd>(now_);
        core().opened(*link_, {0, "10.20.0.5:8443", relay}, now_);
    }
    void lose_link(CloseCause cause = CloseCause::reset) {
        const auto id = *std::exchange(link_, std::nullopt);
        core().closed(id, cause, now_);
        drain();
    }

    void pass(Duration time) {
        for (; time > Duration{}; time -= step_) {
            now_.instant = now_.instant + std::min(step_, time);
            now_.wall = now_.wall + std::min(step_, time);
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
            moved = run_storage() || moved;
        }
        while (const auto notice = core().next_notice())
            if (notice->level == NoticeLevel::alarm) alarms_.push_back(notice->text);
    }
    /// Does one waiting job of the core's storage; false where there is none or the test holds it.
    virtual bool run_storage() = 0;

    Duration step_ = std::chrono::milliseconds(10);
    Now now_{Instant{std::chrono::hours(1)}, WallTime{1'700'000'000'000'000'000}};
    std::unique_ptr<Core> core_;
    std::vector<std::unique_ptr<Client>> clients_;
    std::optional<ConnectionId> dialled_, link_;
    std::unique_ptr<LinkEnd> link_end_;
    Lines alarms_;
    std::uint64_t next_id_ = 0;

private:
    bool obey(const Command& command) {
        if (const auto* connect = std::get_if<Connect>(&command)) dialled_ = connect->id;
        if (const auto* reading = std::get_if<SetReading>(&command))
            for (const auto& client : clients_)
                if (client->id == reading->id) client->is_read = reading->on;
        const auto* close = std::get_if<Close>(&command);
        if (close == nullptr) return false;
        carry_frames();
        for (const auto& client : clients_) {
            if (client->id != close->id) continue;
            if (close->flush) take(*client);
            client->linked = false;
        }
        if (link_ == close->id) link_.reset();
        core().closed(close->id, CloseCause::local, now_);
        return true;
    }
    bool take(Client& client) {
        bool moved = false;
        Bytes bytes;
        while (client.linked && client.reads && core().take_output(client.id, bytes)) {
            moved = true;
            append(client.inbox, bytes);
        }
        return moved;
    }
    bool carry_frames() {
        bool moved = false;
        Bytes bytes;
        while (link_ && core().take_output(*link_, bytes)) {
            moved = true;
            link_end_->receive(bytes, now_);
        }
        while (link_ && link_end_->take_output(bytes)) {
            moved = true;
            core().received(*link_, bytes, now_);
        }
        return moved;
    }
};

}  // namespace sallyport::base
