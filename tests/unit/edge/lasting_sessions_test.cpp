// Local clients with lasting sessions at the edge's broker: what is on its store, and what waits
// for that.
#include "tests/unit/edge/lasting_fixture.hpp"

namespace sallyport::edge_core {
namespace {

using namespace std::chrono_literals;
using mqtt::PacketType;

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
