// The MQTT server core: connections, sessions, subscriptions, retained messages, wills. No I/O:
// bytes and time in; bytes, events and the next deadline out. Used unchanged by edge-agent and
// it-agent.
//
// The owner feeds it with opened/receive/closed/expire and after each call drains next_event() and
// next_command(), then writes what take_output() gives.
//
// Acknowledgements to publishers are the owner's decision: every QoS 1 or 2 PUBLISH appears as an
// event `Published` with an AckToken, and PUBACK (or PUBREC) leaves when acknowledge(token) is
// called. Local fan-out and retaining have happened by then; they wait for nobody.
//
// With BrokerOptions::keeps_state the broker journals what outlives the process (durable_state.hpp)
// and holds back what must not be said before it is on disk. After each call, and after
// take_output, the owner asks for next_changes(), writes them, and calls changes_saved().
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/base/network_core.hpp"
#include "common/mqtt/durable_state.hpp"
#include "common/mqtt/packet.hpp"

namespace sallyport::mqtt {

/// Every limit of the broker: its name, its unit, its default. Keys of [broker] bear the same
/// names.
struct BrokerLimits {
    std::uint32_t max_clients = 10'000;
    std::uint32_t max_packet_bytes = 1U << 20U;
    std::uint32_t max_inflight = 65'535;             // server's Receive Maximum, messages
    std::uint32_t session_queue_bytes = 16U << 20U;  // per session: output and queued messages
    std::uint32_t session_queue_messages = 100'000;  // per session
    std::uint32_t max_sessions = 20'000;             // connected or not
    std::uint32_t max_subscriptions_per_client = 10'000;
    std::uint32_t max_topic_levels = 64;
    std::uint64_t retained_bytes = 256U << 20U;
    std::uint32_t retained_messages = 1'000'000;
    std::uint16_t max_topic_aliases = 64;  // per connection and direction
    base::Duration connect_timeout = std::chrono::seconds(5);
    /// v5 clients that ask for a longer keep alive, or none, are told this one; 0: they are not.
    base::Duration max_keep_alive = std::chrono::minutes(10);
    base::Duration max_session_expiry = std::chrono::hours(24 * 7);
};

/// What the owner does beside the broker.
struct BrokerOptions {
    /// It saves next_changes(). False: nothing is journalled, and nothing waits for a disk.
    bool keeps_state = false;
    /// It keeps receipts of QoS 2 publishes of its own, on disk: it calls restore_receipt() at a
    /// start and answers Released. False: a receipt of the broker's store is all there is.
    bool owner_keeps_receipts = false;
    /// Client identifiers of sessions that nothing of what the owner publishes in two steps is
    /// dropped from: they make holds_back() true, connected or not, while too much waits for them.
    std::vector<std::string> consumers = {};
};

/// What waits for a session named in BrokerOptions::consumers.
struct ConsumerState {
    std::string client_id;
    bool has_session = false, connected = false;
    std::uint64_t waiting_messages = 0, waiting_bytes = 0;  // in flight included
    std::optional<base::Now> holding_since;                 // holds_back() is true for its sake
    std::uint64_t lost_messages = 0;                        // waited for a session that has ended
};

/// Identifies one unacknowledged QoS > 0 publish of one session. Stays valid over reconnects of the
/// session; acknowledging one whose session is gone does nothing.
struct AckToken {
    std::uint64_t session =
        0;  // 0: QoS 0, nothing to acknowledge. Drawn at random for each session
    std::uint16_t packet_id = 0;
    std::uint32_t generation = 0;
};

/// Views in events are valid until the next call of opened, receive, closed or expire.
struct Published {
    std::string_view client_id;
    std::string_view topic;  // alias resolved
    base::ByteView payload;
    base::ByteView properties;  // raw v5 block without Topic Alias and Subscription Identifiers
    Qos qos = Qos::at_most_once;
    bool retain = false;
    bool is_will = false;
    AckToken token;
    /// A QoS 2 publish of which a restart or disconnect_publisher() had interrupted the exchange.
    /// The broker had it already, and has not fanned it out again: the owner takes its share.
    bool already_distributed = false;
    /// Likewise, but it is the owner that had it (restore_receipt): it only acknowledges.
    bool already_yours = false;
    bool may_be_refused = false;  // its sender is told the reason of an acknowledgement (MQTT 5)
    bool dup = false;             // as its sender says: it is not the first time
    /// Its session outlives the process, and `token.session` names it there, too: a receipt of the
    /// owner's has a use. That of another session dies with the connection.
    bool session_is_lasting = false;
};
/// PUBREL has come for a QoS 2 publish: the owner lets go of its receipt, and PUBCOMP waits for
/// acknowledge_release(token). Only with BrokerOptions::owner_keeps_receipts.
struct Released {
    std::string_view client_id;
    std::uint16_t packet_id = 0;
    AckToken token;
};
struct ClientConnected {
    std::string_view client_id;
    bool session_present = false;
};
/// The client's network connection is gone and its will (if any) is due or void.
struct ClientGone {
    std::string_view client_id;
    bool by_disconnect = false;  // a normal DISCONNECT; else the connection just ended
    bool taken_over = false;     // another connection of the same client took the session
};
using BrokerEvent = std::variant<Published, Released, ClientConnected, ClientGone>;

/// A message the owner publishes, or that a restart restores.
struct Message {
    std::string_view topic;
    base::ByteView payload;
    base::ByteView properties;  // raw v5 block
    Qos qos = Qos::at_most_once;
    bool retain = false;
    /// The owner has the retained copy in a store of its own, or makes it afresh at each start: the
    /// broker does not journal it.
    bool owner_keeps_retained = false;
};

/// The stage of an owner's publish that had no first step.
constexpr std::uint64_t kUnstaged = 0;

struct BrokerCounters {
    std::uint64_t connections_accepted = 0, connections_refused = 0;
    std::uint64_t messages_received = 0, messages_sent = 0;
    std::uint64_t bytes_received = 0, bytes_sent = 0;
    std::uint64_t dropped_qos0 = 0, dropped_queue_full = 0;  // per subscriber
    std::uint64_t dropped_expired = 0;                       // likewise: expired in a queue
    std::uint64_t refused_publishes = 0;                     // protected topics
    std::uint64_t restored_left_out = 0;                     // rows of a start that made no sense
    std::uint64_t clients_connected = 0, sessions = 0, subscriptions = 0, retained = 0;
};

class Broker {
public:
    /// `seed` (random at every start) feeds assigned client identifiers and the numbers of
    /// sessions, which are never drawn again. Clients' publishes to `protected_prefix`
    /// topics
    /// ("sallyport/") are refused: v5 0x87, v3.1.1 acknowledged, dropped and counted.
    Broker(const BrokerLimits& limits, std::uint64_t seed, const BrokerOptions& options = {});
    ~Broker();
    Broker(const Broker&) = delete;
    Broker& operator=(const Broker&) = delete;

    /// Topics only the owner may publish on: those under "sallyport/", and those matching filters
    /// added here (for an it-agent: what edges feed).
    void protect(std::string_view filter);

    // A start, before the first input; only with keeps_state.
    /// Takes back what the store found. Rows that contradict each other or that no broker could
    /// have written are left out, counted in `restored_left_out`, and removed by the next changes.
    void restore(const DurableState& state, base::Now now);
    /// The owner's own log has the QoS 2 publish that came in this session (Published's
    /// `token.session`) under this identifier, and has not seen it released. False: the session is
    /// gone, and so is the need for the receipt. The client may have begun another one since, in
    /// which the identifier stands for another message.
    bool restore_receipt(std::uint64_t session, std::uint16_t packet_id);

    // Inputs.
    void opened(base::ConnectionId id, const base::Peer& peer, base::Now now);
    void receive(base::ConnectionId id, base::ByteView bytes, base::Now now);
    void closed(base::ConnectionId id, base::CloseCause cause, base::Now now);
    void expire(base::Now now);
    /// Lets PUBACK or PUBREC leave. A failure code (>= 0x80) reaches v5 clients only; 3.1.1 has no
    /// way to say it and gets the plain acknowledgement.
    void acknowledge(AckToken token, ReasonCode reason, base::Now now);
    /// Its client waits for acknowledge(token), or, of QoS 2, will. False for a QoS 1 publish whose
    /// connection has ended, and where the session has.
    bool awaits(AckToken token) const;
    bool has_session(std::uint64_t session) const;
    /// Answers Released. A token of a session that is gone does nothing.
    void acknowledge_release(AckToken token, base::Now now);
    /// Fan-out and retaining of the owner's own message; makes no Published event.
    void publish(const Message& message, base::Now now);
    /// The same in two steps, for an owner that saves the broker's changes together with its own.
    /// First what is on disk: the retained copy and the queues of lasting sessions, of which nobody
    /// hears before the changes are saved. Shared subscriptions with a lasting member are served by
    /// such a member. Returns the publication's stage number.
    std::uint64_t publish_to_lasting(const Message& message, base::Now now);
    /// Then, when they are saved, everybody else; nobody, if its Message Expiry Interval is 0 by
    /// now. Once for each stage, in order, with the same message; who was served first is not
    /// served again. kUnstaged: there was no first step, as nobody was there to be served by it. A
    /// lasting session that is there by now subscribed too late for this message, and has later
    /// ones.
    void publish_to_passing(const Message& message, std::uint64_t stage, base::Now now);
    /// Puts the message in the place of its topic's retained one. Nobody is told. For a start.
    void set_retained(const Message& message, base::Now now);
    /// Whether the two steps make a difference: there is a lasting session, or one may be a
    /// consumer's. Without one, only what is to be retained needs the first step.
    bool has_lasting_sessions() const;
    /// Replaces payload-less state of a retained message: the properties of the retained copy of
    /// `topic`. Nobody is told. False: nothing is retained there.
    bool replace_retained_properties(std::string_view topic, base::ByteView properties);
    /// The same with another payload, too, which must not be empty.
    bool replace_retained(std::string_view topic, base::ByteView payload,
                          base::ByteView properties);
    /// Stops or resumes reading from the client that holds `token`'s session (its keep alive is
    /// suspended meanwhile). A client's next connection is read.
    void pause_publisher(AckToken token);
    void resume_publisher(AckToken token, base::Now now);
    /// Ends the connection of the client that holds `token`'s session (v5: with `reason`): what it
    /// has not had acknowledged it sends again on its next one. A QoS 2 publish comes again with
    /// `already_distributed`.
    void disconnect_publisher(AckToken token, ReasonCode reason, base::Now now);
    /// Tells every client goodbye (v5: 0x8B) and closes.
    void shut_down(base::Now now);

    /// A batch of next_changes() is on disk, all of it. What waited for it leaves.
    void changes_saved(std::uint64_t upto, base::Now now);

    // Outputs.
    /// All changes since the last batch. Nothing while one is under way: a batch that could not be
    /// written the owner tries again by itself, until it is saved.
    std::optional<DurableChanges> next_changes();
    std::optional<BrokerEvent> next_event();
    std::optional<base::Command> next_command();
    bool take_output(base::ConnectionId id, base::Bytes& out);
    std::optional<base::Instant> next_deadline() const;

    /// True while a connected QoS >= 1 subscriber that makes progress, or a consumer in any state,
    /// has more than half its queue filled: an owner that can wait (the it-agent's downlink) holds
    /// back, before the first of two steps.
    bool holds_back() const;
    /// Likewise before the second: not for a consumer whose session is lasting, and has its share
    /// from the first.
    bool holds_back_passing() const;
    /// Those of BrokerOptions::consumers, in their order.
    std::vector<ConsumerState> consumers() const;
    /// Whether the last publish(), or publish_to_passing() with its first step, found a subscriber.
    bool was_heard() const;
    const BrokerCounters& counters() const;

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace sallyport::mqtt
