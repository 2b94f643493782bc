#include "common/storage/broker_store.hpp"

#include "common/base/assert.hpp"

namespace sallyport::storage {
namespace {

// SQLite's integers are signed: 64-bit numbers are stored as their two's complement.
std::int64_t stored(std::uint64_t value) {
    return static_cast<std::int64_t>(value);
}
std::int64_t stored(mqtt::Qos qos) {
    return static_cast<std::int64_t>(qos);
}

void bind_time(Statement& statement, int parameter, std::optional<base::WallTime> time) {
    if (time)
        statement.bind(parameter, time->ns);
    else
        statement.bind(parameter, nullptr);
}

/// Four bytes each, low byte first.
base::Bytes packed(const std::vector<std::uint32_t>& numbers) {
    base::Bytes bytes;
    for (const auto number : numbers)
        for (unsigned shift = 0; shift < 32; shift += 8)
            bytes.push_back(static_cast<std::uint8_t>(number >> shift));
    return bytes;
}

/// Parameters 1 to 6 of put_message_ and put_retained_: the key, then the message.
template <class Key>
void bind_message(Statement& statement, const Key& key, const mqtt::DurableMessage& message) {
    statement.reset();
    statement.bind(1, key);
    bind_time(statement, 2, message.expires_at);
    statement.bind(3, stored(message.qos));
    statement.bind(4, std::string_view(message.publisher));
    statement.bind(5, base::ByteView(message.properties));
    statement.bind(6, base::ByteView(message.payload));
}

}  // namespace

BrokerStore::BrokerStore(Database& database)
    : database_((bring_up_to_date(database), database)),
      put_session_(database.prepare(
          "REPLACE INTO sessions(client_id, expiry_s, ended_at, will_topic, will_payload, "
          "will_properties, will_qos, will_retain, will_delay_ns, key) "
          "VALUES(?,?,?,?,?,?,?,?,?,?)")),
      drop_session_(database.prepare("DELETE FROM sessions WHERE client_id = ?")),
      put_subscription_(database.prepare(
          "REPLACE INTO subscriptions(client_id, filter, qos, no_local, retain_as_published, "
          "identifier) VALUES(?,?,?,?,?,?)")),
      drop_subscription_(
          database.prepare("DELETE FROM subscriptions WHERE client_id = ? AND filter = ?")),
      drop_subscriptions_(database.prepare("DELETE FROM subscriptions WHERE client_id = ?")),
      put_message_(database.prepare("REPLACE INTO messages(number, expires_at, qos, publisher, "
                                    "properties, payload, topic) VALUES(?,?,?,?,?,?,?)")),
      drop_message_(database.prepare("DELETE FROM messages WHERE number = ?")),
      drop_unneeded_message_(
          database.prepare("DELETE FROM messages WHERE number = ?1 AND NOT EXISTS "
                           "(SELECT 1 FROM deliveries WHERE message = ?1)")),
      put_delivery_(database.prepare(
          "REPLACE INTO deliveries(client_id, place, message, qos, retain, shared, "
          "subscription_ids, packet_id, released) VALUES(?,?,?,?,?,?,?,?,?)")),
      drop_delivery_(database.prepare("DELETE FROM deliveries WHERE client_id = ? AND place = ?")),
      messages_of_session_(database.prepare("SELECT message FROM deliveries WHERE client_id = ?")),
      drop_deliveries_(database.prepare("DELETE FROM deliveries WHERE client_id = ?")),
      put_receipt_(database.prepare("REPLACE INTO receipts(client_id, packet_id) VALUES(?,?)")),
      drop_receipt_(database.prepare("DELETE FROM receipts WHERE client_id = ? AND packet_id = ?")),
      drop_receipts_(database.prepare("DELETE FROM receipts WHERE client_id = ?")),
      put_retained_(database.prepare("REPLACE INTO retained(topic, expires_at, qos, publisher, "
                                     "properties, payload) VALUES(?,?,?,?,?,?)")),
      drop_retained_(database.prepare("DELETE FROM retained WHERE topic = ?")) {}

void BrokerStore::apply(const mqtt::DurableChanges& changes) {
    SALLYPORT_ASSERT(database_.in_transaction());
    orphans_.clear();
    for (const auto& change : changes.changes)
        std::visit([this](const auto& each) { write(each); }, change);
    // Only now: a later change of the batch may have queued such a message for somebody else.
    for (const auto number : orphans_) drop_unneeded_message_.with(number).run();
}

void BrokerStore::write(const mqtt::SessionPut& put) {
    auto& row = put_session_;
    row.reset();
    row.bind(1, std::string_view(put.client_id));
    row.bind(2, stored(put.expiry_s));
    bind_time(row, 3, put.ended_at);
    for (int parameter = 4; parameter <= 9; ++parameter) row.bind(parameter, nullptr);
    if (put.will) {
        row.bind(4, std::string_view(put.will->topic));
        row.bind(5, base::ByteView(put.will->payload));
        row.bind(6, base::ByteView(put.will->properties));
        row.bind(7, stored(put.will->qos));
        row.bind(8, std::int64_t{put.will->retain});
        row.bind(9, std::int64_t{put.will->delay.count()});
    }
    row.bind(10, stored(put.key));
    row.run();
}

void BrokerStore::write(const mqtt::SessionGone& gone) {
    const std::string_view client = gone.client_id;
    messages_of_session_.with(client);
    while (messages_of_session_.step()) orphans_.push_back(messages_of_session_.integer(0));
    drop_deliveries_.with(client).run();
    drop_subscriptions_.with(client).run();
    drop_receipts_.with(client).run();
    drop_session_.with(client).run();
}

void BrokerStore::write(const mqtt::SubscriptionPut& put) {
    put_subscription_
        .with(std::string_view(put.client_id), std::string_view(put.filter),
              stored(put.options.qos), std::int64_t{put.options.no_local},
              std::int64_t{put.options.retain_as_published}, stored(put.options.identifier))
        .run();
}

void BrokerStore::write(const mqtt::SubscriptionGone& gone) {
    drop_subscription_.with(std::string_view(gone.client_id), std::string_view(gone.filter)).run();
}

void BrokerStore::write(const mqtt::MessagePut& put) {
    bind_message(put_message_, stored(put.number), *put.message);
    put_message_.bind(7, std::string_view(put.message->topic)).run();
}

void BrokerStore::write(const mqtt::MessageGone& gone) {
    drop_message_.with(stored(gone.number)).run();
}

void BrokerStore::write(const mqtt::DeliveryPut& put) {
    const auto ids = packed(put.subscription_ids);
    put_delivery_
        .with(std::string_view(put.client_id), stored(put.order), stored(put.message),
              stored(put.qos), std::int64_t{put.retain}, std::int64_t{put.shared},
              base::ByteView(ids), std::int64_t{put.packet_id}, std::int64_t{put.released})
        .run();
}

void BrokerStore::write(const mqtt::DeliveryGone& gone) {
    drop_delivery_.with(std::string_view(gone.client_id), stored(gone.order)).run();
}

void BrokerStore::write(const mqtt::ReceiptPut& put) {
    put_receipt_.with(std::string_view(put.client_id), std::int64_t{put.packet_id}).run();
}

void BrokerStore::write(const mqtt::ReceiptGone& gone) {
    drop_receipt_.with(std::string_view(gone.client_id), std::int64_t{gone.packet_id}).run();
}

void BrokerStore::write(const mqtt::RetainedPut& put) {
    bind_message(put_retained_, std::string_view(put.topic), *put.message);
    put_retained_.run();
}

void BrokerStore::write(const mqtt::RetainedGone& gone) {
    drop_retained_.with(std::string_view(gone.topic)).run();
}

}  // namespace sallyport::storage
