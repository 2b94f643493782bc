// The one shape every network-facing core has. A core owns no socket, clock, thread or file: it is
// told what happened (`opened`, `received`, `closed`, `expire`) and asked what to do next
// (`next_command`, `take_output`, `next_deadline`). `net::Driver` runs any core over real
// connections; `tests/simulation` runs the same cores on a virtual network and clock.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>

#include "common/base/bytes.hpp"
#include "common/base/identity.hpp"
#include "common/base/time.hpp"

namespace sallyport::base {

/// One connection of one process, never reused. The driver numbers what it accepts (even), the
/// core numbers what it dials (odd).
enum class ConnectionId : std::uint64_t {};

class DialIds {
public:
    ConnectionId next() { return ConnectionId{next_ += 2}; }

private:
    std::uint64_t next_ = static_cast<std::uint64_t>(-1);
};
inline bool is_dialled(ConnectionId id) {
    return (static_cast<std::uint64_t>(id) & 1) != 0;
}

/// What is known of the other end when a connection stands (transport handshakes done).
struct Peer {
    std::size_t listener = 0;          // index of the listener (accepted) or target (dialled)
    std::string address;               // "10.0.0.1:5012", for logs only
    std::optional<Identity> identity;  // of the verified certificate; none without one
};

/// Why a connection ended, as seen from this end.
enum class CloseCause {
    closed,       // the peer ended it in order
    reset,        // the peer or the path broke it
    silent,       // no byte for too long (decided by a core, kept for display)
    refused,      // nobody listens, or the peer's TLS or HTTP said no
    unreachable,  // no answer, no route, name not found
    identity,     // the peer's certificate is not acceptable
    local,        // this side closed it
};
std::string_view to_string(CloseCause cause);

/// Dial `target` (an index the runtime gave the core); answered by opened() or closed().
struct Connect {
    ConnectionId id;
    std::size_t target;
};
/// End the connection. With `flush`, output is written first, then half-close and drain so that the
/// last words arrive; without, at once. closed(local) follows either way.
struct Close {
    ConnectionId id;
    bool flush;
};
/// Stop or go on reading from the peer (back-pressure through TCP).
struct SetReading {
    ConnectionId id;
    bool on;
};
/// take_output() of this connection has something. Said once until it has been taken empty.
struct OutputReady {
    ConnectionId id;
};
using Command = std::variant<Connect, Close, SetReading, OutputReady>;

class NetworkCore {
public:
    NetworkCore() = default;
    NetworkCore(const NetworkCore&) = delete;
    NetworkCore& operator=(const NetworkCore&) = delete;
    virtual ~NetworkCore() = default;

    virtual void opened(ConnectionId id, const Peer& peer, Now now) = 0;
    /// Byte streams: any chunk. Message transports: exactly one whole message, 8-byte aligned.
    virtual void received(ConnectionId id, ByteView bytes, Now now) = 0;
    /// Message transports: bytes of a message that is not whole yet have come; the peer is not
    /// silent.
    virtual void progressed(ConnectionId /*id*/, Now /*now*/) {}
    /// Also the answer to a Connect that failed. Nothing is said of the connection afterwards.
    virtual void closed(ConnectionId id, CloseCause cause, Now now) = 0;
    virtual void expire(Now now) = 0;
    virtual std::optional<Instant> next_deadline() const = 0;

    virtual std::optional<Command> next_command() = 0;
    /// Moves pending output of `id` into `out` (cleared first): on byte streams all of it or a
    /// bounded part, on message transports one message. False: nothing is pending. The driver calls
    /// it only when the previous output has been handed to the kernel, so what is pending stays
    /// within the core's own limits.
    virtual bool take_output(ConnectionId id, Bytes& out) = 0;
};

}  // namespace sallyport::base

template <>
struct std::hash<sallyport::base::ConnectionId> {
    std::size_t operator()(sallyport::base::ConnectionId id) const noexcept {
        return std::hash<std::uint64_t>{}(static_cast<std::uint64_t>(id));
    }
};
