// What of the MQTT broker outlives its process, in SQLite: tables sessions, subscriptions,
// messages, deliveries, receipts and retained, component "broker" of whatever file they stand in.
// The contract of the data is common/mqtt/durable_state.hpp; the broker decides, this only keeps.
#pragma once

#include <cstdint>
#include <vector>

#include "common/mqtt/durable_state.hpp"
#include "common/storage/database.hpp"

namespace sallyport::storage {

/// What load() left out, in rows, and took from the file.
struct BrokerLoadReport {
    std::int64_t sessions_expired = 0;
    std::int64_t deliveries_expired = 0;  // queued; one in flight may be sent again, expired or not
    std::int64_t retained_expired = 0;
    std::int64_t without_session = 0;    // subscriptions, deliveries, receipts
    std::int64_t without_message = 0;    // deliveries
    std::int64_t messages_unneeded = 0;  // named by no delivery any more
    bool cleaned = true;                 // false: the disk refused; the next load tries again
};

/// Not thread-safe, as its Database. Everything throws DatabaseError.
class BrokerStore {
public:
    /// Makes or migrates the tables. Refuses tables of a later version. `database` outlives this.
    explicit BrokerStore(Database& database);
    /// The tables alone, for whose own tables stand in the same file; in the caller's transaction
    /// where one is open.
    static void bring_up_to_date(Database& database);

    /// Takes what is contradictory or over out of the file, in one transaction, and gives the rest.
    /// A disk that refuses the clean-up does not keep it from loading. An expired session whose
    /// will is not published is given, without its lists: the broker owes the will. A row that
    /// cannot be is damage.
    mqtt::DurableState load(base::WallTime now);
    const BrokerLoadReport& report() const { return report_; }

    /// Inside the caller's transaction, which makes them durable. After an error that transaction
    /// must not be committed.
    void apply(const mqtt::DurableChanges& changes);

private:
    void write(const mqtt::SessionPut& put);
    void write(const mqtt::SessionGone& gone);
    void write(const mqtt::SubscriptionPut& put);
    void write(const mqtt::SubscriptionGone& gone);
    void write(const mqtt::MessagePut& put);
    void write(const mqtt::MessageGone& gone);
    void write(const mqtt::DeliveryPut& put);
    void write(const mqtt::DeliveryGone& gone);
    void write(const mqtt::ReceiptPut& put);
    void write(const mqtt::ReceiptGone& gone);
    void write(const mqtt::RetainedPut& put);
    void write(const mqtt::RetainedGone& gone);

    Database& database_;
    BrokerLoadReport report_;
    std::vector<std::int64_t> orphans_;  // messages that sessions gone in this batch had queued
    Statement put_session_, drop_session_, put_subscription_, drop_subscription_,
        drop_subscriptions_, put_message_, drop_message_, drop_unneeded_message_, put_delivery_,
        drop_delivery_, messages_of_session_, drop_deliveries_, put_receipt_, drop_receipt_,
        drop_receipts_, put_retained_, drop_retained_;
};

}  // namespace sallyport::storage
