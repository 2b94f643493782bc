// The it-agent's way to the relay: one link, and over it a session for each edge that a [[edge]]
// names. It checks what arrives and says what it means; positions, stores and sinks are the core's.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>

#include "common/base/network_core.hpp"
#include "common/base/notice.hpp"
#include "common/tunnel/receiver.hpp"
#include "common/tunnel/relay_connection.hpp"

namespace sallyport::downlink {

/// An edge's session stands; answer with resume(). `edge` is "<plant>/<name>".
struct SessionStarted {
    std::string edge;
    tunnel::SessionId session{};
    tunnel::Log log;
};
struct SessionEnded {
    std::string edge;
    std::string seen;  // what was seen of the end
};
/// Our own link is gone, and every session with it.
struct LinkLost {
    std::string seen;
};
struct TagsDefined {
    std::string edge;
    tunnel::Define define;
};
/// Views are valid until the next call of received().
struct EntryArrived {
    std::string edge;
    tunnel::SessionId session{};
    tunnel::BatchHead head;
    tunnel::Position end;
    base::ByteView body;
    const std::vector<tunnel::BatchRecord>* records = nullptr;
};
struct GapNamed {
    std::string edge;
    tunnel::Gap gap;
};
struct BeatArrived {
    std::string edge;
    tunnel::Beat beat;
};
using DownlinkEvent = std::variant<std::monostate, SessionStarted, SessionEnded, LinkLost,
                                   TagsDefined, EntryArrived, GapNamed, BeatArrived>;

struct DownlinkOptions {
    std::string plant, name;
    tunnel::LinkTimers link_timers;
    tunnel::ReceiverLimits receiver_limits;
    std::uint64_t process = 0;
    /// Credit of all sessions together; each gets at most kWindowBytesMax and half of what is left,
    /// and never less than kWindowBytesMin.
    std::uint64_t credit_bytes_max = 64U << 20U;
};

class Downlink {
public:
    Downlink(DownlinkOptions options, base::Now now);

    DownlinkEvent opened(base::ConnectionId id, const base::Peer& peer, base::Now now);
    /// `wanted(edge)`: whether a [[edge]] names it.
    template <class Wanted>
    DownlinkEvent received(base::ConnectionId id, base::ByteView message, const Wanted& wanted,
                           base::Now now) {
        const auto event = relay_.received(id, message, now);
        if (const auto* opened = std::get_if<tunnel::Opened>(&event)) {
            open_session(*opened, wanted(opened->peer), now);
            return std::monostate{};
        }
        return handle(event, now);
    }
    void progressed(base::Now now) { relay_.progressed(now); }
    DownlinkEvent closed(base::CloseCause cause, base::Now now);
    DownlinkEvent expire(base::Now now);
    std::optional<base::Instant> next_deadline() const { return relay_.next_deadline(); }

    void resume(tunnel::SessionId session, std::uint64_t store, const tunnel::Position& position);
    /// The sink has everything of this session up to `position`. False: the session has ended.
    bool acknowledge(tunnel::SessionId session, const tunnel::Position& position,
                     std::uint64_t bytes, base::Now now);
    void shut_down() { relay_.shut_down(); }

    std::optional<base::Command> next_command() { return relay_.next_command(); }
    bool take_output(base::Bytes& out) { return relay_.take_output(out); }
    std::optional<base::Notice> next_notice() { return notices_.next(); }
    const tunnel::RelayConnection& relay() const { return relay_; }

private:
    DownlinkEvent handle(const tunnel::RelayEvent& event, base::Now now);
    DownlinkEvent session_frame(const tunnel::SessionFrame& frame, base::Now now);
    void open_session(const tunnel::Opened& opened, bool wanted, base::Now now);
    DownlinkEvent close_session(tunnel::SessionId session, std::string seen);
    void collect_frames(tunnel::Receiver& receiver);

    DownlinkOptions options_;
    tunnel::RelayConnection relay_;
    std::map<tunnel::SessionId, tunnel::Receiver> sessions_;
    base::Notices notices_;
};

}  // namespace sallyport::downlink
