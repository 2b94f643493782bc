// ack = "delivered": what a device is told when every destination has its record, and not before;
// what it sends again meanwhile; restarts, refusals and a full spool.
#include <algorithm>
#include <string>

#include "tests/unit/edge/lasting_fixture.hpp"

namespace sallyport::edge_core {
namespace {

using namespace std::chrono_literals;
using mqtt::PacketType;
using mqtt::Qos;
using mqtt::ReasonCode;

class DeliveryAcksTest : public EdgeLastingSessionsTest {
protected:
    DeliveryAcksTest() {
        options_.forwards = {{"plant/fast"}, {"plant/#"}};
        options_.forwards[1].ack_delivered = true;
        begin();
    }
    FarSession& far_that_waits(const Lines& topics = {"#"}) {
        auto& session = connect_far(topics);
        far().acknowledges_ = false;
        return session;
    }
    void acknowledge_all(FarSession& session) {
        far().acknowledge(session, session.entries.back(), now_);
        drain();
    }
    void send_as(Client& client, std::string_view value, std::uint16_t packet_id,
                 Qos qos = Qos::at_least_once, bool again = false) {
        auto publish = mqtt::message("plant/a", value, qos, packet_id);
        publish.dup = again;
        send(client, publish);
    }
    void send_again(Client& client, std::string_view value, std::uint16_t packet_id,
                    Qos qos = Qos::at_least_once) {
        send_as(client, value, packet_id, qos, true);
    }
    static std::ptrdiff_t count(const FarSession& session, const std::string& value) {
        const auto story = session.story();
        return std::ranges::count(story, "plant/a=" + value);
    }
};

TEST_F(DeliveryAcksTest, TheAckWaitsForTheFarSideAndOthersOvertakeIt) {
    for (const auto qos : {Qos::at_least_once, Qos::exactly_once}) {
        begin();
        auto& session = far_that_waits();
        auto& device = join("device");
        send_as(device, "1", 1, qos);
        publish(device, "plant/fast", "2", 2);
        EXPECT_TRUE(device.acked(PacketType::puback, 2));
        pass(5s);
        EXPECT_TRUE(device.inbox.empty()) << "on disk is not enough";
        EXPECT_EQ(status().delivery_acks, 1U);
        acknowledge_all(session);
        EXPECT_TRUE(
            device.acked(qos == Qos::exactly_once ? PacketType::pubrec : PacketType::puback, 1));
        EXPECT_EQ(status().delivery_acks, 0U);
    }
}

TEST_F(DeliveryAcksTest, ItWaitsForEveryDestination) {
    options_.destinations = {"hq", "lab"};
    begin();
    auto& hq = far_that_waits();
    auto& lab = far().open(900, "acme/lab", {"#"}, now_);
    drain();
    auto& device = join("device");
    send_as(device, "1", 1);
    acknowledge_all(hq);
    EXPECT_TRUE(device.inbox.empty()) << "lab has not got it";
    acknowledge_all(lab);
    EXPECT_TRUE(device.acked(PacketType::puback, 1));
}

TEST_F(DeliveryAcksTest, NoCopiesPileUpWhileADeviceComesBackAgainAndAgain) {
    for (const auto qos : {Qos::at_least_once, Qos::exactly_once}) {
        begin();
        auto& session = far_that_waits();
        const std::string value = qos == Qos::exactly_once ? "two" : "one";
        auto* device = &join_lasting("device");
        send_as(*device, value, 9, qos);
        for (int i = 0; i < 20; ++i) {
            hang_up(*device);
            device = &join_lasting("device");
            send_again(*device, value, 9, qos);
        }
        EXPECT_TRUE(device->inbox.empty());
        acknowledge_all(session);
        EXPECT_TRUE(
            device->acked(qos == Qos::exactly_once ? PacketType::pubrec : PacketType::puback, 9));
        EXPECT_EQ(count(session, value), 1);
    }
}

TEST_F(DeliveryAcksTest, WhatIsDeliveredWhileTheDeviceIsAwayIsAnsweredWhenItIsBack) {
    auto& session = far_that_waits();
    auto& device = join_lasting("device");
    send_as(device, "1", 9);
    hang_up(device);
    acknowledge_all(session);
    auto& back = join_lasting("device");
    send_again(back, "1", 9);
    EXPECT_TRUE(back.acked(PacketType::puback, 9));
    EXPECT_EQ(count(session, "1"), 1);
    EXPECT_TRUE(core().spool().receipts().empty());
}

TEST_F(DeliveryAcksTest, AnotherMessageUnderTheSameIdentifierIsARecord) {
    auto& session = far_that_waits();
    auto& device = join_lasting("device");
    send_as(device, "1", 9);
    hang_up(device);
    auto& back = join_lasting("device");
    send_as(back, "1", 9);     // not marked as a repeat
    send_again(back, "2", 9);  // other bytes
    EXPECT_EQ(count(session, "1"), 2);
    EXPECT_EQ(count(session, "2"), 1);
    acknowledge_all(session);
    EXPECT_TRUE(back.acked(PacketType::puback, 9));
    EXPECT_TRUE(back.inbox.empty());
}

TEST_F(DeliveryAcksTest, ARestartOfTheEdgeRebuildsThem) {
    for (const auto qos : {Qos::at_least_once, Qos::exactly_once}) {
        begin();
        far_that_waits();
        const std::string value = qos == Qos::exactly_once ? "two" : "one";
        send_as(join_lasting("device"), value, 9, qos);
        begin();
        EXPECT_EQ(status().delivery_acks, 1U);
        auto& back = join_lasting("device");
        send_again(back, value, 9, qos);
        EXPECT_TRUE(back.inbox.empty()) << "still not delivered";
        EXPECT_EQ(count(connect_far(), value), 1);
        if (qos == Qos::exactly_once) {
            EXPECT_TRUE(back.acked(PacketType::pubrec, 9));
            send(back, mqtt::Acknowledgement{PacketType::pubrel, 9, ReasonCode::success, {}});
            EXPECT_TRUE(back.acked(PacketType::pubcomp, 9));
        } else {
            EXPECT_TRUE(back.acked(PacketType::puback, 9));
        }
        EXPECT_TRUE(core().spool().receipts().empty());
    }
}

TEST_F(DeliveryAcksTest, APubrelEndsAWaitThatARestartBroughtBack) {
    auto& session = far_that_waits();
    auto& device = join_lasting("device");
    send_as(device, "1", 9, Qos::exactly_once);
    hold_disk();  // that it is delivered is not saved
    acknowledge_all(session);
    EXPECT_TRUE(device.acked(PacketType::pubrec, 9));
    begin();
    release_disk();
    auto& back = join_lasting("device");
    send(back, mqtt::Acknowledgement{PacketType::pubrel, 9, ReasonCode::success, {}});
    EXPECT_TRUE(back.acked(PacketType::pubcomp, 9));
    send_as(back, "1", 9, Qos::exactly_once);  // another message, of the same bytes
    EXPECT_EQ(count(connect_far(), "1"), 2);
    EXPECT_TRUE(back.acked(PacketType::pubrec, 9));
}

TEST_F(DeliveryAcksTest, TheAnswerWaitsUntilTheLogHasForgotten) {
    auto& session = far_that_waits();
    auto& device = join_lasting("device");
    send_as(device, "1", 9);
    hold_disk();
    acknowledge_all(session);
    EXPECT_TRUE(device.inbox.empty()) << "a start would take another message for this one";
    release_disk();
    EXPECT_TRUE(device.acked(PacketType::puback, 9));
}

TEST_F(DeliveryAcksTest, WhatEndsInTheLedgerIsSaidSo) {
    auto& session = far_that_waits({"plant/fast"});
    auto& newer = join("newer");
    auto& older = join("older", mqtt::Version::v3_1_1);
    send_as(newer, "1", 1);
    send_as(older, "2", 1);
    publish(newer, "plant/fast", "3", 2);
    EXPECT_TRUE(newer.acked(PacketType::puback, 2));
    acknowledge_all(session);
    EXPECT_TRUE(newer.acked(PacketType::puback, 1, ReasonCode::implementation_specific_error));
    EXPECT_TRUE(older.acked(PacketType::puback, 1)) << "it cannot be told";
}

TEST_F(DeliveryAcksTest, ThatItEndedInTheLedgerOutlivesARestart) {
    auto& session = far_that_waits({"plant/fast"});
    auto& device = join_lasting("device");
    send_as(device, "1", 1);
    hang_up(device);
    auto& other = join("other");
    publish(other, "plant/fast", "3", 2);
    acknowledge_all(session);
    pass(2s);  // the cursor is saved
    begin();
    auto& back = join_lasting("device");
    send_again(back, "1", 1);
    EXPECT_TRUE(back.acked(PacketType::puback, 1, ReasonCode::implementation_specific_error));
}

TEST_F(DeliveryAcksTest, AQoS2PublishThatEndedInTheLedgerIsAnsweredToWhoComesBack) {
    for (const auto version : {mqtt::Version::v5, mqtt::Version::v3_1_1}) {
        begin();
        auto& session = far_that_waits({"plant/fast"});
        auto hello_again = hello("device", version);
        hello_again.clean_start = false;
        base::Bytes properties;
        mqtt::append_property(properties,
                              {mqtt::PropertyId::session_expiry_interval, 3600, {}, {}});
        if (version == mqtt::Version::v5) hello_again.properties = properties;
        auto& device = connect(hello_again);
        send_as(device, "1", 1, Qos::exactly_once);
        hang_up(device);
        auto& other = join("other");
        publish(other, "plant/fast", "3", 2);
        acknowledge_all(session);
        const auto forwarded = status().forwarded;
        auto& back = connect(hello_again);
        send_again(back, "1", 1, Qos::exactly_once);
        EXPECT_TRUE(back.acked(PacketType::pubrec, 1,
                               version == mqtt::Version::v5
                                   ? ReasonCode::implementation_specific_error
                                   : ReasonCode::success));
        EXPECT_EQ(status().forwarded, forwarded) << "no second record";
    }
}

TEST_F(DeliveryAcksTest, WillsAreARecordEach) {
    auto& session = far_that_waits();
    for (int i = 0; i < 2; ++i) {
        auto dying = hello("device");
        dying.will = mqtt::Will{"plant/a", base::as_bytes("gone"), {}, Qos::exactly_once, false};
        hang_up(connect(dying));
    }
    EXPECT_EQ(count(session, "gone"), 2);
    EXPECT_EQ(status().delivery_acks, 0U) << "nobody waits";
}

TEST_F(DeliveryAcksTest, WithoutDestinationsNobodyWaits) {
    far_that_waits();
    send_as(join_lasting("device"), "1", 9);
    options_.destinations.clear();
    begin();
    auto& back = join_lasting("device");
    send_again(back, "1", 9);
    EXPECT_TRUE(back.acked(PacketType::puback, 9));
}

/// A log of eight segments that drops its oldest.
class DeliveryAcksFullTest : public DeliveryAcksTest {
protected:
    DeliveryAcksFullTest() {
        stored_.max_bytes = 256U << 10U;
        stored_.segment_bytes_max = 32U << 10U;
        stored_.entry_bytes_max = 4096;
        begin();
    }
    /// What needs no delivery, until it is refused or 1 MiB is through.
    std::size_t fill(Client& client) {
        std::size_t taken = 0;
        for (; taken < 256; ++taken) {
            publish(client, "plant/fast", std::string(4000, 'x'), 7);
            const auto ack = client.take<mqtt::Acknowledgement>();
            if (!ack || ack->reason != ReasonCode::success) break;
        }
        return taken;
    }
};

TEST_F(DeliveryAcksFullTest, WhatWaitsIsNeverDropped) {
    auto& device = join_lasting("device");
    send_as(device, "1", 1);
    auto& filler = join("filler");
    const auto taken = fill(filler);
    EXPECT_GT(taken, 20U);
    EXPECT_LT(taken, 256U) << "refused, as nothing may go";
    EXPECT_EQ(status().spool.dropped_records, 0U);
    auto& session = connect_far();
    pass(2s);
    EXPECT_EQ(count(session, "1"), 1);
    EXPECT_TRUE(device.acked(PacketType::puback, 1));
    EXPECT_GT(fill(filler), 0U) << "it flows again by itself";
}

TEST_F(DeliveryAcksFullTest, AFullLogThatDropsOthersRefusesIt) {
    auto& filler = join("filler");
    EXPECT_EQ(fill(filler), 256U) << "the oldest goes";
    EXPECT_GT(status().spool.dropped_records, 0U);
    auto& newer = join("newer");
    send_as(newer, "1", 1);
    EXPECT_TRUE(newer.acked(PacketType::puback, 1, ReasonCode::quota_exceeded));
    auto& older = join("older", mqtt::Version::v3_1_1);
    send_as(older, "1", 1);
    EXPECT_FALSE(older.linked) << "it stands in nobody's way";
    EXPECT_EQ(fill(filler), 256U);
}

}  // namespace
}  // namespace sallyport::edge_core
