#include "dmz-relay/core/relay_core.hpp"

#include <utility>

#include <fmt/format.h>

namespace sallyport::relay_core {

using base::NoticeLevel;

RelayCore::RelayCore(RelayOptions options)
    : options_(std::move(options)),
      policy_(options_.plant, options_.routes),
      sessions_(options_.seed) {}

void RelayCore::opened(base::ConnectionId id, const base::Peer& peer, base::Now now) {
    if (stopping_) {
        commands_.emplace_back(base::Close{id, false});
        return;
    }
    const bool acceptable = peer.identity && (peer.identity->role == base::Role::edge ||
                                              peer.identity->role == base::Role::it);
    if (!acceptable || agents_.size() >= options_.agents_max) {
        ++refused_;
        notices_.add(NoticeLevel::alarm,
                     fmt::format("{} refused: {}", peer.address,
                                 acceptable ? "agent limit reached" : "no edge or it identity"));
        commands_.emplace_back(base::Close{id, false});
        return;
    }
    agents_.emplace(
        id, Agent{peer, *peer.identity, tunnel::Link(tunnel::LinkSide::relay, options_.timers, now),
                  now.wall, now.wall});
}

void RelayCore::received(base::ConnectionId id, base::ByteView bytes, base::Now now) {
    const auto found = agents_.find(id);
    if (found == agents_.end() || found->second.stage == Stage::leaving) return;
    Agent& agent = found->second;
    const auto event = agent.link.receive(bytes, now);
    if (const auto* frame = std::get_if<tunnel::SessionFrame>(&event)) {
        forward(id, agent, *frame, now);
    } else if (const auto* hello = std::get_if<tunnel::Hello>(&event)) {
        greet(id, agent, *hello, now);
    } else if (const auto* closed = std::get_if<tunnel::Closed>(&event)) {
        session_closed_by(id, agent, *closed, now);
    } else if (std::holds_alternative<tunnel::Bye>(event)) {
        end_sessions_of(id, tunnel::SessionEnd::peer_gone, now);
        agent.stage = Stage::leaving;
        commands_.emplace_back(base::Close{id, true});
    } else if (const auto* failed = std::get_if<tunnel::LinkFailed>(&event)) {
        fail(id, agent, failed->reason, now);
    }
    announce(id, agent);
}

void RelayCore::progressed(base::ConnectionId id, base::Now now) {
    if (const auto found = agents_.find(id); found != agents_.end())
        found->second.link.progressed(now);
}

void RelayCore::closed(base::ConnectionId id, base::CloseCause cause, base::Now now) {
    const auto found = agents_.find(id);
    if (found == agents_.end()) return;
    const auto end = cause == base::CloseCause::reset ? tunnel::SessionEnd::peer_reset
                                                      : tunnel::SessionEnd::peer_gone;
    end_sessions_of(id, end, now);
    if (found->second.stage == Stage::admitted)
        notices_.add(NoticeLevel::info, fmt::format("{} left: {}", to_uri(found->second.identity),
                                                    base::to_string(cause)));
    agents_.erase(id);
    for (auto& [other_id, other] : agents_) other.unwanted.erase(id);
}

void RelayCore::greet(base::ConnectionId id, Agent& agent, const tunnel::Hello& hello,
                      base::Now now) {
    if (hello.name != base::qualified_name(agent.identity)) {
        dismiss(id, agent, tunnel::ByeReason::name, tunnel::SessionEnd::protocol,
                fmt::format("calls itself {}", hello.name), now);
        return;
    }
    agent.process = hello.process;
    base::ConnectionId holder_id{};
    Agent* holder = holder_of(agent.identity, id, holder_id);
    if (holder == nullptr) {
        admit(id, agent, now);
    } else if (holder->process == hello.process) {
        dismiss(holder_id, *holder, tunnel::ByeReason::replaced, tunnel::SessionEnd::peer_gone,
                "replaced by the same process's new link", now);
        admit(id, agent, now);
    } else {
        probe(agent, holder_id, *holder, now);
    }
}

void RelayCore::probe(Agent& agent, base::ConnectionId holder_id, Agent& holder, base::Now now) {
    agent.stage = Stage::probing;
    agent.probe_until = now.instant + options_.probe_within;
    agent.probed = holder_id;
    holder.link.probe(now);
    announce(holder_id, holder);
}

void RelayCore::settle_probe(base::ConnectionId id, Agent& agent, base::Now now) {
    base::ConnectionId holder_id{};
    Agent* holder = holder_of(agent.identity, id, holder_id);
    if (holder != nullptr && holder_id == agent.probed && holder->link.answered_probe()) {
        dismiss(id, agent, tunnel::ByeReason::duplicate, tunnel::SessionEnd::not_wanted,
                "refused: another live process has this identity", now);
        return;
    }
    if (holder != nullptr &&
        holder_id != agent.probed) {  // another newcomer was admitted meanwhile
        probe(agent, holder_id, *holder, now);
        return;
    }
    if (now.instant < agent.probe_until && holder != nullptr) return;
    if (holder != nullptr)
        dismiss(holder_id, *holder, tunnel::ByeReason::replaced, tunnel::SessionEnd::peer_lost,
                "did not answer while a new process of its identity came", now);
    admit(id, agent, now);
}

RelayCore::Agent* RelayCore::holder_of(const base::Identity& identity, base::ConnectionId except,
                                       base::ConnectionId& holder) {
    for (auto& [id, agent] : agents_) {
        if (id == except || agent.stage != Stage::admitted || agent.identity != identity) continue;
        holder = id;
        return &agent;
    }
    return nullptr;
}

void RelayCore::admit(base::ConnectionId id, Agent& agent, base::Now now) {
    agent.stage = Stage::admitted;
    agent.admitted = agent.sessions_since = now.wall;
    agent.link.welcomed(now);
    ++admitted_;
    agent.link.send_control(encode(tunnel::Welcome{
        tunnel::kProtocolVersion, tunnel::kFrameBytesMax,
        static_cast<std::uint32_t>(options_.sessions_max_per_agent), options_.seed}));
    notices_.add(NoticeLevel::info,
                 fmt::format("{} admitted from {}", to_uri(agent.identity), agent.peer.address));
    join_with_all(id, agent, now);
    announce(id, agent);
}

void RelayCore::join_with_all(base::ConnectionId id, Agent& agent, base::Now now) {
    for (auto& [other_id, other] : agents_) {
        if (other.stage != Stage::admitted || other.identity.role == agent.identity.role) continue;
        if (agent.identity.role == base::Role::edge)
            join(id, agent, other_id, other, now);
        else
            join(other_id, other, id, agent, now);
    }
}

void RelayCore::join(base::ConnectionId edge_id, Agent& edge, base::ConnectionId it_id, Agent& it,
                     base::Now now) {
    if (sessions_.joined(edge_id, it_id) || edge.unwanted.contains(it_id) ||
        it.unwanted.contains(edge_id))
        return;
    auto topics = policy_.topics_between(edge.identity, it.identity);
    if (topics.empty()) return;
    if (sessions_.of(edge_id).size() >= options_.sessions_max_per_agent ||
        sessions_.of(it_id).size() >= options_.sessions_max_per_agent) {
        notices_.add(NoticeLevel::alarm,
                     fmt::format("no session between {} and {}: session limit reached",
                                 to_uri(edge.identity), to_uri(it.identity)));
        return;
    }
    auto& session = sessions_.open(edge_id, it_id, std::move(topics));
    session.since = edge.sessions_since = it.sessions_since = now.wall;
    edge.link.send_control(
        encode(tunnel::Opened{session.id, qualified_name(it.identity), session.topics}));
    it.link.send_control(
        encode(tunnel::Opened{session.id, qualified_name(edge.identity), session.topics}));
    announce(edge_id, edge);
    announce(it_id, it);
}

void RelayCore::forward(base::ConnectionId id, Agent& agent, const tunnel::SessionFrame& frame,
                        base::Now now) {
    auto* session = sessions_.find(frame.session);
    if (session == nullptr) return;  // ended while the frame was on its way
    if (session->edge != id && session->it != id) {
        dismiss(id, agent, tunnel::ByeReason::protocol, tunnel::SessionEnd::protocol,
                "sent a frame of a session that is not its own", now);
        return;
    }
    const bool toward_it = session->edge == id;
    const auto failure = relay_switch::why_not_pass(
        *session,
        toward_it ? relay_switch::Direction::toward_it : relay_switch::Direction::toward_ot,
        frame.kind, frame.body);
    if (failure) {
        dismiss(id, agent, tunnel::ByeReason::protocol, tunnel::SessionEnd::protocol,
                fmt::format("sent {}", to_string(*failure)), now);
        return;
    }
    const auto other_id = toward_it ? session->it : session->edge;
    auto& other = agents_.at(other_id);
    base::Bytes message(frame.message.begin(), frame.message.end());
    ++frames_;
    bytes_ += message.size();
    const auto queued = other.link.queued_bytes(session->id) + message.size();
    if (toward_it ? is_overrun(queued) : queued > options_.session_queue_to_edge_bytes_max) {
        notices_.add(NoticeLevel::alarm,
                     fmt::format("session of {} and {} closed: overrun at {} bytes",
                                 to_uri(agent.identity), to_uri(other.identity), queued));
        end_session(session->id, tunnel::SessionEnd::overrun, base::ConnectionId{0}, now);
        return;
    }
    if (toward_it) {
        ++session->frames_to_it;
        session->last_to_it = now.instant;
        session->bytes_to_it += message.size();
    } else {
        ++session->frames_to_edge;
        session->bytes_to_edge += message.size();
        session->last_to_edge = now.instant;
    }
    other.link.send_ordered(session->id, std::move(message));
    announce(other_id, other);
}

/// Whether a session may not have so much waiting for an it-agent.
bool RelayCore::is_overrun(std::size_t queued) const {
    if (queued > options_.session_queue_bytes_max) return true;
    return queued > options_.session_queue_share_bytes && queued_bytes() > options_.queue_bytes_max;
}

std::size_t RelayCore::queued_bytes() const {
    std::size_t bytes = 0;
    for (const auto& [id, agent] : agents_)
        if (agent.identity.role == base::Role::it) bytes += agent.link.queued_bytes();
    return bytes;
}

void RelayCore::session_closed_by(base::ConnectionId id, Agent& agent, const tunnel::Closed& closed,
                                  base::Now now) {
    const auto* session = sessions_.find(closed.session);
    if (session == nullptr || (session->edge != id && session->it != id)) return;
    const auto other_id = session->edge == id ? session->it : session->edge;
    if (closed.reason == tunnel::SessionEnd::not_wanted) agent.unwanted.insert(other_id);
    notices_.add(NoticeLevel::warning,
                 fmt::format("{} closed its session with {}: {}", to_uri(agent.identity),
                             to_uri(agents_.at(other_id).identity), to_string(closed.reason)));
    end_session(closed.session, closed.reason, id, now);
}

void RelayCore::end_session(tunnel::SessionId id, tunnel::SessionEnd reason,
                            base::ConnectionId except, base::Now now) {
    const auto* session = sessions_.find(id);
    for (const auto end : {session->edge, session->it}) {
        const auto found = agents_.find(end);
        if (found == agents_.end()) continue;
        found->second.link.drop_session(id);
        found->second.sessions_since = now.wall;
        if (end == except || found->second.stage == Stage::leaving) continue;
        found->second.link.send_control(encode(tunnel::Closed{id, reason}));
        announce(end, found->second);
    }
    sessions_.erase(id);
    reopen_at_ = base::earlier(reopen_at_, now.instant + options_.reopen_after);
}

void RelayCore::end_sessions_of(base::ConnectionId id, tunnel::SessionEnd reason, base::Now now) {
    for (const auto session : sessions_.of(id)) end_session(session, reason, id, now);
}

void RelayCore::dismiss(base::ConnectionId id, Agent& agent, tunnel::ByeReason reason,
                        tunnel::SessionEnd end, std::string why, base::Now now) {
    const bool in_order = reason == tunnel::ByeReason::shutdown;
    if (!in_order) ++refused_;
    notices_.add(in_order ? NoticeLevel::info : NoticeLevel::alarm,
                 fmt::format("{} at {}: {}", to_uri(agent.identity), agent.peer.address, why));
    end_sessions_of(id, end, now);
    agent.stage = Stage::leaving;
    agent.link.send_control(encode(tunnel::Bye{reason, 0}));
    announce(id, agent);
    commands_.emplace_back(base::Close{id, true});
}

void RelayCore::fail(base::ConnectionId id, Agent& agent, tunnel::LinkFailure failure,
                     base::Now now) {
    const bool silent = failure == tunnel::LinkFailure::silent;
    if (!silent) {
        const auto bye = failure == tunnel::LinkFailure::version ? tunnel::ByeReason::version
                                                                 : tunnel::ByeReason::protocol;
        dismiss(id, agent, bye, tunnel::SessionEnd::protocol, std::string(to_string(failure)), now);
        return;
    }
    notices_.add(NoticeLevel::warning, fmt::format("{} fell silent", to_uri(agent.identity)));
    end_sessions_of(id, tunnel::SessionEnd::peer_lost, now);
    agent.stage = Stage::leaving;
    commands_.emplace_back(base::Close{id, false});
}

void RelayCore::expire(base::Now now) {
    std::vector<base::ConnectionId> ids;
    ids.reserve(agents_.size());
    for (const auto& [id, agent] : agents_) ids.push_back(id);
    for (const auto id : ids) {
        auto& agent = agents_.at(id);
        if (agent.stage == Stage::leaving) continue;
        if (agent.stage == Stage::probing) settle_probe(id, agent, now);
        if (const auto failure = agent.link.expire(now)) fail(id, agent, *failure, now);
        announce(id, agent);
    }
    if (!reopen_at_ || now.instant < *reopen_at_) return;
    reopen_at_.reset();
    for (const auto id : ids) {
        auto& agent = agents_.at(id);
        if (agent.stage == Stage::admitted && agent.identity.role == base::Role::edge)
            join_with_all(id, agent, now);
    }
}

std::optional<base::Instant> RelayCore::next_deadline() const {
    auto deadline = reopen_at_;
    for (const auto& [id, agent] : agents_) {
        if (agent.stage == Stage::leaving) continue;
        deadline = base::earlier(deadline, agent.link.next_deadline());
        if (agent.stage == Stage::probing) deadline = base::earlier(deadline, agent.probe_until);
    }
    return deadline;
}

void RelayCore::announce(base::ConnectionId id, Agent& agent) {
    if (agent.announced || !agent.link.has_output()) return;
    agent.announced = true;
    commands_.emplace_back(base::OutputReady{id});
}

std::optional<base::Command> RelayCore::next_command() {
    if (commands_.empty()) return std::nullopt;
    auto command = commands_.front();
    commands_.pop_front();
    return command;
}

bool RelayCore::take_output(base::ConnectionId id, base::Bytes& out) {
    const auto found = agents_.find(id);
    if (found == agents_.end()) return false;
    if (found->second.link.take_output(out)) return true;
    found->second.announced = false;
    return false;
}

void RelayCore::shut_down(base::Now now) {
    stopping_ = true;
    std::vector<base::ConnectionId> ids;
    for (const auto& [id, agent] : agents_)
        if (agent.stage != Stage::leaving) ids.push_back(id);
    for (const auto id : ids)
        dismiss(id, agents_.at(id), tunnel::ByeReason::shutdown, tunnel::SessionEnd::shutdown,
                "dismissed: the relay shuts down", now);
}

}  // namespace sallyport::relay_core
