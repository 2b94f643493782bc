// The edge's way out: one link to the relay, and over it a session for each destination, fed from
// the spool's readers. The edge's end of P3: only an it-agent's Ack moves a cursor.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/base/network_core.hpp"
#include "common/base/notice.hpp"
#include "common/tunnel/relay_connection.hpp"
#include "common/tunnel/sender.hpp"
#include "edge-agent/spool/spool.hpp"

namespace sallyport::uplink {

struct UplinkOptions {
    std::string plant, name;
    std::vector<std::string> destinations;  // "hq" or "<plant>/hq"
    tunnel::LinkTimers link_timers;
    tunnel::SenderTimers sender_timers;
    std::uint64_t process = 0;  // random, drawn at start
    base::Duration stalled_after = std::chrono::seconds(6);
    /// Frames queued on the link; beyond it entries stay in the spool.
    std::size_t link_queue_bytes_max = 512U << 10U;
};

enum class PathState { lost, catching_up, behind, stalled, live };
std::string_view to_string(PathState state);

struct DestinationStatus {
    std::string destination;
    PathState state = PathState::lost;
    std::string reason;
    record::Seq acknowledged = 0;
    std::uint64_t waiting_records = 0;
    base::Duration behind{};
    std::uint64_t refused_records = 0;  // left out: outside the route's topics
};
struct UplinkStatus {
    std::string link;          // RelayConnection::state()
    std::string last_failure;  // why the last link ended or was not had
    std::optional<base::Duration> round_trip;
    std::uint64_t links_opened = 0;
    std::vector<DestinationStatus> destinations;
};

class Uplink {
public:
    Uplink(UplinkOptions options, spool::Spool& spool, base::Now now);

    void opened(base::ConnectionId id, const base::Peer& peer, base::Now now);
    void received(base::ConnectionId id, base::ByteView message, base::Now now);
    void progressed(base::Now now);
    void closed(base::CloseCause cause, base::Now now);
    void expire(base::Now now);
    /// Moves synced entries from the spool onto the link, within credit and queue.
    void pump(base::Now now);
    void shut_down() { relay_.shut_down(); }

    std::optional<base::Instant> next_deadline() const;
    std::optional<base::Command> next_command() { return relay_.next_command(); }
    bool take_output(base::Bytes& out) { return relay_.take_output(out); }
    std::optional<base::Notice> next_notice() { return notices_.next(); }
    UplinkStatus status(base::Now now) const;
    /// The seq up to which the destination has said that its sink has everything; 0: nothing yet.
    record::Seq acknowledged(std::string_view destination) const;

private:
    struct Destination {
        std::string name, qualified;
        std::optional<tunnel::Sender> sender;
        std::vector<std::string> topics;          // of the route
        std::vector<std::optional<bool>> passes;  // by tag id: inside the route's topics
        bool told_caught_up = false;
        bool found_place = false;  // the reader has got to where the session resumes
        record::Seq acknowledged = 0;
        std::uint64_t refused_records = 0;
        base::Duration behind{};
        std::string reason = "not connected yet";
    };

    void handle(const tunnel::RelayEvent& event, base::Now now);
    void open_session(const tunnel::Opened& opened, base::Now now);
    void close_session(const tunnel::Closed& closed);
    void session_frame(const tunnel::SessionFrame& frame, base::Now now);
    void end_sessions(const std::string& why);
    void refuse(tunnel::SessionId session, tunnel::SessionEnd reason);
    void pump(Destination& destination, base::Now now);
    void send(Destination& destination, const spool::Entry& entry);
    std::uint64_t leave_out_refused(Destination& destination);
    void beat(Destination& destination, base::Now now);
    void collect_frames(Destination& destination);
    bool passes(Destination& destination, record::TagId tag);
    PathState state_of(const Destination& destination, base::Now now) const;

    UplinkOptions options_;
    spool::Spool& spool_;
    tunnel::RelayConnection relay_;
    std::vector<Destination> destinations_;
    std::vector<tunnel::BatchRecord> records_;  // scratch
    std::vector<record::TagId> tags_;           // scratch
    base::Notices notices_;
};

}  // namespace sallyport::uplink
