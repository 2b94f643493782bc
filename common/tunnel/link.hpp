// One link: the TLS connection between an agent and the relay, seen from either end, as a state
// machine over whole frames. It greets, pings, notices silence, and orders what goes out; what
// sessions mean is for its owner.
//
//   agent:  greeting --Welcome--> up --Bye/failure--> ended
//   relay:  greeting --Hello----> up --Bye/failure--> ended
//
// Output: control frames first (Welcome, Opened, Closed, Ping, Resume, Ack, Echo), then the
// sessions' ordered frames, round robin over sessions, each session in its own order.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <variant>

#include "common/base/bytes.hpp"
#include "common/base/time.hpp"
#include "common/tunnel/frame.hpp"

namespace sallyport::tunnel {

struct LinkTimers {
    base::Duration ping_interval = std::chrono::seconds(2);
    base::Duration lost_after = std::chrono::seconds(6);  // without one byte from the peer
    base::Duration greeting_within = std::chrono::seconds(5);
};

enum class LinkSide { agent, relay };

enum class LinkFailure {
    protocol,       // a frame that may not come, or cannot be read
    version,        // the peer speaks another protocol version
    silent,         // nothing received for lost_after
    greeting_late,  // no Hello or Welcome in time
    control_flood,  // the peer makes us answer faster than it reads
};
std::string_view to_string(LinkFailure failure);

/// A frame of a session; views are valid until the buffer given to receive() changes.
struct SessionFrame {
    SessionId session{};
    FrameKind kind{};
    base::ByteView body;
    base::ByteView message;  // the whole frame, to be forwarded as it is
};
struct LinkFailed {
    LinkFailure reason{};
};
/// What one frame meant to the owner. monostate: nothing (pings, unknown kinds that may be
/// skipped).
using LinkEvent =
    std::variant<std::monostate, Hello, Welcome, Opened, Closed, Bye, SessionFrame, LinkFailed>;

class Link {
public:
    Link(LinkSide side, const LinkTimers& timers, base::Now now);

    /// One whole frame, 8-byte aligned. After LinkFailed the owner ends the connection.
    LinkEvent receive(base::ByteView message, base::Now now);
    /// Bytes of a frame that is not whole yet: the peer is not silent.
    void progressed(base::Now now) { last_received_ = now.instant; }
    /// The failure that time brought, or nothing. Sends the pings that are due.
    std::optional<LinkFailure> expire(base::Now now);
    std::optional<base::Instant> next_deadline() const;

    /// Queues a link or unordered session frame ahead of everything ordered.
    void send_control(base::Bytes frame);
    /// Queues a session's ordered frame behind that session's earlier ones.
    void send_ordered(SessionId session, base::Bytes frame);
    /// Forgets what is queued for a session that ended.
    void drop_session(SessionId session);
    /// Sends a Ping whose Pong answered_probe() will report.
    void probe(base::Now now);
    bool answered_probe() const { return probe_answered_; }

    bool take_output(base::Bytes& out);
    bool has_output() const { return !control_.empty() || ordered_bytes_ > 0; }
    std::size_t queued_bytes() const { return ordered_bytes_; }
    std::size_t queued_bytes(SessionId session) const;

    /// The relay's side: the Welcome is on its way, pings may follow it.
    void welcomed(base::Now now);

    bool is_up() const { return up_; }
    base::Instant last_received() const { return last_received_; }
    std::optional<base::Duration> round_trip() const { return round_trip_; }

private:
    struct Queue {
        std::deque<base::Bytes> frames;
        std::size_t bytes = 0;
    };

    LinkEvent receive_link_frame(const FrameView& frame, base::Now now);
    LinkEvent greeted(const FrameView& frame);
    void send_ping(base::Now now);

    LinkSide side_;
    LinkTimers timers_;
    bool up_ = false;
    bool pings_ = false;  // both sides have greeted
    base::Instant opened_, last_received_, next_ping_;
    std::uint64_t ping_count_ = 0;
    base::Instant ping_sent_;
    std::optional<base::Duration> round_trip_;
    std::optional<std::uint64_t> probe_count_;
    bool probe_answered_ = false;

    std::deque<base::Bytes> control_;
    std::size_t control_bytes_ = 0;
    std::map<SessionId, Queue> ordered_;  // only sessions with something queued
    std::size_t ordered_bytes_ = 0;
    SessionId last_served_{};
};

/// Bytes of control frames that may wait: far more than an honest peer ever causes.
constexpr std::size_t kControlBytesMax = 1U << 20U;

}  // namespace sallyport::tunnel
