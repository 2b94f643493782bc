#include "dmz-relay/switch/session_table.hpp"

#include <algorithm>
#include <utility>

#include "dmz-relay/policy/routes.hpp"

namespace sallyport::relay_switch {

std::string_view to_string(PassFailure failure) {
    switch (failure) {
        case PassFailure::direction: return "a frame kind that may not travel this way";
        case PassFailure::not_numbers: return "a frame toward OT that is not numbers alone";
        case PassFailure::malformed: return "a malformed frame";
        case PassFailure::topic: return "a topic outside the route";
    }
    return "?";
}

Session& SessionTable::open(base::ConnectionId edge, base::ConnectionId it,
                            std::vector<std::string> topics) {
    const tunnel::SessionId id{next_++};
    auto& session = sessions_[id];
    session.id = id;
    session.edge = edge;
    session.it = it;
    session.topics = std::move(topics);
    return session;
}

Session* SessionTable::find(tunnel::SessionId id) {
    const auto found = sessions_.find(id);
    return found == sessions_.end() ? nullptr : &found->second;
}

bool SessionTable::joined(base::ConnectionId edge, base::ConnectionId it) const {
    return std::ranges::any_of(sessions_, [&](const auto& entry) {
        return entry.second.edge == edge && entry.second.it == it;
    });
}

std::vector<tunnel::SessionId> SessionTable::of(base::ConnectionId link) const {
    std::vector<tunnel::SessionId> found;
    for (const auto& [id, session] : sessions_)
        if (session.edge == link || session.it == link) found.push_back(id);
    return found;
}

std::optional<PassFailure> why_not_pass(const Session& session, Direction direction,
                                        tunnel::FrameKind kind, base::ByteView body) {
    if (direction == Direction::toward_ot) {
        if (tunnel::is_ordered(kind)) return PassFailure::direction;
        if (!tunnel::is_numbers_only(kind, body)) return PassFailure::not_numbers;
        return std::nullopt;
    }
    if (!tunnel::is_ordered(kind)) return PassFailure::direction;
    if (kind != tunnel::FrameKind::define) return std::nullopt;
    const auto define = tunnel::decode_define(body);
    if (!define) return PassFailure::malformed;
    for (const auto& tag : define->tags)
        if (!policy::may_pass(session.topics, tag.topic)) return PassFailure::topic;
    return std::nullopt;
}

}  // namespace sallyport::relay_switch
