// Scripted agents against a relay core, without a network: each has the agent's end of a link and
// notes what it is told. Time is a number that the test moves; the relay is woken only at the
// deadlines it names.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "dmz-relay/core/relay_core.hpp"

namespace sallyport::relay_core {

struct ForwardedFrame {
    tunnel::SessionId session{};
    tunnel::FrameKind kind{};
    base::Bytes message;
};

struct ScriptedAgent {
    base::ConnectionId id{};
    base::Identity identity;
    tunnel::Link link;
    bool reads = true;          // false: it hangs; what the relay has for it stays there
    bool linked = true;         // false: its connection is over
    std::optional<bool> cut{};  // the relay closed it; the value is `flush`
    bool welcomed = false;
    std::vector<tunnel::Opened> opened{};
    std::vector<tunnel::Closed> closed{};
    std::vector<ForwardedFrame> frames{};
    std::optional<tunnel::Bye> bye{};
    std::optional<tunnel::LinkFailure> failure{};

    /// The session it was told of last; 0: none.
    tunnel::SessionId session() const {
        return opened.empty() ? tunnel::SessionId{0} : opened.back().session;
    }
};

class RelayTest : public testing::Test {
protected:
    using Agent = ScriptedAgent;

    /// A relay of plant acme with these routes.
    void start(std::vector<policy::Route> routes) {
        options_.plant = "acme";
        options_.routes = std::move(routes);
        agents_.clear();
        relay_ = std::make_unique<RelayCore>(options_);
    }
    void start() { start({{"line*", "hq", {"plant/#"}}}); }
    RelayCore& relay() { return *relay_; }

    static base::Identity edge(const std::string& name) { return {"acme", base::Role::edge, name}; }
    static base::Identity it(const std::string& name) { return {"acme", base::Role::it, name}; }

    /// A connection that has not said Hello.
    Agent& connect(const base::Identity& identity) {
        const base::ConnectionId id{next_id_ += 2};
        const tunnel::Link link(tunnel::LinkSide::agent, options_.timers, now_);
        auto& agent = *agents_.emplace_back(std::make_unique<Agent>(Agent{id, identity, link}));
        relay().opened(id, {0, "10.0.0.1:5", identity}, now_);
        drain();
        return agent;
    }
    void greet(Agent& agent, std::uint64_t process) {
        send(agent, encode(tunnel::Hello{tunnel::kProtocolVersion, process,
                                         base::qualified_name(agent.identity)}));
    }
    /// Connects and says Hello, as a process of its own where none is given.
    Agent& join(const base::Identity& identity, std::uint64_t process = 0) {
        auto& agent = connect(identity);
        greet(agent, process != 0 ? process : ++next_process_);
        return agent;
    }

    void send(Agent& agent, const base::Bytes& frame) {
        relay().received(agent.id, frame, now_);
        drain();
    }
    void send_batch(Agent& agent, tunnel::SessionId session, std::size_t bytes) {
        const base::Bytes body(bytes);
        send(agent, encode_frame(session, tunnel::FrameKind::batch, body));
    }
    void hang_up(Agent& agent, base::CloseCause cause) {
        agent.linked = false;
        relay().closed(agent.id, cause, now_);
        drain();
    }
    void read(Agent& agent) {
        agent.reads = true;
        drain();
    }

    void pass(base::Duration time) {
        constexpr base::Duration kStep = std::chrono::milliseconds(50);
        for (; time > base::Duration{}; time -= kStep) {
            now_.instant = now_.instant + std::min(kStep, time);
            now_.wall = now_.wall + std::min(kStep, time);
            for (auto& agent : agents_)
                if (agent->linked && agent->reads) agent->link.expire(now_);
            drain();
            const auto deadline = relay().next_deadline();
            if (deadline && *deadline <= now_.instant) relay().expire(now_);
            drain();
        }
    }

    /// Carries what each end has for the other; answers Close with closed(local) as a driver does.
    void drain() {
        for (bool idle = false; !idle;) {
            idle = true;
            std::vector<base::Close> closes;
            while (const auto command = relay().next_command())
                if (const auto* close = std::get_if<base::Close>(&*command))
                    closes.push_back(*close);
            for (const auto& agent : agents_) idle = !exchange(*agent) && idle;
            for (const auto& close : closes) {
                end(close);
                idle = false;
            }
        }
    }

    RelayOptions options_;
    base::Now now_{base::Instant{std::chrono::hours(1)}, base::WallTime{1'000'000'000}};

private:
    /// True: something moved.
    bool exchange(Agent& agent) {
        if (!agent.linked || !agent.reads) return false;
        bool moved = false;
        base::Bytes bytes;
        while (relay().take_output(agent.id, bytes)) {
            moved = true;
            note(agent, agent.link.receive(bytes, now_));
        }
        while (agent.link.take_output(bytes)) {
            moved = true;
            relay().received(agent.id, bytes, now_);
        }
        return moved;
    }
    void end(const base::Close& close) {
        for (const auto& agent : agents_) {
            if (agent->id != close.id) continue;
            if (close.flush) exchange(*agent);
            agent->cut = close.flush;
            agent->linked = false;
        }
        relay().closed(close.id, base::CloseCause::local, now_);
    }
    static void note(Agent& agent, const tunnel::LinkEvent& event) {
        if (std::holds_alternative<tunnel::Welcome>(event)) agent.welcomed = true;
        if (const auto* opened = std::get_if<tunnel::Opened>(&event))
            agent.opened.push_back(*opened);
        if (const auto* closed = std::get_if<tunnel::Closed>(&event))
            agent.closed.push_back(*closed);
        if (const auto* bye = std::get_if<tunnel::Bye>(&event)) agent.bye = *bye;
        if (const auto* failed = std::get_if<tunnel::LinkFailed>(&event))
            agent.failure = failed->reason;
        if (const auto* frame = std::get_if<tunnel::SessionFrame>(&event))
            agent.frames.push_back(
                {frame->session, frame->kind, {frame->message.begin(), frame->message.end()}});
    }

    std::unique_ptr<RelayCore> relay_;
    std::vector<std::unique_ptr<Agent>> agents_;
    std::uint64_t next_id_ = 0;
    std::uint64_t next_process_ = 100;
};

}  // namespace sallyport::relay_core
