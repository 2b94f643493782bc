// QoS 2 over the two stores of an edge that is killed between them: the log and the broker's store
// have each publish once, and no message is taken for another one's repeat.
#include <algorithm>
#include <string>

#include "tests/unit/edge/lasting_fixture.hpp"

namespace sallyport::edge_core {
namespace {

using mqtt::PacketType;

class EdgeReceiptsTest : public EdgeLastingSessionsTest {
protected:
    void send_twice_safe(Client& client, std::string_view value, std::uint16_t packet_id,
                         bool again = false) {
        auto publish = mqtt::message("plant/a", value, mqtt::Qos::exactly_once, packet_id);
        publish.dup = again;
        send(client, publish);
    }
    void release(Client& client, std::uint16_t packet_id) {
        send(client,
             mqtt::Acknowledgement{PacketType::pubrel, packet_id, mqtt::ReasonCode::success, {}});
    }
    void complete(Client& client, std::uint16_t packet_id) {
        EXPECT_TRUE(client.acked(PacketType::pubrec, packet_id));
        release(client, packet_id);
        EXPECT_TRUE(client.acked(PacketType::pubcomp, packet_id));
    }
    Client& panel() {
        auto& client = join_lasting("panel");
        send(client,
             mqtt::Subscribe{7, {}, {{"plant/#", mqtt::Qos::exactly_once, false, true, 0}}});
        EXPECT_TRUE(client.take<mqtt::Suback>());
        return client;
    }
    /// How often the log has "plant/a" with this value.
    std::ptrdiff_t logged(const std::string& value) {
        if (!link_) session_ = &connect_far();
        pass(std::chrono::milliseconds(100));
        const auto story = session_->story();
        return std::ranges::count(story, "plant/a=" + value);
    }
    std::size_t queued() const { return store_.deliveries.size(); }

private:
    FarSession* session_ = nullptr;
};

TEST_F(EdgeReceiptsTest, KilledBehindTheLogsSyncNothingIsThereTwice) {
    hang_up(panel());
    auto& device = join_lasting("device");
    hold_store(true);
    send_twice_safe(device, "1", 5);
    EXPECT_TRUE(device.inbox.empty()) << "the store has not taken it";
    store_is_held_ = false;
    begin();
    EXPECT_EQ(queued(), 0U);
    auto& back = join_lasting("device");
    send_twice_safe(back, "1", 5, true);
    complete(back, 5);
    EXPECT_EQ(logged("1"), 1);
    EXPECT_EQ(queued(), 1U);
}

TEST_F(EdgeReceiptsTest, KilledBehindTheStoresCommitNothingIsThereTwice) {
    hang_up(panel());
    auto& device = join_lasting("device");
    hold_disk();
    send_twice_safe(device, "1", 5);
    EXPECT_TRUE(device.inbox.empty()) << "the log has not taken it";
    EXPECT_EQ(queued(), 1U);
    begin();
    release_disk();
    auto& back = join_lasting("device");
    send_twice_safe(back, "1", 5, true);
    complete(back, 5);
    EXPECT_EQ(logged("1"), 1);
    EXPECT_EQ(queued(), 1U);
}

TEST_F(EdgeReceiptsTest, WhereBothHaveItOnlyTheAnswerIsGivenAgain) {
    hang_up(panel());
    send_twice_safe(join_lasting("device"), "1", 5);
    begin();
    auto& back = join_lasting("device");
    send_twice_safe(back, "1", 5, true);
    complete(back, 5);
    EXPECT_EQ(logged("1"), 1);
    EXPECT_EQ(queued(), 1U);
}

TEST_F(EdgeReceiptsTest, PubcompWaitsUntilTheLogHasForgotten) {
    auto& device = join_lasting("device");
    send_twice_safe(device, "1", 5);
    EXPECT_TRUE(device.acked(PacketType::pubrec, 5));
    hold_disk();
    release(device, 5);
    EXPECT_TRUE(device.inbox.empty());
    release_disk();
    EXPECT_TRUE(device.acked(PacketType::pubcomp, 5));
    begin();
    auto& back = join_lasting("device");
    send_twice_safe(back, "2", 5);  // another message under the same identifier
    complete(back, 5);
    EXPECT_EQ(logged("1"), 1);
    EXPECT_EQ(logged("2"), 1);
}

TEST_F(EdgeReceiptsTest, AReleaseThatIsInTheStoreAloneIsMadeUpFor) {
    auto& device = join_lasting("device");
    send_twice_safe(device, "1", 5);
    EXPECT_TRUE(device.acked(PacketType::pubrec, 5));
    hold_disk();
    release(device, 5);
    EXPECT_TRUE(store_.receipts.empty());
    begin();
    release_disk();
    auto& back = join_lasting("device");
    release(back, 5);
    EXPECT_TRUE(back.acked(PacketType::pubcomp, 5));
    send_twice_safe(back, "2", 5);
    complete(back, 5);
    EXPECT_EQ(logged("2"), 1);
}

TEST_F(EdgeReceiptsTest, AReceiptSwallowsNothingOfALaterSession) {
    send_twice_safe(join_lasting("device"), "1", 5);  // never released
    auto& afresh = join_lasting("device", true);
    hang_up(afresh);
    begin();
    EXPECT_TRUE(core().spool().receipts().empty()) << "its session is gone";
    auto& back = join_lasting("device");
    send_twice_safe(back, "2", 5);
    complete(back, 5);
    EXPECT_EQ(logged("1"), 1);
    EXPECT_EQ(logged("2"), 1);
}

TEST_F(EdgeReceiptsTest, OfASessionThatDiesWithItsConnectionNoneIsKept) {
    for (const auto version : {mqtt::Version::v5, mqtt::Version::v3_1_1}) {
        auto& device = join("device", version);
        send_twice_safe(device, "1", 5);
        EXPECT_TRUE(core().spool().receipts().empty());
        complete(device, 5);
        hang_up(device);
    }
    EXPECT_EQ(logged("1"), 2) << "what a new session sends is new";
}

}  // namespace
}  // namespace sallyport::edge_core
