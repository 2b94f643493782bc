// A broker's store in a file of its own, and changes to put into it.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "common/storage/broker_store.hpp"

namespace sallyport::storage {

inline const base::WallTime kNow{1'800'000'000'000'000'000};

inline base::Bytes bytes(std::string_view text) {
    return {text.begin(), text.end()};
}
inline mqtt::DurableMessage message(std::string topic, std::string_view payload,
                                    std::optional<base::WallTime> expires_at = std::nullopt) {
    return {std::move(topic), bytes(payload),           {},
            "publisher",      mqtt::Qos::at_least_once, expires_at};
}
inline mqtt::MessagePut put(mqtt::MessageNumber number, mqtt::DurableMessage message) {
    return {number, std::make_shared<const mqtt::DurableMessage>(std::move(message))};
}
inline mqtt::SessionPut session(std::string client_id, std::uint32_t expiry_s = 3600,
                                std::optional<base::WallTime> ended_at = std::nullopt) {
    return {std::move(client_id), expiry_s, ended_at, std::nullopt};
}
inline mqtt::DeliveryPut delivery(std::string client_id, mqtt::DeliveryOrder order,
                                  mqtt::MessageNumber number) {
    mqtt::DeliveryPut made;
    made.client_id = std::move(client_id);
    made.order = order;
    made.message = number;
    return made;
}
inline mqtt::RetainedPut retained(mqtt::DurableMessage message) {
    auto topic = message.topic;
    return {std::move(topic), std::make_shared<const mqtt::DurableMessage>(std::move(message))};
}

class BrokerStoreTest : public testing::Test {
protected:
    BrokerStoreTest() {
        std::string form = testing::TempDir() + "sallyport-store-XXXXXX";
        folder_ = ::mkdtemp(form.data());
    }
    ~BrokerStoreTest() override {
        close();
        std::filesystem::remove_all(folder_);
    }
    std::string path() const { return (folder_ / "broker.db").string(); }
    void close() {
        store_.reset();
        database_.reset();
    }
    BrokerStore& store() {
        if (!store_) {
            database_ = std::make_unique<Database>(path());
            store_ = std::make_unique<BrokerStore>(*database_);
        }
        return *store_;
    }
    Database& database() {
        store();
        return *database_;
    }
    void apply(std::vector<mqtt::DurableChange> changes) {
        auto& store = this->store();
        Transaction transaction(*database_);
        store.apply({0, std::move(changes)});
        transaction.commit();
    }
    /// As after a restart.
    mqtt::DurableState load(base::WallTime now = kNow) {
        close();
        return store().load(now);
    }
    std::int64_t rows(const std::string& table) {
        auto count = database().prepare("SELECT count(*) FROM " + table);
        EXPECT_TRUE(count.step());
        return count.integer(0);
    }

    std::filesystem::path folder_;
    std::unique_ptr<Database> database_;
    std::unique_ptr<BrokerStore> store_;
};

}  // namespace sallyport::storage
