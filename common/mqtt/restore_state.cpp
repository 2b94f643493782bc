// A start: the broker takes back what its owner's store found. Rows are not believed: what no
// broker could have written, or what contradicts other rows, is left out, counted, and removed from
// the disk.
#include <algorithm>
#include <utility>

#include "common/base/assert.hpp"
#include "common/base/mutants.hpp"
#include "common/mqtt/broker_impl.hpp"
#include "common/mqtt/properties.hpp"
#include "common/mqtt/topic.hpp"
#include "common/mqtt/topic_levels.hpp"
#include "common/mqtt/utf8.hpp"

namespace sallyport::mqtt {
namespace {

/// A client gets at least this long to come back before a restart publishes its will.
constexpr base::Duration kWillGrace = std::chrono::seconds(10);
/// Numbers that rise by one never come so far; a greater one is damage.
constexpr std::uint64_t kNumberMax = 1ULL << 62U;

bool is_good_topic(std::string_view topic) {
    return topic.size() <= kTopicBytesMax && is_valid_utf8(topic) && is_valid_topic_name(topic);
}

bool is_good_filter(std::string_view filter) {
    return filter.size() <= kTopicBytesMax && is_valid_utf8(filter) &&
           is_valid_topic_filter(filter);
}

bool is_good(Qos qos) {
    return qos <= Qos::exactly_once;
}

bool is_good(const std::optional<OwnedWill>& will) {
    return !will ||
           (is_good_topic(will->topic) && is_good(will->qos) && will->delay >= base::Duration{} &&
            !check_properties(will->properties, PropertyPlace::will));
}

bool is_good(const std::shared_ptr<const DurableMessage>& message) {
    return message && is_good_topic(message->topic) && is_good(message->qos) &&
           !check_properties(message->properties, PropertyPlace::publish);
}

/// The identifiers of one session are as many as its subscriptions may be.
bool is_good(const DeliveryPut& row, std::size_t identifiers_max) {
    const bool is_acknowledged = row.qos == Qos::at_least_once || row.qos == Qos::exactly_once;
    const bool is_release = row.packet_id != 0 && row.qos == Qos::exactly_once;
    const auto is_identifier = [](std::uint32_t id) { return id > 0 && id <= kRemainingLengthMax; };
    return row.order > 0 && row.order <= kNumberMax && is_acknowledged &&
           (!row.released || is_release) && row.subscription_ids.size() <= identifiers_max &&
           std::ranges::all_of(row.subscription_ids, is_identifier);
}

StoredMessagePtr from_durable(const DurableMessage& durable, base::Now now) {
    auto message = std::make_shared<StoredMessage>();
    message->topic = durable.topic;
    message->payload = durable.payload;
    message->properties = durable.properties;
    message->publisher = durable.publisher;
    message->qos = durable.qos;
    if (durable.expires_at) message->expires_at = now.instant + (*durable.expires_at - now.wall);
    return message;
}

}  // namespace

void Broker::Impl::restore(const DurableState& state, base::Now now) {
    SALLYPORT_ASSERT(options_.keeps_state && sessions_.empty() && connections_.empty());
    now_ = now;
    for (const auto& row : state.sessions) restore_session(row);
    for (const auto& row : state.subscriptions) restore_subscription(row);
    std::unordered_map<MessageNumber, StoredMessagePtr> messages;
    restore_messages(state.messages, messages);
    for (const auto& row : state.deliveries) restore_delivery(row, messages);
    for (const auto& row : state.receipts) restore_stored_receipt(row);
    for (const auto& row : state.retained) restore_retained(row);
    for (const auto& [number, message] : messages)
        if (message->deliveries == 0) journal_.add(MessageGone{number});
    for (const auto& [client_id, session] : sessions_) {
        trim(*session);
        update_holding(*session);
    }
    counters_.sessions = sessions_.size();
    counters_.subscriptions = subscriptions_.size();
    counters_.retained = retained_.size();
}

void Broker::Impl::leave_out(DurableChange gone) {
    ++counters_.restored_left_out;
    journal_.add(std::move(gone));
}

/// A session that was connected lost its connection with the process: it ends from now.
void Broker::Impl::restore_session(const SessionPut& row) {
    const bool is_lasting = row.expiry_s > 0;
    const bool is_good_id = !row.client_id.empty() && row.client_id.size() <= kTopicBytesMax &&
                            is_valid_utf8(row.client_id);
    if (!is_good_id || !is_good(row.will) || (!is_lasting && !row.will) ||
        sessions_.size() >= limits_.max_sessions) {
        if (find_session(row.client_id) == nullptr) leave_out(SessionGone{row.client_id});
        return;
    }
    if (find_session(row.client_id) != nullptr) {
        ++counters_.restored_left_out;
        return;
    }
    Session& session = begin_session(row.client_id, row.key);
    session.expiry = std::min(base::Duration(std::chrono::seconds(row.expiry_s)),
                              session_expiry_max(row.client_id));
    session.will = row.will;
    session.is_kept = true;
    keep_lists(session, is_lasting);
    session.return_voids_will = !row.ended_at;
    session.ended_at = std::min(row.ended_at.value_or(now_.wall), now_.wall);
    if (!row.ended_at) keep_session(session);
    const base::Instant ended = now_.instant - (now_.wall - *session.ended_at);
    base::Instant expires = std::max(ended + session.expiry, now_.instant);
    if (session.will) {
        const auto at = ended + std::min(session.will->delay, session.expiry);  // 3.1.3.2.2
        const auto due = std::max(at, now_.instant + kWillGrace);
        deadlines_.set(session.will_due, due, DeadlineKind::will, session.key);
        expires = std::max(expires, due);
    }
    deadlines_.set(session.expiry_due, expires, DeadlineKind::session, session.key);
}

void Broker::Impl::restore_subscription(const SubscriptionPut& row) {
    Session* session = find_session(row.client_id);
    const bool is_possible = session != nullptr && session->lists_are_kept &&
                             is_good_filter(row.filter) && is_good(row.options.qos) &&
                             row.options.identifier <= kRemainingLengthMax &&
                             session->subscriptions.size() < limits_.max_subscriptions_per_client &&
                             count_levels(row.filter) <= limits_.max_topic_levels;
    if (!is_possible) {
        leave_out(SubscriptionGone{row.client_id, row.filter});
        return;
    }
    if (!session->subscriptions.emplace(row.filter, row.options).second) {
        ++counters_.restored_left_out;
        return;
    }
    subscriptions_.add(row.filter, Subscriber{session, row.options});
}

void Broker::Impl::restore_messages(const std::vector<MessagePut>& rows,
                                    std::unordered_map<MessageNumber, StoredMessagePtr>& messages) {
    for (const auto& row : rows) {
        if (row.number == 0 || row.number > kNumberMax || !is_good(row.message)) {
            leave_out(MessageGone{row.number});
            continue;
        }
        last_message_number_ = std::max(last_message_number_, row.number);
        const auto message = from_durable(*row.message, now_);
        message->number = row.number;
        if (!messages.emplace(row.number, message).second) ++counters_.restored_left_out;
    }
}

void Broker::Impl::restore_delivery(
    const DeliveryPut& row, const std::unordered_map<MessageNumber, StoredMessagePtr>& messages) {
    Session* session = find_session(row.client_id);
    if (session != nullptr && row.order < session->outbound.next_order()) {
        ++counters_.restored_left_out;  // there is one of this order, which must stay
        return;
    }
    const auto message = messages.find(row.message);
    const bool is_possible =
        session != nullptr && session->lists_are_kept &&
        is_good(row, limits_.max_subscriptions_per_client) &&
        (row.released || message != messages.end()) &&
        (row.packet_id == 0 || session->outbound.find(row.packet_id) == nullptr);
    if (!is_possible) {
        leave_out(DeliveryGone{row.client_id, row.order});
        return;
    }
    if (base::mutant(base::Mutant::delivery_not_restored)) return;
    if (!row.released) ++message->second->deliveries;
    Delivery delivery{row.released ? StoredMessagePtr{} : message->second,
                      row.qos,
                      row.retain,
                      row.shared,
                      row.subscription_ids,
                      row.order,
                      0,
                      session->is_consumer};
    session->outbound.restore(std::move(delivery), row.packet_id, row.released);
}

void Broker::Impl::restore_stored_receipt(const ReceiptPut& row) {
    Session* session = find_session(row.client_id);
    if (session == nullptr || !session->lists_are_kept || row.packet_id == 0) {
        leave_out(ReceiptGone{row.client_id, row.packet_id});
        return;
    }
    if (session->inbound.find(row.packet_id) != nullptr) {
        ++counters_.restored_left_out;
        return;
    }
    if (base::mutant(base::Mutant::receipt_not_restored)) return;
    auto& receipt = session->inbound.begin(row.packet_id, Qos::exactly_once, {});
    receipt.state = InboundReceipts::State::interrupted;
    receipt.owner_has_it = !options_.owner_keeps_receipts;
    receipt.kept = true;
}

bool Broker::Impl::restore_receipt(std::uint64_t session_key, std::uint16_t packet_id) {
    Session* session = find_session(session_key);
    if (session == nullptr || !session->lists_are_kept || packet_id == 0) return false;
    auto* receipt = session->inbound.find(packet_id);
    if (receipt == nullptr) {
        receipt = &session->inbound.begin(packet_id, Qos::exactly_once, {});
        receipt->state = InboundReceipts::State::interrupted;
        receipt->distributed = false;
    }
    receipt->owner_has_it = true;
    return true;
}

void Broker::Impl::restore_retained(const RetainedPut& row) {
    if (!is_good(row.message) || row.message->topic != row.topic || row.message->payload.empty()) {
        leave_out(RetainedGone{row.topic});
        return;
    }
    const auto message = from_durable(*row.message, now_);
    if (message->expired(now_.instant)) {
        journal_.add(RetainedGone{row.topic});
    } else if (!retained_.set(message, now_.instant)) {
        leave_out(RetainedGone{row.topic});
    }
}

}  // namespace sallyport::mqtt
