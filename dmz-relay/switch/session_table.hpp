// The relay's sessions: which two links each joins and what may pass. Nothing here is kept on disk.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/network_core.hpp"
#include "common/tunnel/frame.hpp"

namespace sallyport::relay_switch {

struct Session {
    tunnel::SessionId id{};
    base::ConnectionId edge{}, it{};
    std::vector<std::string> topics;
    base::WallTime since{};
    std::uint64_t frames_to_it = 0, bytes_to_it = 0;
    std::uint64_t frames_to_edge = 0, bytes_to_edge = 0;
    std::optional<base::Instant> last_to_it{}, last_to_edge{};  // frame
};

enum class Direction { toward_it, toward_ot };

enum class PassFailure {
    direction,    // a kind that may not travel this way
    not_numbers,  // toward OT something other than numbers of exact size
    malformed,
    topic,  // a tag declared outside the route's topics
};
std::string_view to_string(PassFailure failure);

class SessionTable {
public:
    /// `seed` (random) starts the session numbers, so that two lives of a relay do not share any.
    explicit SessionTable(std::uint64_t seed) : next_(seed | 1U) {}

    Session& open(base::ConnectionId edge, base::ConnectionId it, std::vector<std::string> topics);
    Session* find(tunnel::SessionId id);
    bool joined(base::ConnectionId edge, base::ConnectionId it) const;
    void erase(tunnel::SessionId id) { sessions_.erase(id); }
    /// Sessions that end with this link.
    std::vector<tunnel::SessionId> of(base::ConnectionId link) const;
    const std::map<tunnel::SessionId, Session>& all() const { return sessions_; }

private:
    std::uint64_t next_;
    std::map<tunnel::SessionId, Session> sessions_;
};

/// Whether a frame may pass. Record data is never decoded; definitions are, to compare topics.
std::optional<PassFailure> why_not_pass(const Session& session, Direction direction,
                                        tunnel::FrameKind kind, base::ByteView body);

}  // namespace sallyport::relay_switch
