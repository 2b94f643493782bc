// What the relay says of itself. Judged when asked: every agent that is here against every route.
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "dmz-relay/core/relay_core.hpp"

namespace sallyport::relay_core {

std::string_view to_string(AgentState state) {
    switch (state) {
        case AgentState::live: return "live";
        case AgentState::alone: return "alone";
        case AgentState::closed: return "closed";
        case AgentState::unrouted: return "unrouted";
    }
    return "?";
}

struct RelayCore::Present {
    struct One {
        base::ConnectionId id{};
        const base::Identity* identity = nullptr;
    };
    std::vector<One> edges, its;
    std::set<std::pair<base::ConnectionId, base::ConnectionId>> joined;  // edge, it
    std::map<base::ConnectionId, std::size_t> sessions;
};

RelayCore::Present RelayCore::present() const {
    Present present;
    for (const auto& [id, agent] : agents_) {
        if (agent.stage != Stage::admitted) continue;
        auto& side = agent.identity.role == base::Role::edge ? present.edges : present.its;
        side.push_back({id, &agent.identity});
    }
    for (const auto& [id, session] : sessions_.all()) {
        present.joined.emplace(session.edge, session.it);
        ++present.sessions[session.edge];
        ++present.sessions[session.it];
    }
    return present;
}

/// Against every route that names it: is there a peer, and a session with one?
void RelayCore::judge(AgentStatus& status, base::ConnectionId id, const Present& present) const {
    const bool is_edge = status.identity.role == base::Role::edge;
    const auto& peers = is_edge ? present.its : present.edges;
    status.state = AgentState::unrouted;
    for (const auto& route : options_.routes) {
        const auto& own = is_edge ? route.edge : route.it;
        const auto& wanted = is_edge ? route.it : route.edge;
        if (!base::matches_name_pattern(own, options_.plant, status.identity)) continue;
        const auto is_wanted = [&](const Present::One& peer) {
            return base::matches_name_pattern(wanted, options_.plant, *peer.identity);
        };
        const auto is_joined = [&](const Present::One& peer) {
            const auto pair = is_edge ? std::pair(id, peer.id) : std::pair(peer.id, id);
            return is_wanted(peer) && present.joined.contains(pair);
        };
        status.state = AgentState::live;
        if (std::ranges::any_of(peers, is_joined)) continue;
        status.state =
            std::ranges::any_of(peers, is_wanted) ? AgentState::closed : AgentState::alone;
        status.missing = wanted;
        return;
    }
}

RelayStatus RelayCore::status() const {
    RelayStatus status{{}, {}, options_.started, admitted_, refused_, frames_, bytes_};
    const auto here = present();
    for (const auto& [id, agent] : agents_) {
        if (agent.stage != Stage::admitted) continue;
        const auto counted = here.sessions.find(id);
        auto& one = status.agents.emplace_back();
        one.identity = agent.identity;
        one.address = agent.peer.address;
        one.admitted = agent.admitted;
        one.since = agent.sessions_since;
        one.round_trip = agent.link.round_trip();
        one.sessions = counted == here.sessions.end() ? 0 : counted->second;
        one.queued_bytes = agent.link.queued_bytes();
        judge(one, id, here);
    }
    for (const auto& [id, session] : sessions_.all()) {
        const auto& it = agents_.at(session.it);
        status.sessions.push_back({qualified_name(agents_.at(session.edge).identity),
                                   qualified_name(it.identity), session.since, session.frames_to_it,
                                   session.bytes_to_it, session.frames_to_edge,
                                   session.bytes_to_edge, session.last_to_it, session.last_to_edge,
                                   it.link.queued_bytes(id)});
    }
    return status;
}

}  // namespace sallyport::relay_core
