// A store of broker state as it should be, in memory: it applies a batch whole or not at all, and
// complains of changes that make no sense in their order.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>

#include "common/mqtt/durable_state.hpp"

namespace sallyport::mqtt {

class ModelStore {
public:
    void apply(const DurableChanges& batch) {
        for (const auto& change : batch.changes)
            std::visit([this](const auto& one) { apply(one); }, change);
        check();
    }

    DurableState state() const {
        DurableState state;
        for (const auto& [client_id, row] : sessions) state.sessions.push_back(row);
        for (const auto& [key, row] : subscriptions) state.subscriptions.push_back(row);
        for (const auto& [number, row] : messages) state.messages.push_back(row);
        for (const auto& [key, row] : deliveries) state.deliveries.push_back(row);
        for (const auto& [client_id, packet_id] : receipts)
            state.receipts.push_back({client_id, packet_id});
        for (const auto& [topic, row] : retained) state.retained.push_back(row);
        return state;
    }

    /// What the rows contradict each other in; empty: nothing.
    std::string faults;

    std::map<std::string, SessionPut> sessions;
    std::map<std::pair<std::string, std::string>, SubscriptionPut> subscriptions;
    std::map<MessageNumber, MessagePut> messages;
    std::map<std::pair<std::string, DeliveryOrder>, DeliveryPut> deliveries;
    std::set<std::pair<std::string, std::uint16_t>> receipts;
    std::map<std::string, RetainedPut> retained;

private:
    void apply(const SessionPut& row) { sessions[row.client_id] = row; }
    void apply(const SessionGone& row) {
        sessions.erase(row.client_id);
        const auto is_its = [&](const auto& entry) { return entry.first.first == row.client_id; };
        std::erase_if(subscriptions, is_its);
        std::erase_if(deliveries, is_its);
        std::erase_if(receipts, [&](const auto& entry) { return entry.first == row.client_id; });
    }
    void apply(const SubscriptionPut& row) {
        expect_session(row.client_id, "subscription");
        subscriptions[{row.client_id, row.filter}] = row;
    }
    void apply(const SubscriptionGone& row) { subscriptions.erase({row.client_id, row.filter}); }
    void apply(const MessagePut& row) {
        if (!row.message) faults += "message without content; ";
        if (!messages.emplace(row.number, row).second) faults += "message twice; ";
    }
    void apply(const MessageGone& row) {
        if (messages.erase(row.number) == 0) faults += "gone message was not there; ";
    }
    void apply(const DeliveryPut& row) {
        expect_session(row.client_id, "delivery");
        if (row.released ? row.message != 0 : !messages.contains(row.message))
            faults += "delivery of no message; ";
        deliveries[{row.client_id, row.order}] = row;
    }
    void apply(const DeliveryGone& row) { deliveries.erase({row.client_id, row.order}); }
    void apply(const ReceiptPut& row) {
        expect_session(row.client_id, "receipt");
        receipts.emplace(row.client_id, row.packet_id);
    }
    void apply(const ReceiptGone& row) { receipts.erase({row.client_id, row.packet_id}); }
    void apply(const RetainedPut& row) {
        if (!row.message) faults += "retained without content; ";
        retained[row.topic] = row;
    }
    void apply(const RetainedGone& row) { retained.erase(row.topic); }

    void expect_session(const std::string& client_id, std::string_view what) {
        if (!sessions.contains(client_id)) faults += std::string(what) + " of no session; ";
    }
    /// After a batch every message is named by a delivery, and every delivery names a message.
    void check() {
        std::set<MessageNumber> named;
        for (const auto& [key, row] : deliveries) {
            if (row.message == 0) continue;
            named.insert(row.message);
            if (!messages.contains(row.message)) faults += "delivery outlives its message; ";
        }
        if (named.size() != messages.size()) faults += "message outlives its deliveries; ";
    }
};

}  // namespace sallyport::mqtt
