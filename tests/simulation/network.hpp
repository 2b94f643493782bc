// A virtual network: hosts that run a base::NetworkCore, and connections with delay, chunking,
// resets and black holes between them. A tunnel connection carries whole messages, any other a byte
// stream cut anywhere.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/network_core.hpp"
#include "tests/simulation/scheduler.hpp"

namespace sallyport::simulation {

struct NetworkCounters {
    std::uint64_t connections = 0, resets = 0, black_holes = 0, refused = 0, messages = 0,
                  chunks = 0;
};

class Network;

/// One process: a core while it is up, nothing while it is down. `step` runs after every input.
class Host {
public:
    Host(Network& network, std::string name, std::optional<base::Identity> identity)
        : network_(network), name_(std::move(name)), identity_(std::move(identity)) {}
    Host(const Host&) = delete;
    Host& operator=(const Host&) = delete;

    void start(base::NetworkCore& core, std::function<void()> after_input);
    /// The process dies: connections break, what was under way is gone.
    void crash();
    bool is_up() const { return core_ != nullptr; }
    /// Rises at every start and crash: an event of an earlier life must not touch this one.
    std::uint64_t life() const { return life_; }
    const std::string& name() const { return name_; }
    const std::optional<base::Identity>& identity() const { return identity_; }
    /// Where Connect goes.
    void set_target(Host* target, bool messages) {
        target_ = target;
        messages_ = messages;
    }
    /// Something outside the network changed the core.
    void poke();

private:
    friend class Network;

    void pump();
    void arm_timer();
    void input(const std::function<void(base::NetworkCore&)>& give);

    Network& network_;
    std::string name_;
    std::optional<base::Identity> identity_;
    base::NetworkCore* core_ = nullptr;
    std::function<void()> after_input_;
    std::uint64_t life_ = 0;
    std::optional<base::Instant> armed_;
    Host* target_ = nullptr;
    bool messages_ = false;
};

class Network {
public:
    struct Delays {
        base::Duration shortest = std::chrono::microseconds(100);
        base::Duration longest = std::chrono::milliseconds(5);
    };

    Network(Scheduler& scheduler, Random random) : scheduler_(scheduler), random_(random) {}

    /// Breaks every connection that touches the host; both ends see a reset.
    void reset_all(const Host& host);
    /// From now on nothing passes on the host's present connections, and nobody is told.
    void black_hole(const Host& host);
    void set_delays(Delays delays) { delays_ = delays; }
    Scheduler& scheduler() { return scheduler_; }
    const NetworkCounters& counters() const { return counters_; }

private:
    friend class Host;

    struct End {
        Host* host = nullptr;
        base::ConnectionId id{};
        std::uint64_t life = 0;
        bool open = false;  // the core was told opened() and not yet closed()
        bool reading = true;
        base::Instant last_arrival{};
        std::vector<base::Bytes> held{};  // arrived while not reading
    };
    struct Connection {
        End dialler, listener;
        bool messages = false;
        bool dead = false;  // a black hole
        bool ended = false;
    };
    using ConnectionPtr = std::shared_ptr<Connection>;

    void connect(Host& from, base::ConnectionId id);
    void send(const ConnectionPtr& connection, End& from, base::Bytes bytes);
    void deliver(const ConnectionPtr& connection, End& to, base::Bytes bytes);
    void close(const ConnectionPtr& connection, End& by);
    void end(const ConnectionPtr& connection, End& side, base::CloseCause cause,
             base::Duration delay);
    void carry_out(Host& host, const base::Command& command);
    void flush(Host& host, base::ConnectionId id);
    void set_reading(const ConnectionPtr& connection, End& end, bool on);
    ConnectionPtr find(const Host& host, base::ConnectionId id, bool& is_dialler);
    base::Instant arrival(End& to);

    Scheduler& scheduler_;
    Random random_;
    Delays delays_;
    std::uint64_t next_accepted_ = 2;
    std::map<std::pair<const Host*, base::ConnectionId>, ConnectionPtr> connections_;
    NetworkCounters counters_;
};

}  // namespace sallyport::simulation
