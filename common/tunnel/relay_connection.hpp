// An agent's way to its relay: when to dial, the link while there is one, and why the last one
// ended. Used by the edge's uplink and the it-agent's downlink, which run their sessions over it.
//
//   waiting --timer--> dialling --opened--> linked (greeting, up) --failure, Bye--> closing
//   --closed--> waiting
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <variant>

#include "common/base/network_core.hpp"
#include "common/tunnel/backoff.hpp"
#include "common/tunnel/link.hpp"

namespace sallyport::tunnel {

/// The link is over; every session on it with it.
struct LinkEnded {
    std::string why;
};
using RelayEvent = std::variant<std::monostate, Welcome, Opened, Closed, SessionFrame, LinkEnded>;

/// How the way to the relay is, for people and their tools.
struct LinkStatus {
    std::string_view state = "waiting";  // "waiting", "dialling", "greeting", "up", "closing"
    bool is_up = false;
    base::WallTime since;      // when is_up last changed, or the process started
    std::string last_failure;  // why the last link ended or was not had; empty: never
    std::optional<base::WallTime> last_failure_at;
    std::optional<base::Duration> round_trip;
    std::uint64_t links_opened = 0;  // connections made; all but the first are reconnects
    base::Duration lost_after{};     // without one byte, a link is lost
};

class RelayConnection {
public:
    /// `name` is "<plant>/<name>"; `process` a random number drawn when the process started.
    RelayConnection(std::string name, std::uint64_t process, const LinkTimers& timers,
                    base::Now now);

    /// LinkEnded where the peer is not a relay.
    RelayEvent opened(base::ConnectionId id, const base::Peer& peer, base::Now now);
    RelayEvent received(base::ConnectionId id, base::ByteView message, base::Now now);
    void progressed(base::Now now);
    RelayEvent closed(base::CloseCause cause, base::Now now);
    RelayEvent expire(base::Now now);
    std::optional<base::Instant> next_deadline() const;

    /// Frames for the relay; dropped while there is no link.
    void send_control(base::Bytes frame);
    void send_ordered(SessionId session, base::Bytes frame);
    void drop_session(SessionId session);
    std::size_t queued_bytes() const;
    /// Data or an echo came through: the next pause is short again.
    void proved_working() { backoff_.reset(); }
    /// Says Bye, closes, and does not dial again.
    void shut_down();

    std::optional<base::Command> next_command();
    bool take_output(base::Bytes& out);

    bool is_up() const;
    LinkStatus status() const;

private:
    struct Waiting {
        base::Instant until;
    };
    struct Dialling {};
    struct Linked {
        base::ConnectionId id;
        Link link;
        bool announced = false;
    };
    struct Closing {};

    RelayEvent end(bool flush, std::string why, base::Now now);
    void note_failure(std::string why, base::Now now);
    std::string_view state_name() const;
    void announce();

    std::string name_;
    std::uint64_t process_;
    LinkTimers timers_;
    std::variant<Waiting, Dialling, Linked, Closing> state_;
    bool stopping_ = false;
    Backoff backoff_;
    base::DialIds ids_;
    base::Duration retry_after_{};
    std::deque<base::Command> commands_;
    base::WallTime since_;
    std::string last_failure_;
    std::optional<base::WallTime> last_failure_at_;
    std::uint64_t links_opened_ = 0;
};

}  // namespace sallyport::tunnel
