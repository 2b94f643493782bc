// The edge's way out: one link to the relay, and over it a session for each destination, fed from
// the spool's readers. The edge's end of P3: only an it-agent's Ack moves a cursor.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/base/network_core.hpp"
#include "common/base/notice.hpp"
#include "common/tunnel/relay_connection.hpp"
#include "common/tunnel/sender.hpp"
#include "edge-agent/spool/spool.hpp"
#include "edge-agent/uplink/backlog.hpp"

namespace sallyport::uplink {

struct UplinkOptions {
    std::string plant, name;
    std::vector<std::string> destinations;  // "hq" or "<plant>/hq"
    tunnel::LinkTimers link_timers;
    tunnel::SenderTimers sender_timers;
    std::uint64_t process = 0;  // random, drawn at start
    base::Duration stalled_after = std::chrono::seconds(6);
    /// A reader that has not come to the log's end for so long is behind: what is superseded is
    /// left out. One that keeps up leaves out nothing, and costs nothing.
    base::Duration conflate_after = std::chrono::seconds(1);
    /// Frames queued on the link; beyond it entries stay in the spool.
    std::size_t link_queue_bytes_max = 512U << 10U;
    /// Of one destination: read from the spool, and waiting for the ledger.
    std::size_t ledger_queue_bytes_max = 1U << 20U;
};

enum class PathState { lost, catching_up, behind, stalled, live };
std::string_view to_string(PathState state);

struct DestinationStatus {
    std::string destination;
    PathState state = PathState::lost;
    base::WallTime since;  // of the state
    std::string reason;    // what was seen, where it is not live
    record::Seq acknowledged = 0;
    std::uint64_t waiting_records = 0;
    /// Age of the oldest record that is not sent; of the oldest not acknowledged. Nothing where it
    /// is not known (after a start, until a session has found its place).
    std::optional<base::Duration> behind, oldest_unacknowledged;
    std::optional<double> out_per_s;  // records acknowledged
    std::optional<Drain> drain;
    std::uint64_t refused_records = 0;    // left out: outside the route's topics
    std::uint64_t conflated_records = 0;  // left out: superseded records of class `latest`
};
struct UplinkStatus {
    tunnel::LinkStatus link;
    std::optional<double> in_per_s;  // records accepted by the spool
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
    /// An entry from which records are left out, or what comes behind one: it is sent once the
    /// ledger has `ticket`.
    struct AwaitingLedger {
        std::variant<spool::Entry, tunnel::Gap> what;  // the entry as it is sent
        tunnel::Position end;                          // of the entry
        std::vector<record::TagId> tags;
        std::uint64_t ticket = 0;
        base::WallTime first_arrival{};  // of the entry, or of what the gap names
    };
    struct Destination {
        std::string name, qualified;
        Backlog backlog;
        std::optional<tunnel::Sender> sender{};
        std::vector<std::string> topics{};          // of the route
        std::vector<std::optional<bool>> passes{};  // by tag id: inside the route's topics
        bool told_caught_up = false;
        bool found_place = false;  // the reader has got to where the session resumes
        std::optional<base::Instant> behind_since{};  // the reader was not at the log's end since
        std::deque<AwaitingLedger> awaiting_ledger{};
        std::size_t awaiting_bytes = 0;
        record::Seq acknowledged = 0;
        std::uint64_t refused_records = 0, conflated_records = 0;
        base::Duration behind{};
        std::string reason = "not connected yet";
        PathState state = PathState::lost;
        base::WallTime since{};
    };

    void handle(const tunnel::RelayEvent& event, base::Now now);
    void open_session(const tunnel::Opened& opened, base::Now now);
    void close_session(const tunnel::Closed& closed);
    void end_session(Destination& destination, std::string why);
    void session_frame(const tunnel::SessionFrame& frame, base::Now now);
    void end_sessions(const std::string& why);
    void refuse(tunnel::SessionId session, tunnel::SessionEnd reason);
    void pump(Destination& destination, base::Now now);
    bool has_room(const Destination& destination) const;
    /// Reads on; false where there is nothing to read now.
    bool read_on(Destination& destination, bool& at_end, base::Now now);
    void take(Destination& destination, const spool::Entry& entry, base::Now now);
    void take(Destination& destination, const tunnel::Gap& gap, base::WallTime first_arrival);
    void send_ledgered(Destination& destination);
    void send(Destination& destination, const tunnel::Position& end, base::ByteView body,
              const std::vector<record::TagId>& tags);
    void leave_out(Destination& destination);
    bool leave_out_refused(Destination& destination, tunnel::BatchRecord& record);
    void note_absent(const record::Record& record, tunnel::AbsentReason why);
    void note_left_out(const record::Record& record, record::TagId tag, record::LedgerReason why,
                       bool whole);
    void beat(Destination& destination, base::Now now);
    void collect_frames(Destination& destination);
    bool passes(Destination& destination, record::TagId tag);
    std::optional<base::WallTime> oldest_unsent(const Destination& destination) const;
    void find_place(Destination& destination, base::Now now);
    void note_accepted(base::Now now);
    void note_states(base::Now now);
    PathState state_of(const Destination& destination, base::Now now) const;
    std::string why(const Destination& destination) const;
    std::optional<base::Instant> stalls_at(const Destination& destination) const;
    std::uint64_t waiting_records(const Destination& destination) const;
    DestinationStatus status_of(const Destination& destination, base::Now now) const;

    UplinkOptions options_;
    spool::Spool& spool_;
    tunnel::RelayConnection relay_;
    std::vector<Destination> destinations_;
    std::uint64_t accepted_records_ = 0;
    base::Rate in_;
    // Scratch, of one entry: its records; what of them is left out, by tag and by place.
    std::vector<tunnel::BatchRecord> records_;
    std::map<std::pair<record::TagId, record::LedgerReason>, record::LedgerEntry> left_out_;
    std::vector<tunnel::Absent> absent_;
    base::Notices notices_;
};

}  // namespace sallyport::uplink
