// The broker's state and its operations, one .cpp a topic: broker.cpp (inputs and framing),
// broker_output.cpp (replies, closing, output), sessions.cpp (a session's life), fan_out.cpp (one
// message to its subscribers), owner_publish.cpp (the owner's messages), subscriber_window.cpp
// (what a subscriber is sent next), keep_state.cpp (what is journalled), hold_until_saved.cpp (what
// waits for the disk), restore_state.cpp (a start), consumers.cpp (sessions that lose nothing), and
// one handle_*.cpp a packet type.
#pragma once

#include <compare>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <vector>

#include "common/mqtt/authorisation.hpp"
#include "common/mqtt/broker.hpp"
#include "common/mqtt/encode.hpp"
#include "common/mqtt/encoded_publish.hpp"
#include "common/mqtt/journal.hpp"
#include "common/mqtt/recipients.hpp"
#include "common/mqtt/retained_store.hpp"
#include "common/mqtt/session.hpp"
#include "common/mqtt/subscription_tree.hpp"
#include "common/mqtt/text_map.hpp"

namespace sallyport::mqtt {

/// A CONNECT may be this long, whatever max_packet_bytes says: who has not said who it is gets
/// little.
constexpr std::size_t kConnectBytesMax = 384U << 10U;
/// QoS 1 and 2 messages leave the queue only while less than this waits to be written.
constexpr std::size_t kOutputTargetBytes = 256U << 10U;
/// A congested subscriber that has completed no message for this long makes no progress.
constexpr base::Duration kProgressWindow = std::chrono::seconds(10);

/// What a CONNECT's properties ask for.
struct ConnectTerms {
    base::Duration expiry{};                        // as granted
    std::optional<std::uint32_t> granted_expiry_s;  // to be told, where it is not what was asked
    std::uint16_t keep_alive_s = 0;                 // as it holds; 0: off
    std::uint16_t receive_maximum = 65'535;
    std::size_t packet_bytes_max = std::numeric_limits<std::size_t>::max();
    bool has_authentication = false;
};

/// Something that waits until a change is on disk. It says where to look, not what to do: what is
/// due is judged when the time has come, so one that has become void does nothing.
struct Held {
    enum class Kind : std::uint8_t { receipt, flight, reply };

    std::uint64_t until = 0;  // number of the change
    Kind kind{};
    std::uint64_t key = 0;  // session; reply: connection
    std::uint16_t packet_id = 0;

    friend auto operator<=>(const Held&, const Held&) = default;
};

Published to_event(const Session& session, const Publish& publish, AckToken token);

/// Whom a distribution serves (publish_to_lasting, publish_to_passing).
enum class Step : std::uint8_t { all, lasting, passing };

/// What the first step of a publication in two has served.
struct Stage {
    std::vector<std::uint64_t> sessions;  // keys, sorted
    std::vector<std::uint64_t> groups;    // ids, sorted
};
/// A retained copy between its two steps: journalled, and shown to nobody.
struct StagedRetained {
    std::uint64_t stage = 0;
    StoredMessagePtr message;  // none: cleared
};

class Broker::Impl {
public:
    Impl(const BrokerLimits& limits, std::uint64_t seed, const BrokerOptions& options);

    void restore(const DurableState& state, base::Now now);
    bool restore_receipt(std::uint64_t session_key, std::uint16_t packet_id);

    void protect(std::string_view filter) { authorisation_.protect(filter); }
    void opened(base::ConnectionId id, base::Now now);
    void receive(base::ConnectionId id, base::ByteView bytes, base::Now now);
    void closed(base::ConnectionId id, base::Now now);
    void expire(base::Now now);
    void acknowledge(AckToken token, ReasonCode reason, base::Now now);
    bool awaits(AckToken token);
    bool has_session(std::uint64_t session_key) { return find_session(session_key) != nullptr; }
    void acknowledge_release(AckToken token, base::Now now);
    void publish(const Message& message, base::Now now);
    std::uint64_t publish_to_lasting(const Message& message, base::Now now);
    void publish_to_passing(const Message& message, std::uint64_t stage, base::Now now);
    void set_retained(const Message& message, base::Now now);
    bool has_lasting_sessions() const { return lasting_sessions_ > 0 || !consumers_.empty(); }
    void changes_saved(std::uint64_t upto, base::Now now);
    std::optional<DurableChanges> next_changes() { return journal_.take(now_); }
    bool replace_retained(std::string_view topic, std::optional<base::ByteView> payload,
                          base::ByteView properties);
    void pause_publisher(AckToken token);
    void resume_publisher(AckToken token, base::Now now);
    void disconnect_publisher(AckToken token, ReasonCode reason, base::Now now);
    void shut_down(base::Now now);
    std::optional<BrokerEvent> next_event();
    std::optional<base::Command> next_command();
    bool take_output(base::ConnectionId id, base::Bytes& out);
    std::optional<base::Instant> next_deadline() const { return deadlines_.first(); }
    bool holds_back() const { return holding_ > 0; }
    bool holds_back_passing() const;
    std::vector<ConsumerState> consumers() const;
    bool was_heard() const { return !recipients_.all().empty() || !matches_.groups.empty(); }
    const BrokerCounters& counters() const { return counters_; }

private:
    // broker.cpp: inputs, framing, deadlines
    void begin_input(base::Now now);
    Connection* find_connection(base::ConnectionId id);
    std::size_t consume(Connection& connection, base::ByteView bytes);
    std::size_t assemble(Connection& connection, base::ByteView bytes);
    std::size_t packet_bytes_max(const Connection& connection) const;
    void reject(Connection& connection, ReasonCode reason);
    void process(Connection& connection, base::ByteView packet);
    void on_due(const Deadline& due);
    void judge_silence(Connection& connection);

    // handle_connect.cpp
    void handle_first(Connection& connection, base::ByteView packet);
    void refuse_undecodable(Connection& connection, base::ByteView packet, ReasonCode reason);
    void refuse(Connection& connection, Version version, ReasonCode reason);
    ConnectTerms read_terms(const Connect& connect) const;
    std::uint16_t keep_alive_for(const Connect& connect) const;
    std::optional<ReasonCode> refusal(const Connect& connect, const ConnectTerms& terms);
    void accept(Connection& connection, const Connect& connect, const ConnectTerms& terms);
    void attach(Connection& connection, Session& session, const Connect& connect,
                const ConnectTerms& terms);
    void send_connack(Connection& connection, const Connect& connect, const ConnectTerms& terms,
                      const Session& session, bool session_present);
    std::string assign_client_id();

    // handle_*.cpp, one a packet type
    void handle(Connection& connection, const Publish& received);
    void handle(Connection& connection, const Acknowledgement& received);
    void handle(Connection& connection, const Subscribe& received);
    void handle(Connection& connection, const Unsubscribe& received);
    void handle(Connection& connection, const Disconnect& received);
    void handle(Connection& connection, const Pingreq&) { send(connection, Pingresp{}); }
    /// A second CONNECT, an AUTH that nobody asked for, a packet that only servers send.
    template <class P>
    void handle(Connection& connection, const P&) {
        disconnect(connection, ReasonCode::protocol_error);
    }

    // handle_publish.cpp
    std::optional<ReasonCode> resolve_topic(Attached& attached, Publish& publish);
    void receive_at_most_once(Session& session, const Publish& publish);
    void receive_acknowledged(Connection& connection, Session& session, const Publish& publish);
    void answer_refused(Connection& connection, Session& session, const Publish& publish,
                        ReasonCode reason);
    void receive_repeat(Session& session, const Publish& publish,
                        InboundReceipts::Receipt& earlier);
    void distribute_acknowledged(Session& session, const Publish& publish,
                                 InboundReceipts::Receipt& receipt);
    void forget_held(const Session& session, std::uint16_t packet_id,
                     const InboundReceipts::Receipt& receipt);
    void answer_receipt(Session& session, std::uint16_t packet_id);

    // handle_acknowledgement.cpp
    void on_puback(Connection& connection, Session& session, std::uint16_t packet_id);
    void on_pubrec(Connection& connection, Session& session, const Acknowledgement& received);
    void on_pubrel(Connection& connection, Session& session, std::uint16_t packet_id);
    void release_flight(Session& session, std::uint16_t packet_id, OutboundQueue::InFlight& entry);
    void begin_release(Session& session, std::uint16_t packet_id,
                       InboundReceipts::Receipt& receipt);
    void on_pubcomp(Session& session, std::uint16_t packet_id);
    void complete(Session& session, std::uint16_t packet_id);

    // handle_subscribe.cpp
    ReasonCode subscribe(Session& session, const SubscribeFilter& wanted, std::uint32_t identifier,
                         bool& brings_retained);
    void send_retained(Session& session, const SubscribeFilter& wanted, std::uint32_t identifier);
    void send_staged_retained(Session& session, const SubscribeFilter& wanted,
                              std::uint32_t identifier);

    // sessions.cpp
    Session* find_session(std::string_view client_id);
    Session* find_session(std::uint64_t key);
    std::uint64_t next_random();
    Session& begin_session(std::string client_id, std::uint64_t key = 0);
    void detach(Session& session, bool by_disconnect);
    bool release_for_successor(Session& session, bool clean_start);
    void tell_gone(Session& session);
    void publish_will(Session& session);
    void end_session(Session& session);

    // fan_out.cpp
    void distribute(const Publish& message, const Session* publisher);
    void deliver(Session& session, Qos qos, bool retain, bool shared);
    void deliver_at_most_once(Session& session, bool retain, bool shared);
    void deliver_acknowledged(Session& session, Qos qos, bool retain, bool shared);
    void deliver_shared(ShareGroup& group);
    bool serves(const Session& session, Qos qos) const;
    static bool is_served_first(const Session& session, Qos qos);
    bool serves(const ShareGroup& group) const;
    const Subscriber& choose_member(ShareGroup& group);
    void retain_passing();
    void retain(std::string_view topic, const StoredMessagePtr& message);
    const StoredMessagePtr& stored_passing();

    // owner_publish.cpp
    void stage_retained(const Message& message, std::uint64_t stage);
    bool show_retained(const StoredMessagePtr& message);
    void show_staged_retained(std::string_view topic, std::uint64_t stage);
    StoredMessagePtr altered(const StoredMessage& message, std::optional<base::ByteView> payload,
                             base::ByteView properties);

    // keep_state.cpp
    void keep_session(Session& session);
    void unkeep_session(Session& session);
    void keep_lists(Session& session, bool on);
    void keep_subscription(Session& session, std::string_view filter,
                           const SubscriptionOptions& options, bool is_new);
    void unkeep_subscription(Session& session, std::string_view filter);
    std::uint64_t keep_delivery(const Session& session, const Delivery& delivery,
                                std::uint16_t packet_id, bool released, bool is_new);
    void unkeep_delivery(const Session& session, const Delivery& delivery);
    void unkeep_message(const StoredMessagePtr& message);
    void keep_receipt(const Session& session, std::uint16_t packet_id,
                      InboundReceipts::Receipt& receipt);
    void unkeep_receipt(const Session& session, std::uint16_t packet_id,
                        InboundReceipts::Receipt& receipt);
    void keep_retained(const StoredMessagePtr& message, bool is_new);
    void forget_retained(std::string_view topic);
    void unkeep_retained(std::string_view topic);

    // hold_until_saved.cpp
    void hold_flight(const Session& session, std::uint16_t packet_id, std::uint64_t until);
    void release_saved();
    void release(const Held& held);
    template <class P>
    void send_after(Connection& connection, const P& packet, std::uint64_t until) {
        if (journal_.is_saved(until)) {
            send(connection, packet);
            return;
        }
        HeldReply reply{until, {}};
        encode(reply.packet, packet, connection.attached()->version);
        hold_reply(connection, std::move(reply));
    }
    void hold_reply(Connection& connection, HeldReply reply);
    void release_replies(Connection& connection);

    // restore_state.cpp
    void restore_session(const SessionPut& row);
    void restore_subscription(const SubscriptionPut& row);
    void restore_messages(const std::vector<MessagePut>& rows,
                          std::unordered_map<MessageNumber, StoredMessagePtr>& messages);
    void restore_delivery(const DeliveryPut& row,
                          const std::unordered_map<MessageNumber, StoredMessagePtr>& messages);
    void restore_stored_receipt(const ReceiptPut& row);
    void restore_retained(const RetainedPut& row);
    void leave_out(DurableChange gone);

    // subscriber_window.cpp
    Connection* online(const Session& session) const;
    bool has_room_at_most_once(const Session& session, const Connection& connection,
                               std::size_t bytes) const;
    void overflow(const Session& session, Connection& connection, Delivery delivery);
    void trim_overflow(const Session& session, Connection& connection);
    void send_overflow(const Session& session, Connection& connection);
    bool may_begin(const Session& session, const Connection& connection) const;
    void enqueue(Session& session, Delivery delivery);
    void trim(Session& session);
    void complete_delivery(Session& session, std::uint16_t packet_id);
    void pump(Session& session);
    void send_in_flight(Connection& connection, Session& session, std::uint16_t packet_id);
    void send_waiting(Connection& connection, Session& session);
    std::uint16_t begin_flight(Session& session, Delivery delivery);
    bool hold_first_sending(const Session& session, std::uint16_t packet_id);
    Publish to_packet(const Delivery& delivery, Version version);
    bool write(Connection& connection, const Publish& packet);
    void update_holding(Session& session);
    bool is_congested(const Session& session) const;

    // consumers.cpp
    base::Duration session_expiry_max(std::string_view client_id) const;
    void let_go_of_consumer(Session& session);

    // broker_output.cpp
    template <class P>
    void send(Connection& connection, const P& packet) {
        const Attached* attached = connection.attached();
        if (attached == nullptr) return;
        const std::size_t start = connection.output.size();
        if constexpr (std::is_same_v<P, Pingresp>)
            encode(connection.output, packet);
        else
            encode(connection.output, packet, attached->version);
        finish_reply(connection, start);
    }
    void finish_reply(Connection& connection, std::size_t start);
    void announce(Connection& connection);
    void close(Connection& connection, bool flush);
    void disconnect(Connection& connection, ReasonCode reason, bool flush = true);
    void abandon(Connection& connection);
    std::uint64_t deadline_key(const Connection& connection) const {
        return static_cast<std::uint64_t>(connection.id);
    }

    BrokerLimits limits_;
    BrokerOptions options_;
    std::uint64_t random_state_;
    base::Now now_{};
    BrokerCounters counters_;
    Authorisation authorisation_;
    Deadlines deadlines_;
    SubscriptionTree subscriptions_;
    RetainedStore retained_;
    std::unordered_map<base::ConnectionId, std::unique_ptr<Connection>> connections_;
    TextMap<std::unique_ptr<Session>> sessions_;
    std::unordered_map<std::uint64_t, Session*> sessions_by_key_;
    std::size_t holding_ = 0;           // sessions for which holds_back() is true
    TextMap<std::uint64_t> consumers_;  // what of each was lost, by client identifier

    Journal journal_;
    std::set<Held> held_;
    MessageNumber last_message_number_ = 0;
    std::uint64_t last_stage_ = 0;
    std::map<std::uint64_t, Stage> stages_;  // those whose first step has served anybody
    std::size_t lasting_sessions_ = 0;       // whose lists are kept
    TextMap<StagedRetained> staged_retained_;

    std::vector<BrokerEvent> events_;
    std::size_t events_taken_ = 0;
    std::vector<base::Command> commands_;
    std::size_t commands_taken_ = 0;

    // What the present events view; freed at the next input.
    base::Bytes assembled_;
    std::deque<base::Bytes> event_blocks_;
    std::deque<OwnedWill> event_wills_;
    std::vector<std::shared_ptr<const std::string>> event_topics_;
    std::vector<std::unique_ptr<Session>> ended_;

    // The message in distribution and scratch memory that is used again for the next.
    Publish passing_;
    std::string_view passing_publisher_;
    StoredMessagePtr passing_stored_;
    bool passing_owner_keeps_ = false;  // Message::owner_keeps_retained
    EncodedPublish encoded_;
    SubscriptionTree::Matches matches_;
    Recipients recipients_;
    std::vector<std::uint32_t> identifiers_;
    base::Bytes block_;
    std::vector<StoredMessagePtr> matched_retained_;
    std::vector<Delivery> trimmed_;
    std::vector<StoredMessagePtr> retained_expired_;
    Step step_ = Step::all;
    Stage stage_;  // of the distribution under way
};

}  // namespace sallyport::mqtt
