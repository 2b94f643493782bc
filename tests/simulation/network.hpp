// A virtual network: hosts that run a base::NetworkCore, and connections between them with delay,
// bandwidth, socket buffers, chunking, resets, cuts at any byte, half-open ends and black holes. A
// tunnel connection carries whole messages, any other a byte stream cut anywhere.
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

class Network;

/// One process: a core while it is up, nothing while it is down. `step` runs after every input.
class Host {
public:
    Host(Network& network, std::string name, std::optional<base::Identity> identity)
        : network_(network), name_(std::move(name)), identity_(std::move(identity)) {}
    Host(const Host&) = delete;
    Host& operator=(const Host&) = delete;

    void start(base::NetworkCore& core, std::function<void()> after_input);
    /// The process dies: connections break, what was under way is gone. `silent`: the machine is
    /// gone too, and nobody is told; who writes to it when it is back is answered with a reset.
    void crash(bool silent = false);
    bool is_up() const { return core_ != nullptr; }
    /// It was up at that time, in its present or last life.
    bool was_up(base::Instant at) const { return at >= started_ && (is_up() || at < crashed_); }
    base::Instant started() const { return started_; }
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
    /// The host's own clock: its wall clock may have jumped.
    base::Now now() const;
    void jump_wall_clock(base::Duration by) { wall_offset_ += by; }

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
    base::Instant started_{}, crashed_{};
    std::optional<base::Instant> armed_;
    base::Duration wall_offset_{};
    Host* target_ = nullptr;
    bool messages_ = false;
};

/// Sees every message of the tunnel, as it leaves and as it arrives.
class Watch {
public:
    Watch() = default;
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
    virtual ~Watch() = default;
    virtual void sent(const Host& from, base::ByteView message) = 0;
    virtual void delivered(const Host& to, base::ByteView message) = 0;
};

class Network {
public:
    struct Delays {
        base::Duration shortest = std::chrono::microseconds(100);
        base::Duration longest = std::chrono::milliseconds(5);
        std::uint64_t tunnel_bytes_per_s = 0;  // 0: as fast as the delay allows
    };
    enum class Direction { both, toward, from };

    Network(Scheduler& scheduler, Random random) : scheduler_(scheduler), random_(random) {}
    void set_watch(Watch& watch) { watch_ = &watch; }

    /// Breaks every connection that touches the host; both ends see a reset.
    void reset_all(const Host& host);
    /// From now on nothing passes on an agent's present links, or on a device's connection, or
    /// nothing toward or from it, and nobody is told.
    void black_hole(const Host& host, Direction direction);
    /// The agent sees its links reset; the other ends are told nothing.
    void half_open(const Host& host);
    /// Each of the host's connections breaks when `bytes` more have passed in one direction.
    void cut(const Host& host, std::uint64_t bytes);
    void set_delays(Delays delays) { delays_ = delays; }
    Scheduler& scheduler() { return scheduler_; }

private:
    friend class Host;

    /// What a sender may have under way before its socket takes no more.
    static constexpr std::size_t kSocketBytes = 64U << 10U;

    struct End {
        Host* host = nullptr;
        base::ConnectionId id{};
        std::uint64_t life = 0;
        bool open = false;  // the core was told opened() and not yet closed()
        bool reading = true;
        bool deaf = false;  // nothing arrives here any more, and nobody is told
        base::Instant last_arrival{};
        std::size_t under_way = 0;        // bytes sent from here that have not been taken
        bool blocked = false;             // the core has output that the socket did not take
        std::vector<base::Bytes> held{};  // arrived while not reading
    };
    struct Connection {
        End dialler, listener;
        bool messages = false;
        bool ended = false;
        std::optional<std::uint64_t> cut_after{};
    };
    using ConnectionPtr = std::shared_ptr<Connection>;

    void connect(Host& from, base::ConnectionId id);
    void establish(const ConnectionPtr& connection, Host& to);
    void send(const ConnectionPtr& connection, End& from, base::Bytes bytes);
    void cut_short(const ConnectionPtr& connection, base::Bytes rest, End& to);
    void deliver(const ConnectionPtr& connection, End& to, base::Bytes bytes);
    void make_room(const ConnectionPtr& connection, End& from, std::size_t bytes);
    void close(const ConnectionPtr& connection, End& by);
    void reset(const ConnectionPtr& connection);
    void end(const ConnectionPtr& connection, End& side, base::CloseCause cause,
             base::Duration delay);
    void carry_out(Host& host, const base::Command& command);
    void flush(Host& host, base::ConnectionId id, bool all);
    void set_reading(const ConnectionPtr& connection, End& end, bool on);
    ConnectionPtr find(const Host& host, base::ConnectionId id, bool& is_dialler);
    std::vector<ConnectionPtr> connections_of(const Host& host) const;
    bool never_left(const End& from) const;
    base::Instant arrival(const Connection& connection, End& to, std::size_t bytes);

    Scheduler& scheduler_;
    Random random_;
    Delays delays_;
    Watch* watch_ = nullptr;
    std::uint64_t next_accepted_ = 2;
    std::map<std::pair<const Host*, base::ConnectionId>, ConnectionPtr> connections_;
};

}  // namespace sallyport::simulation
