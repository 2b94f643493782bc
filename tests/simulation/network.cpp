#include "tests/simulation/network.hpp"

#include <algorithm>
#include <utility>

namespace sallyport::simulation {
namespace {

/// So often does a long message say that its bytes are coming.
constexpr base::Duration kProgressInterval = std::chrono::milliseconds(500);

}  // namespace

void Host::start(base::NetworkCore& core, std::function<void()> after_input) {
    core_ = &core;
    after_input_ = std::move(after_input);
    ++life_;
    started_ = network_.scheduler_.now().instant;
    armed_.reset();
    pump();
}

void Host::crash(bool silent) {
    if (!silent) network_.reset_all(*this);
    ++life_;
    if (is_up()) crashed_ = network_.scheduler_.now().instant;
    core_ = nullptr;
}

void Host::poke() {
    pump();
}

base::Now Host::now() const {
    auto now = network_.scheduler_.now();
    now.wall = now.wall + wall_offset_;
    return now;
}

void Host::input(const std::function<void(base::NetworkCore&)>& give) {
    if (core_ == nullptr) return;
    give(*core_);
    pump();
}

void Host::pump() {
    if (core_ == nullptr) return;
    const auto life = life_;
    after_input_();
    while (life == life_ && core_ != nullptr) {
        const auto command = core_->next_command();
        if (!command) break;
        network_.carry_out(*this, *command);
    }
    if (life == life_ && core_ != nullptr) arm_timer();
}

void Host::arm_timer() {
    const auto deadline = core_->next_deadline();
    if (!deadline || (armed_ && *armed_ <= *deadline)) return;
    auto& scheduler = network_.scheduler_;
    armed_ = *deadline;
    // Never at the same instant again: a core that asks for the past must not stop the clock.
    const auto delay = std::max(*deadline - scheduler.now().instant, base::Duration{1000});
    scheduler.after(delay, [this, life = life_, at = *deadline] {
        if (life != life_ || armed_ != at) return;
        armed_.reset();
        input([&](base::NetworkCore& core) { core.expire(now()); });
    });
}

void Network::carry_out(Host& host, const base::Command& command) {
    if (const auto* connect_to = std::get_if<base::Connect>(&command)) {
        connect(host, connect_to->id);
    } else if (const auto* ready = std::get_if<base::OutputReady>(&command)) {
        flush(host, ready->id, false);
    } else if (const auto* close_it = std::get_if<base::Close>(&command)) {
        if (close_it->flush) flush(host, close_it->id, true);
        bool is_dialler = false;
        if (const auto connection = find(host, close_it->id, is_dialler))
            close(connection, is_dialler ? connection->dialler : connection->listener);
    } else if (const auto* reading = std::get_if<base::SetReading>(&command)) {
        bool is_dialler = false;
        if (const auto connection = find(host, reading->id, is_dialler))
            set_reading(connection, is_dialler ? connection->dialler : connection->listener,
                        reading->on);
    }
}

Network::ConnectionPtr Network::find(const Host& host, base::ConnectionId id, bool& is_dialler) {
    const auto found = connections_.find({&host, id});
    if (found == connections_.end()) return nullptr;
    is_dialler = found->second->dialler.host == &host && found->second->dialler.id == id;
    return found->second;
}

void Network::connect(Host& from, base::ConnectionId id) {
    auto connection = std::make_shared<Connection>();
    connection->messages = from.messages_;
    connection->dialler = {&from, id, from.life_};
    Host& to = *from.target_;
    const auto delay = random_.duration(delays_.shortest, delays_.longest) * 3;
    scheduler_.after(delay, [this, connection, &to] { establish(connection, to); });
}

void Network::establish(const ConnectionPtr& connection, Host& to) {
    auto& dialler = connection->dialler;
    auto& listener = connection->listener;
    Host& from = *dialler.host;
    if (from.life_ != dialler.life) return;
    if (!to.is_up()) {
        from.input([&](base::NetworkCore& core) {
            core.closed(dialler.id, base::CloseCause::refused, from.now());
        });
        return;
    }
    listener = {&to, base::ConnectionId{next_accepted_}, to.life_};
    next_accepted_ += 2;
    connections_[{&to, listener.id}] = connection;
    connections_[{&from, dialler.id}] = connection;
    listener.open = dialler.open = true;
    to.input([&](base::NetworkCore& core) {
        core.opened(listener.id, {0, from.name_, from.identity_}, to.now());
    });
    from.input([&](base::NetworkCore& core) {
        core.opened(dialler.id, {0, to.name_, to.identity_}, from.now());
    });
}

/// Takes output as far as the socket has room; `all`: without regard to that.
void Network::flush(Host& host, base::ConnectionId id, bool all) {
    bool is_dialler = false;
    const auto connection = find(host, id, is_dialler);
    End* from = nullptr;
    if (connection) from = is_dialler ? &connection->dialler : &connection->listener;
    base::Bytes out;
    while (host.core_ != nullptr) {
        if (from != nullptr) from->blocked = !all && from->under_way >= kSocketBytes;
        if (from != nullptr && from->blocked) return;
        if (!host.core_->take_output(id, out)) return;
        if (from != nullptr && !connection->ended) send(connection, *from, std::move(out));
        out = {};
    }
}

/// The machine at the other end is gone, and with it what had not left it.
bool Network::never_left(const End& from) const {
    return from.host->life_ != from.life &&
           scheduler_.now().instant > from.host->crashed_ + delays_.longest;
}

/// A connection keeps its order: nothing arrives before what was sent earlier.
base::Instant Network::arrival(const Connection& connection, End& to, std::size_t bytes) {
    const End& from = &to == &connection.dialler ? connection.listener : connection.dialler;
    const auto soonest =
        scheduler_.now().instant + random_.duration(delays_.shortest, delays_.longest);
    base::Duration transfer{};
    if (connection.messages && delays_.tunnel_bytes_per_s != 0)
        transfer = base::Duration{
            static_cast<std::int64_t>(bytes * 1'000'000'000 / delays_.tunnel_bytes_per_s)};
    to.last_arrival = std::max(to.last_arrival, soonest) + transfer;
    for (auto at = kProgressInterval; at < transfer; at += kProgressInterval) {
        auto& host = *to.host;
        scheduler_.after(
            to.last_arrival - at - scheduler_.now().instant,
            [this, &host, &from, &to, id = to.id, life = to.life] {
                if (host.life_ != life || to.deaf || !to.open || never_left(from)) return;
                host.input([&](base::NetworkCore& core) { core.progressed(id, host.now()); });
            });
    }
    return to.last_arrival;
}

void Network::send(const ConnectionPtr& connection, End& from, base::Bytes bytes) {
    End& to = &from == &connection->dialler ? connection->listener : connection->dialler;
    if (connection->messages && watch_ != nullptr) watch_->sent(*from.host, bytes);
    while (!bytes.empty()) {
        auto size = bytes.size();
        if (!connection->messages && random_.one_in(2)) size = random_.between(1, size);
        if (connection->cut_after && *connection->cut_after < size) {
            bytes.resize(*connection->cut_after);
            return cut_short(connection, std::move(bytes), to);
        }
        if (connection->cut_after) *connection->cut_after -= size;
        base::Bytes chunk(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
        bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
        from.under_way += size;
        const auto delay = arrival(*connection, to, size) - scheduler_.now().instant;
        scheduler_.after(delay, [this, connection, &to, chunk = std::move(chunk)]() mutable {
            deliver(connection, to, std::move(chunk));
        });
    }
}

/// What still passes of a stream arrives; of a message a part arrives, which is none.
void Network::cut_short(const ConnectionPtr& connection, base::Bytes rest, End& to) {
    const auto delay = arrival(*connection, to, rest.size()) - scheduler_.now().instant;
    scheduler_.after(delay, [this, connection, &to, rest = std::move(rest)]() mutable {
        if (!connection->messages && !rest.empty()) deliver(connection, to, std::move(rest));
        reset(connection);
    });
    connection->ended = true;
}

void Network::deliver(const ConnectionPtr& connection, End& to, base::Bytes bytes) {
    End& from = &to == &connection->dialler ? connection->listener : connection->dialler;
    if (to.deaf || !to.open || never_left(from)) return;
    if (to.host->life_ != to.life) {  // nobody there knows of the connection
        if (to.host->is_up()) end(connection, from, base::CloseCause::reset, delays_.shortest);
        return;
    }
    if (!to.reading) {
        to.held.push_back(std::move(bytes));
        return;
    }
    if (connection->messages && watch_ != nullptr) watch_->delivered(*to.host, bytes);
    to.host->input([&](base::NetworkCore& core) { core.received(to.id, bytes, to.host->now()); });
    make_room(connection, from, bytes.size());
}

void Network::make_room(const ConnectionPtr& connection, End& from, std::size_t bytes) {
    from.under_way -= std::min(from.under_way, bytes);
    if (!from.blocked || connection->ended || from.host->life_ != from.life) return;
    flush(*from.host, from.id, false);
    from.host->poke();
}

void Network::set_reading(const ConnectionPtr& connection, End& end, bool on) {
    end.reading = on;
    if (!on) return;
    for (auto& bytes : std::exchange(end.held, {}))
        scheduler_.after(base::Duration{1}, [this, connection, &end, bytes = std::move(bytes)] {
            deliver(connection, end, bytes);
        });
}

void Network::close(const ConnectionPtr& connection, End& by) {
    End& other = &by == &connection->dialler ? connection->listener : connection->dialler;
    connection->ended = true;
    end(connection, by, base::CloseCause::local, base::Duration{1});
    if (other.deaf) return;
    end(connection, other, base::CloseCause::closed,
        arrival(*connection, other, 0) - scheduler_.now().instant);
}

void Network::end(const ConnectionPtr& connection, End& side, base::CloseCause cause,
                  base::Duration delay) {
    scheduler_.after(delay, [this, connection, &side, cause] {
        if (!side.open) return;
        side.open = false;
        const auto found = connections_.find({side.host, side.id});
        if (found != connections_.end() && found->second == connection) connections_.erase(found);
        if (side.host->life_ != side.life) return;
        side.host->input(
            [&](base::NetworkCore& core) { core.closed(side.id, cause, side.host->now()); });
    });
}

std::vector<Network::ConnectionPtr> Network::connections_of(const Host& host) const {
    std::vector<ConnectionPtr> touched;
    for (const auto& [key, connection] : connections_)
        if (key.first == &host) touched.push_back(connection);
    return touched;
}

/// Ends that have gone deaf do not hear of it.
void Network::reset(const ConnectionPtr& connection) {
    connection->ended = true;
    for (End* side : {&connection->dialler, &connection->listener})
        if (!side->deaf) end(connection, *side, base::CloseCause::reset, delays_.shortest);
}

void Network::reset_all(const Host& host) {
    for (const auto& connection : connections_of(host)) reset(connection);
}

void Network::black_hole(const Host& host, Direction direction) {
    for (const auto& connection : connections_of(host)) {
        if (connection->messages != host.identity_.has_value()) continue;
        for (End* side : {&connection->dialler, &connection->listener}) {
            const bool is_here = side->host == &host;
            side->deaf = side->deaf || direction == Direction::both ||
                         is_here == (direction == Direction::toward);
        }
    }
}

void Network::half_open(const Host& host) {
    for (const auto& connection : connections_of(host)) {
        if (connection->messages != host.identity_.has_value()) continue;
        for (End* side : {&connection->dialler, &connection->listener}) {
            if (side->host == &host)
                end(connection, *side, base::CloseCause::reset, delays_.shortest);
            else
                side->deaf = true;
        }
    }
}

void Network::cut(const Host& host, std::uint64_t bytes) {
    for (const auto& connection : connections_of(host))
        if (connection->messages) connection->cut_after = bytes;
}

}  // namespace sallyport::simulation
