// One client's session (section 4.1) and its present network connection. The session holds what
// survives a connection and nothing that belongs to one, so that it can be written down as it
// stands; the connection holds the rest. Both are plain state: the broker's handlers decide.
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/base/network_core.hpp"
#include "common/mqtt/deadlines.hpp"
#include "common/mqtt/inbound_receipts.hpp"
#include "common/mqtt/outbound_queue.hpp"
#include "common/mqtt/stored_message.hpp"
#include "common/mqtt/subscription_tree.hpp"

namespace sallyport::mqtt {

struct Connection;

struct Session {
    std::uint64_t key = 0;  // random, and kept with it; what an AckToken names
    std::string client_id;
    base::Duration expiry{};  // Session Expiry Interval; 0: ends with its connection
    std::optional<OwnedWill> will;
    TextMap<SubscriptionOptions> subscriptions;  // by filter, as subscribed
    InboundReceipts inbound;
    OutboundQueue outbound;

    // On disk, or on the way there: the session itself, and (only where it is lasting) its
    // subscriptions, deliveries and receipts.
    bool is_kept = false;
    bool lists_are_kept = false;
    std::optional<base::WallTime> ended_at;      // end of its last connection
    std::uint64_t subscriptions_held_until = 0;  // the last change of them
    // The process ended before its connection did: a client that is back in time has no will due.
    bool return_voids_will = false;

    Connection* connection = nullptr;  // none: offline
    bool gone_untold = false;          // offline, ClientGone waits for the Will Delay Interval
    Deadlines::Slot expiry_due;
    Deadlines::Slot will_due;
    Deadlines::Slot progress_due;
    base::Instant last_progress{};           // it connected, or completed a message
    std::optional<base::Now> holding_since;  // counts toward Broker::holds_back()
    bool is_consumer = false;                // BrokerOptions::consumers names it

    std::uint64_t fan_out_mark = 0;  // the fan-out that last met this session…
    std::size_t fan_out_index = 0;   // …and where it stands among that one's recipients
};

/// States of a connection. Closing: the last word is said, input is ignored until closed() comes.
struct AwaitingConnect {};
struct Attached {
    Session* session = nullptr;
    Version version = Version::v5;
    base::Duration keep_alive{};  // 1.5 × what the client said; 0: off
    std::size_t packet_bytes_max = std::numeric_limits<std::size_t>::max();  // client's limit
    std::uint16_t receive_maximum = 65'535;                                  // client's limit
    bool may_extend_expiry = true;  // CONNECT's Session Expiry Interval was not 0 (3.14.2.2.2)
    // Inbound topic aliases, alias 1 first. Shared, because events may still view a replaced one.
    std::vector<std::shared_ptr<const std::string>> aliases;
};
struct Closing {};
/// The client does not read its replies: closed without a word; the session goes when closed()
/// comes.
struct Overrun {
    Session* session = nullptr;
};

/// A SUBACK or UNSUBACK that waits for the disk.
struct HeldReply {
    std::uint64_t held_until = 0;
    base::Bytes packet;
};

struct Connection {
    base::ConnectionId id{};
    std::variant<AwaitingConnect, Attached, Closing, Overrun> state;
    base::Bytes assembly;                     // the split packet, as far as it has come
    std::optional<std::size_t> packet_bytes;  // its whole length, once the fixed header is there
    base::Bytes output;
    OutboundQueue overflow;              // QoS 0 without room: the newest of each topic
    std::deque<HeldReply> held_replies;  // by number, rising
    std::size_t held_bytes = 0;
    bool output_announced = false;
    bool reading_paused = false;
    base::Instant last_received{};
    Deadlines::Slot due;

    Attached* attached() { return std::get_if<Attached>(&state); }
};

}  // namespace sallyport::mqtt
