// Local clients with lasting sessions at the edge's broker: what is on its store, and what waits
// for that.
#include <utility>

#include "common/mqtt/properties.hpp"
#include "tests/unit/edge/edge_fixture.hpp"
#include "tests/unit/mqtt/model_store.hpp"

namespace sallyport::edge_core {
namespace {

using namespace std::chrono_literals;
using mqtt::PacketType;

class EdgeLastingSessionsTest : public EdgeTest {
protected:
    EdgeLastingSessionsTest() {
        options_.keeps_broker_state = true;
        begin();
    }
    void begin() {
        clients_.clear();
        job_.reset();
        start();
        core().restore(store_.state(), now_);
    }
    bool run_storage() override {
        if (!job_) job_ = core().next_broker_job(now_);
        if (job_ && !store_is_held_) {
            const auto job = *std::exchange(job_, std::nullopt);
            BrokerDone done{job.changes->upto, std::nullopt};
            if (failures_left_ > 0) {
                --failures_left_;
                done.error = "disk full";
            } else {
                store_.apply(*job.changes);
            }
            core().complete(done, now_);
            return true;
        }
        return EdgeTest::run_storage();
    }
    Client& join_lasting(std::string_view id) {
        auto connect = hello(id);
        connect.clean_start = false;
        base::Bytes properties;
        mqtt::append_property(properties,
                              {mqtt::PropertyId::session_expiry_interval, 3600, {}, {}});
        connect.properties = properties;
        auto& client = open_client(connect);
        EXPECT_TRUE(client.take<mqtt::Connack>());
        return client;
    }
    void hold_store(bool on) {
        store_is_held_ = on;
        drain();
    }

    mqtt::ModelStore store_;
    int failures_left_ = 0;

private:
    std::optional<BrokerJob> job_;
    bool store_is_held_ = false;
};

TEST_F(EdgeLastingSessionsTest, AnAckWaitsForTheLogAndForTheStore) {
    subscribe(join_lasting("panel"), "plant/#");
    auto& device = join("device");
    hold_store(true);
    publish(device, "plant/a", "1", 1);
    EXPECT_FALSE(device.acked(PacketType::puback, 1)) << "the store has not taken it";
    hold_store(false);
    EXPECT_TRUE(device.acked(PacketType::puback, 1));
    hold_disk();
    publish(device, "plant/a", "2", 2);
    EXPECT_FALSE(device.acked(PacketType::puback, 2)) << "the log has not taken it";
    release_disk();
    EXPECT_TRUE(device.acked(PacketType::puback, 2));
}

TEST_F(EdgeLastingSessionsTest, QueuedMessagesOutliveTheProcess) {
    auto& panel = join_lasting("panel");
    subscribe(panel, "plant/#");
    hang_up(panel);
    auto& device = join("device");
    publish(device, "plant/a", "1", 1);
    EXPECT_TRUE(device.acked(PacketType::puback, 1));
    begin();
    const auto message = join_lasting("panel").take<mqtt::Publish>();
    ASSERT_TRUE(message);
    EXPECT_EQ(base::as_text(message->payload), "1");
}

TEST_F(EdgeLastingSessionsTest, AStoreThatRefusesHoldsOnlyWhatNeedsIt) {
    auto& panel = join_lasting("panel");
    subscribe(panel, "plant/lasting");
    auto& device = join("device");
    failures_left_ = 2;
    publish(device, "plant/lasting", "1", 1);
    publish(device, "plant/other", "2", 2);
    EXPECT_TRUE(device.acked(PacketType::puback, 2));
    EXPECT_TRUE(panel.take<mqtt::Publish>()) << "the subscriber is not kept waiting";
    ASSERT_FALSE(alarms_.empty());
    EXPECT_NE(alarms_.back().find("disk full"), std::string::npos);
    pass(3s);
    EXPECT_TRUE(device.acked(PacketType::puback, 1)) << "tried again by itself";
}

TEST_F(EdgeLastingSessionsTest, TheTunnelsStateIsNeverStale) {
    pass(1s);
    EXPECT_TRUE(store_.retained.empty()) << "each start tells it afresh";
}

}  // namespace
}  // namespace sallyport::edge_core
