#include "tests/simulation/network.hpp"

#include <algorithm>
#include <utility>

namespace sallyport::simulation {

void Host::start(base::NetworkCore& core, std::function<void()> after_input) {
    core_ = &core;
    after_input_ = std::move(after_input);
    ++life_;
    armed_.reset();
    pump();
}

void Host::crash() {
    ++life_;
    core_ = nullptr;
    network_.reset_all(*this);
}

void Host::poke() {
    pump();
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
        input([&](base::NetworkCore& core) { core.expire(network_.scheduler_.now()); });
    });
}

void Network::carry_out(Host& host, const base::Command& command) {
    if (const auto* connect_to = std::get_if<base::Connect>(&command)) {
        connect(host, connect_to->id);
    } else if (const auto* ready = std::get_if<base::OutputReady>(&command)) {
        flush(host, ready->id);
    } else if (const auto* close_it = std::get_if<base::Close>(&command)) {
        if (close_it->flush) flush(host, close_it->id);
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
    scheduler_.after(delay, [this, connection, &to] {
        auto& dialler = connection->dialler;
        if (dialler.host->life_ != dialler.life) return;
        const auto now = scheduler_.now();
        if (!to.is_up()) {
            ++counters_.refused;
            dialler.host->input([&](base::NetworkCore& core) {
                core.closed(dialler.id, base::CloseCause::refused, now);
            });
            return;
        }
        ++counters_.connections;
        connection->listener = {&to, base::ConnectionId{next_accepted_}, to.life_};
        next_accepted_ += 2;
        connections_[{&to, connection->listener.id}] = connection;
        connections_[{dialler.host, dialler.id}] = connection;
        connection->listener.open = dialler.open = true;
        to.input([&](base::NetworkCore& core) {
            core.opened(connection->listener.id, {0, dialler.host->name_, dialler.host->identity_},
                        now);
        });
        dialler.host->input([&](base::NetworkCore& core) {
            core.opened(dialler.id, {0, to.name_, to.identity_}, now);
        });
    });
}

void Network::flush(Host& host, base::ConnectionId id) {
    bool is_dialler = false;
    const auto connection = find(host, id, is_dialler);
    base::Bytes out;
    while (host.core_ != nullptr && host.core_->take_output(id, out)) {
        if (connection && !connection->ended)
            send(connection, is_dialler ? connection->dialler : connection->listener,
                 std::move(out));
        out = {};
    }
}

/// A connection keeps its order: nothing arrives before what was sent earlier.
base::Instant Network::arrival(End& to) {
    const auto at = scheduler_.now().instant + random_.duration(delays_.shortest, delays_.longest);
    to.last_arrival = std::max(to.last_arrival, at);
    return to.last_arrival;
}

void Network::send(const ConnectionPtr& connection, End& from, base::Bytes bytes) {
    End& to = &from == &connection->dialler ? connection->listener : connection->dialler;
    while (!bytes.empty()) {
        auto size = bytes.size();
        if (!connection->messages && random_.one_in(2)) size = random_.between(1, size);
        base::Bytes chunk(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
        bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
        ++(connection->messages ? counters_.messages : counters_.chunks);
        const auto delay = arrival(to) - scheduler_.now().instant;
        scheduler_.after(delay, [this, connection, &to, chunk = std::move(chunk)]() mutable {
            deliver(connection, to, std::move(chunk));
        });
    }
}

void Network::deliver(const ConnectionPtr& connection, End& to, base::Bytes bytes) {
    if (connection->dead || !to.open || to.host->life_ != to.life) return;
    if (!to.reading) {
        to.held.push_back(std::move(bytes));
        return;
    }
    to.host->input([&](base::NetworkCore& core) { core.received(to.id, bytes, scheduler_.now()); });
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
    if (connection->dead) return;
    end(connection, other, base::CloseCause::closed, arrival(other) - scheduler_.now().instant);
}

void Network::end(const ConnectionPtr& connection, End& side, base::CloseCause cause,
                  base::Duration delay) {
    scheduler_.after(delay, [this, connection, &side, cause] {
        if (!side.open) return;
        side.open = false;
        connections_.erase({side.host, side.id});
        if (side.host->life_ != side.life) return;
        side.host->input(
            [&](base::NetworkCore& core) { core.closed(side.id, cause, scheduler_.now()); });
    });
}

void Network::reset_all(const Host& host) {
    std::vector<ConnectionPtr> touched;
    for (const auto& [key, connection] : connections_)
        if (key.first == &host) touched.push_back(connection);
    for (const auto& connection : touched) {
        if (connection->dead) continue;  // nobody will hear of it
        ++counters_.resets;
        connection->ended = true;
        end(connection, connection->dialler, base::CloseCause::reset, delays_.shortest);
        end(connection, connection->listener, base::CloseCause::reset, delays_.shortest);
    }
}

void Network::black_hole(const Host& host) {
    for (const auto& [key, connection] : connections_) {
        if (key.first != &host || connection->dead) continue;
        ++counters_.black_holes;
        connection->dead = true;
    }
}

}  // namespace sallyport::simulation
