// What the edge does while its spool has no room for more.
#include <algorithm>

#include "tests/unit/edge/edge_fixture.hpp"

namespace sallyport::edge_core {
namespace {

using namespace std::chrono_literals;
using mqtt::PacketType;
using mqtt::Qos;

constexpr std::uint16_t kOne = 1, kTwo = 2;

/// The disk hangs and 1 KiB may be pending: one big record takes all the room.
class EdgeFullTest : public EdgeTest {
protected:
    EdgeFullTest() {
        stored_.pending_bytes_max = 1024;
        options_.waiting_publish_bytes_max = 4096;
        options_.waiting_publishes_per_client = 1;
        start();
        session_ = &connect_far();
        plc_ = &join("plc");
    }
    void fill() {
        hold_disk();
        auto& filler = join("filler");
        publish(filler, "plant/full", std::string(2000, 'x'), 1);
        send(filler, mqtt::Disconnect{});
    }
    /// What reached the far side behind the record that filled the spool.
    Lines story() {
        const auto all = session_->story();
        return {all.begin() + (all.empty() ? 0 : 1), all.end()};
    }

    /// Its connection ends without a word and it is back, with its session or a new one.
    void come_back(bool with_session) {
        hang_up(*plc_);
        auto greeting = hello("plc");
        greeting.clean_start = !with_session;
        plc_ = &connect(greeting);
    }
    void publish_again(std::string_view topic, std::string_view payload, std::uint16_t packet_id) {
        auto resent = mqtt::message(topic, payload, Qos::at_least_once, packet_id);
        resent.dup = true;
        send(*plc_, resent);
    }
    std::ptrdiff_t count(std::string_view line) { return std::ranges::count(story(), line); }

    FarSession* session_ = nullptr;
    Client* plc_ = nullptr;
};

TEST_F(EdgeFullTest, Qos0IsShedAndCounted) {
    fill();
    send(*plc_, mqtt::message("plant/a", "shed"));
    EXPECT_EQ(status().shed_qos0, 1U);
    EXPECT_TRUE(plc_->is_read) << "nothing of it waits";
    release_disk();
    send(*plc_, mqtt::message("plant/a", "next"));
    EXPECT_EQ(story(), Lines{"plant/a=next"});
    EXPECT_EQ(status().shed_qos0, 1U);
}

TEST_F(EdgeFullTest, Qos1WaitsWithItsSenderPausedAndFlowsAgain) {
    fill();
    publish(*plc_, "plant/a", "1", 1);
    EXPECT_FALSE(plc_->is_read);
    EXPECT_TRUE(plc_->inbox.empty());
    EXPECT_EQ(status().forwarded, 1U);
    pass(5s);
    EXPECT_TRUE(plc_->inbox.empty());
    release_disk();
    EXPECT_TRUE(plc_->acked(PacketType::puback, 1));
    EXPECT_TRUE(plc_->is_read);
    publish(*plc_, "plant/a", "2", 2);
    EXPECT_TRUE(plc_->acked(PacketType::puback, 2));
    EXPECT_EQ(story(), (Lines{"plant/a=1", "plant/a=2"}));
    EXPECT_EQ(status().shed_qos0, 0U);
}

TEST_F(EdgeFullTest, WhatWaitsKeepsItsOrder) {
    fill();
    auto& oven = join("oven");
    publish(*plc_, "plant/a", "1", 1);
    publish(oven, "plant/b", "2", 1);
    publish(*plc_, "plant/a", "3", 2);  // was read before the pause took hold
    release_disk();
    EXPECT_EQ(story(), (Lines{"plant/a=1", "plant/b=2", "plant/a=3"}));
    EXPECT_TRUE(plc_->acked(PacketType::puback, 1));
    EXPECT_TRUE(plc_->acked(PacketType::puback, 2));
    EXPECT_TRUE(oven.acked(PacketType::puback, 1));
}

TEST_F(EdgeFullTest, APausedSenderIsNotTimedOut) {
    auto with_keep_alive = hello("slow");
    with_keep_alive.keep_alive_s = 10;
    auto& slow = connect(with_keep_alive);
    fill();
    publish(slow, "plant/a", "1", 1);
    pass(60s);
    EXPECT_TRUE(slow.linked);
    release_disk();
    EXPECT_TRUE(slow.acked(PacketType::puback, 1));
}

TEST_F(EdgeFullTest, LocalClientsDoNotFeelIt) {
    auto& display = join("display");
    subscribe(display, "#");
    display.inbox.clear();
    fill();
    display.inbox.clear();
    publish(*plc_, "plant/a", "1", 1);
    const auto seen = display.take<mqtt::Publish>();
    ASSERT_TRUE(seen);
    EXPECT_EQ(base::as_text(seen->payload), "1");
    auto& other = join("other");
    publish(other, "office/a", "2", 9);
    EXPECT_TRUE(other.acked(PacketType::puback, 9));
}

TEST_F(EdgeFullTest, TheSenderOfAPublishBeyondWhatMayWaitIsCutOffAndServedWhenItReturns) {
    fill();
    const std::string half(3000, 'h');
    for (const auto id : {kOne, kTwo}) publish(*plc_, "plant/a", half, id);
    const auto bye = plc_->take<mqtt::Disconnect>();
    ASSERT_TRUE(bye);
    EXPECT_EQ(bye->reason, mqtt::ReasonCode::quota_exceeded);
    EXPECT_FALSE(plc_->linked);
    EXPECT_EQ(status().shed_qos0, 0U) << "it was not QoS 0";
    release_disk();
    auto& again = join("plc");
    for (const auto id : {kOne, kTwo}) {
        publish(again, "plant/a", half, id);
        EXPECT_TRUE(again.acked(PacketType::puback, id));
    }
}

TEST_F(EdgeFullTest, AQos2PublishBeyondWhatMayWaitIsTakenWhenItIsSentAgain) {
    auto lasting = hello("lasting", mqtt::Version::v3_1_1);
    lasting.clean_start = false;
    auto& first = connect(lasting);
    fill();
    const std::string half(3000, 'h');
    for (const auto id : {kOne, kTwo})
        send(first, mqtt::message("plant/a", half, Qos::exactly_once, id));
    EXPECT_FALSE(first.linked);
    release_disk();
    auto& again = connect(lasting);
    for (const auto id : {kOne, kTwo}) {
        auto resent = mqtt::message("plant/a", half, Qos::exactly_once, id);
        resent.dup = true;
        send(again, resent);
        EXPECT_TRUE(again.acked(PacketType::pubrec, id));
    }
    const auto told = story();
    EXPECT_EQ(std::ranges::count(told, "plant/a=" + half), 2);
}

TEST_F(EdgeFullTest, WhatIsSentAgainWhileItWaitsKeepsItsPlaceAndIsTakenOnce) {
    std::string expected = "1";
    for (const bool with_session : {false, true}) {
        fill();
        auto& oven = join("oven");
        publish(*plc_, "plant/a", expected, 1);
        publish(oven, "plant/b", expected, 1);
        for (int i = 0; i < 20; ++i) {  // more than would fit, were each a record of its own
            come_back(with_session);
            publish_again("plant/a", expected, 1);
            EXPECT_TRUE(plc_->is_read) << "nothing more of it waits";
            EXPECT_TRUE(plc_->linked);
        }
        release_disk();
        EXPECT_TRUE(plc_->acked(PacketType::puback, 1)) << "on the connection it has now";
        EXPECT_TRUE(oven.acked(PacketType::puback, 1));
        EXPECT_EQ(count("plant/a=" + expected), 1);
        const auto told = story();
        EXPECT_LT(std::ranges::find(told, "plant/a=" + expected),
                  std::ranges::find(told, "plant/b=" + expected));
        expected = "2";
    }
}

TEST_F(EdgeFullTest, OnlyTheSameBytesWithDupAreTheSamePublish) {
    fill();
    publish(*plc_, "plant/a", "1", 1);
    come_back(true);
    publish(*plc_, "plant/a", "1", 1);  // without DUP: numbered anew
    publish_again("plant/a", "2", 1);
    publish_again("plant/b", "2", 1);
    publish_again("plant/b", "2", 3);
    auto& oven = join("oven");
    auto of_another = mqtt::message("plant/b", "2", Qos::at_least_once, 1);
    of_another.dup = true;
    send(oven, of_another);
    publish_again("plant/b", "2", 1);  // this one is
    release_disk();
    EXPECT_EQ(count("plant/a=1"), 2);
    EXPECT_EQ(count("plant/a=2"), 1);
    EXPECT_EQ(count("plant/b=2"), 3);
    EXPECT_TRUE(plc_->acked(PacketType::puback, 1));
    EXPECT_TRUE(plc_->acked(PacketType::puback, 3));
    EXPECT_TRUE(oven.acked(PacketType::puback, 1));
}

TEST_F(EdgeFullTest, ChangesOfQualityThatWaitKeepTheirOrder) {
    for (const int extra_turns : {0, 1}) {
        publish(*plc_, "plant/a", "1", 1);
        fill();
        hang_up(*plc_);
        plc_ = &join("plc");
        for (int i = 0; i < extra_turns; ++i) core().expire(now_);
        release_disk();
        EXPECT_EQ(story().back(), "plant/a:Uncertain.LastUsable") << "it is connected";
    }
}

TEST_F(EdgeFullTest, AValueIsNotOvertakenByAnOlderChangeOfQuality) {
    publish(*plc_, "plant/a", "1", 1);
    fill();
    hang_up(*plc_);
    plc_ = &join("plc");
    publish(*plc_, "plant/a", "2", 1);
    release_disk();
    EXPECT_EQ(story().back(), "plant/a=2") << "its quality is good since";
}

/// The same, with room for a window of 4 publishes a client.
class EdgeWindowTest : public EdgeFullTest {
protected:
    EdgeWindowTest() {
        options_.waiting_publish_bytes_max = 1U << 20U;
        options_.waiting_publishes_per_client = 4;
        start();
        session_ = &connect_far();
        plc_ = &join("plc");
    }
    void publish_numbered(int from, int to) {
        for (int i = from; i <= to; ++i)
            publish(*plc_, "plant/a", std::to_string(i), static_cast<std::uint16_t>(i));
    }
};

TEST_F(EdgeWindowTest, AClientIsReadOnUntilItsWindowIsFull) {
    fill();
    auto& oven = join("oven");
    publish_numbered(1, 3);
    EXPECT_TRUE(plc_->is_read);
    send(*plc_, mqtt::Pingreq{});
    EXPECT_TRUE(plc_->take<mqtt::Pingresp>());
    publish_numbered(4, 4);
    EXPECT_FALSE(plc_->is_read);
    publish(oven, "plant/b", "1", 1);
    EXPECT_TRUE(oven.is_read) << "the window is each client's own";
    release_disk();
    EXPECT_TRUE(plc_->is_read);
    for (std::uint16_t i = 1; i <= 4; ++i) EXPECT_TRUE(plc_->acked(PacketType::puback, i)) << i;
    EXPECT_EQ(story(), (Lines{"plant/a=1", "plant/a=2", "plant/a=3", "plant/a=4", "plant/b=1"}));
}

TEST_F(EdgeWindowTest, ItEndsAtASixteenthOfTheBytes) {
    fill();
    publish(*plc_, "plant/a", std::string((1U << 20U) / 16, 'x'), 1);
    EXPECT_FALSE(plc_->is_read);
    release_disk();
    EXPECT_TRUE(plc_->is_read);
    EXPECT_TRUE(plc_->acked(PacketType::puback, 1));
}

TEST_F(EdgeWindowTest, WhereHalfOfTheBytesAreTakenTheWindowIsOnePublish) {
    fill();
    for (int i = 0; i < 10; ++i) {
        auto& filler = join("filler" + std::to_string(i));
        publish(filler, "plant/filler", std::string((1U << 20U) / 16, 'x'), 1);
    }
    publish_numbered(1, 1);
    EXPECT_FALSE(plc_->is_read);
    release_disk();
    EXPECT_TRUE(plc_->is_read);
    EXPECT_TRUE(plc_->acked(PacketType::puback, 1));
    publish_numbered(2, 2);
    EXPECT_TRUE(plc_->acked(PacketType::puback, 2));
}

TEST_F(EdgeWindowTest, AllOfAWindowThatIsSentAgainIsTakenOnce) {
    fill();
    publish_numbered(1, 4);
    come_back(true);
    for (std::uint16_t i = 1; i <= 4; ++i) publish_again("plant/a", std::to_string(i), i);
    EXPECT_TRUE(plc_->is_read) << "nothing new waits";
    publish_numbered(5, 5);
    EXPECT_FALSE(plc_->is_read) << "on its new connection, too";
    release_disk();
    EXPECT_TRUE(plc_->is_read);
    for (std::uint16_t i = 1; i <= 5; ++i) EXPECT_TRUE(plc_->acked(PacketType::puback, i)) << i;
    auto values = story();
    std::erase_if(values, [](const auto& line) { return line.find('=') == line.npos; });
    EXPECT_EQ(values, (Lines{"plant/a=1", "plant/a=2", "plant/a=3", "plant/a=4", "plant/a=5"}));
}

/// A small log with when_full = "refuse", and nobody who takes anything.
class EdgeRefuseTest : public EdgeTest {
protected:
    EdgeRefuseTest() {
        stored_.max_bytes = 1U << 20U;
        stored_.segment_bytes_max = 128U << 10U;
        stored_.entry_bytes_max = 4096;
        stored_.when_full = spool::WhenFull::refuse;
        options_.waiting_publishes_per_client = 2;
        start();
        plc_ = &join("plc");
    }
    /// Publishes until the log is full; gives how many were taken.
    int fill() {
        for (int count = 0; count < 2000; ++count) {
            publish(*plc_, "plant/fill", std::string(2000, 'f'), kOne);
            const auto ack = plc_->take<mqtt::Acknowledgement>();
            if (!ack) return -1;
            if (ack->reason != mqtt::ReasonCode::success) {
                EXPECT_EQ(ack->reason, mqtt::ReasonCode::quota_exceeded);
                return count;
            }
        }
        return -1;
    }

    Client* plc_ = nullptr;
};

TEST_F(EdgeRefuseTest, AFullLogRefusesAndDropsNothing) {
    const auto taken = fill();
    ASSERT_GT(taken, 200);
    EXPECT_EQ(status().forwarded, static_cast<std::uint64_t>(taken));
    EXPECT_EQ(status().refused_full, 1U);
    EXPECT_TRUE(status().spool.full);
    EXPECT_LE(status().spool.bytes, stored_.max_bytes);
    send(*plc_, mqtt::message("plant/a", "2", Qos::exactly_once, 9));
    const auto pubrec = plc_->take<mqtt::Acknowledgement>();
    ASSERT_TRUE(pubrec);
    EXPECT_EQ(pubrec->type, PacketType::pubrec);
    EXPECT_EQ(pubrec->reason, mqtt::ReasonCode::quota_exceeded);
    send(*plc_, mqtt::message("plant/a", "shed"));
    EXPECT_EQ(status().shed_qos0, 1U);
    EXPECT_TRUE(plc_->linked);
    EXPECT_EQ(status().spool.dropped_records, 0U);
    EXPECT_EQ(status().spool.pending_bytes, 0U) << "all that was taken is on disk";
}

TEST_F(EdgeRefuseTest, AnOlderClientWaitsAndAllFlowsAgainByItself) {
    ASSERT_GT(fill(), 200);
    auto& old = join("old", mqtt::Version::v3_1_1);
    publish(old, "plant/old", "waits", 5);
    EXPECT_TRUE(old.inbox.empty());
    EXPECT_TRUE(old.is_read);
    publish(old, "plant/old", "waits, too", 6);
    EXPECT_TRUE(old.inbox.empty());
    EXPECT_FALSE(old.is_read);
    auto& display = join("display");
    subscribe(display, "plant/#");
    display.inbox.clear();
    publish(*plc_, "plant/local", "seen", kTwo);
    EXPECT_TRUE(display.take<mqtt::Publish>()) << "local fan-out goes on";
    EXPECT_TRUE(plc_->take<mqtt::Acknowledgement>());
    auto& session = connect_far();
    pass(5s);
    EXPECT_TRUE(old.acked(PacketType::puback, 5));
    EXPECT_TRUE(old.acked(PacketType::puback, 6));
    EXPECT_TRUE(old.is_read);
    EXPECT_FALSE(status().spool.full);
    publish(*plc_, "plant/local", "taken", kTwo);
    EXPECT_TRUE(plc_->acked(PacketType::puback, kTwo));
    const auto told = session.story();
    EXPECT_EQ(std::ranges::count(told, "plant/old=waits"), 1);
    EXPECT_EQ(std::ranges::count(told, "plant/local=seen"), 0) << "it was refused";
    EXPECT_EQ(std::ranges::count(told, "plant/local=taken"), 1);
}

}  // namespace
}  // namespace sallyport::edge_core
