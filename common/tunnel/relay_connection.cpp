#include "common/tunnel/relay_connection.hpp"

#include <utility>

namespace sallyport::tunnel {

RelayConnection::RelayConnection(std::string name, std::uint64_t process, const LinkTimers& timers,
                                 base::Now now)
    : name_(std::move(name)),
      process_(process),
      timers_(timers),
      state_(Waiting{now.instant}),
      backoff_(process),
      since_(now.wall) {}

RelayEvent RelayConnection::opened(base::ConnectionId id, const base::Peer& peer, base::Now now) {
    auto& linked = state_.emplace<Linked>(id, Link(LinkSide::agent, timers_, now));
    if (!peer.identity || peer.identity->role != base::Role::relay)
        return end(false, "the peer's certificate does not say relay", now);
    if (stopping_) return end(false, "shut down", now);
    ++links_opened_;
    linked.link.send_control(encode(Hello{kProtocolVersion, process_, name_}));
    announce();
    return std::monostate{};
}

RelayEvent RelayConnection::received(base::ConnectionId id, base::ByteView message, base::Now now) {
    auto* linked = std::get_if<Linked>(&state_);
    if (linked == nullptr || linked->id != id) return std::monostate{};
    auto event = linked->link.receive(message, now);
    announce();
    if (auto* frame = std::get_if<SessionFrame>(&event)) return *frame;
    if (auto* opened = std::get_if<Opened>(&event)) return std::move(*opened);
    if (auto* closed = std::get_if<Closed>(&event)) return *closed;
    if (auto* welcome = std::get_if<Welcome>(&event)) {
        since_ = now.wall;
        return *welcome;
    }
    if (const auto* bye = std::get_if<Bye>(&event)) {
        retry_after_ = std::chrono::milliseconds(bye->retry_after_ms);
        return end(true, "the relay said goodbye: " + std::string(to_string(bye->reason)), now);
    }
    if (const auto* failed = std::get_if<LinkFailed>(&event))
        return end(false, std::string(to_string(failed->reason)), now);
    return std::monostate{};
}

void RelayConnection::progressed(base::Now now) {
    if (auto* linked = std::get_if<Linked>(&state_)) linked->link.progressed(now);
}

RelayEvent RelayConnection::closed(base::CloseCause cause, base::Now now) {
    const bool was_linked = std::holds_alternative<Linked>(state_);
    if (!std::holds_alternative<Closing>(state_)) note_failure(std::string(to_string(cause)), now);
    state_ = Waiting{now.instant + backoff_.next(std::exchange(retry_after_, {}))};
    if (!was_linked || stopping_) return std::monostate{};
    return LinkEnded{last_failure_};
}

void RelayConnection::note_failure(std::string why, base::Now now) {
    if (is_up()) since_ = now.wall;
    last_failure_ = std::move(why);
    last_failure_at_ = now.wall;
}

/// Asks for the connection's end; waiting begins when closed() follows.
RelayEvent RelayConnection::end(bool flush, std::string why, base::Now now) {
    const auto id = std::get<Linked>(state_).id;
    note_failure(std::move(why), now);
    state_ = Closing{};
    commands_.emplace_back(base::Close{id, flush});
    return LinkEnded{last_failure_};
}

RelayEvent RelayConnection::expire(base::Now now) {
    if (const auto* waiting = std::get_if<Waiting>(&state_)) {
        if (stopping_ || now.instant < waiting->until) return std::monostate{};
        state_ = Dialling{};
        commands_.emplace_back(base::Connect{ids_.next(), 0});
    } else if (auto* linked = std::get_if<Linked>(&state_)) {
        if (const auto failure = linked->link.expire(now))
            return end(false, std::string(to_string(*failure)), now);
        announce();
    }
    return std::monostate{};
}

std::optional<base::Instant> RelayConnection::next_deadline() const {
    if (const auto* waiting = std::get_if<Waiting>(&state_))
        return stopping_ ? std::nullopt : std::optional(waiting->until);
    if (const auto* linked = std::get_if<Linked>(&state_)) return linked->link.next_deadline();
    return std::nullopt;
}

void RelayConnection::send_control(base::Bytes frame) {
    if (auto* linked = std::get_if<Linked>(&state_)) linked->link.send_control(std::move(frame));
    announce();
}

void RelayConnection::send_ordered(SessionId session, base::Bytes frame) {
    if (auto* linked = std::get_if<Linked>(&state_))
        linked->link.send_ordered(session, std::move(frame));
    announce();
}

void RelayConnection::drop_session(SessionId session) {
    if (auto* linked = std::get_if<Linked>(&state_)) linked->link.drop_session(session);
}

std::size_t RelayConnection::queued_bytes() const {
    const auto* linked = std::get_if<Linked>(&state_);
    return linked == nullptr ? 0 : linked->link.queued_bytes();
}

void RelayConnection::shut_down() {
    stopping_ = true;
    auto* linked = std::get_if<Linked>(&state_);
    if (linked == nullptr) return;
    send_control(encode(Bye{ByeReason::shutdown, 0}));
    commands_.emplace_back(base::Close{linked->id, true});
}

void RelayConnection::announce() {
    auto* linked = std::get_if<Linked>(&state_);
    if (linked == nullptr || linked->announced || !linked->link.has_output()) return;
    linked->announced = true;
    commands_.emplace_back(base::OutputReady{linked->id});
}

std::optional<base::Command> RelayConnection::next_command() {
    if (commands_.empty()) return std::nullopt;
    auto command = commands_.front();
    commands_.pop_front();
    return command;
}

bool RelayConnection::take_output(base::Bytes& out) {
    auto* linked = std::get_if<Linked>(&state_);
    if (linked == nullptr) return false;
    if (linked->link.take_output(out)) return true;
    linked->announced = false;
    return false;
}

bool RelayConnection::is_up() const {
    const auto* linked = std::get_if<Linked>(&state_);
    return linked != nullptr && linked->link.is_up();
}

std::string_view RelayConnection::state_name() const {
    if (std::holds_alternative<Waiting>(state_)) return "waiting";
    if (std::holds_alternative<Dialling>(state_)) return "dialling";
    if (std::holds_alternative<Closing>(state_)) return "closing";
    return is_up() ? "up" : "greeting";
}

LinkStatus RelayConnection::status() const {
    const auto* linked = std::get_if<Linked>(&state_);
    return {state_name(),     is_up(),
            since_,           last_failure_,
            last_failure_at_, linked == nullptr ? std::nullopt : linked->link.round_trip(),
            links_opened_,    timers_.lost_after};
}

}  // namespace sallyport::tunnel
