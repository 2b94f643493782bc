#include "tests/unit/edge/edge_fixture.hpp"

namespace sallyport::edge_core {
namespace {

using namespace std::chrono_literals;
using mqtt::PacketType;
using mqtt::Qos;
using mqtt::ReasonCode;
using mqtt::Version;

class EdgeCoreTest : public EdgeTest {
protected:
    EdgeCoreTest() { start(); }
};

TEST_F(EdgeCoreTest, PubackFollowsTheDisk) {
    auto& plc = join("plc");
    hold_disk();
    publish(plc, "plant/a", "1", 1);
    EXPECT_TRUE(plc.inbox.empty());
    EXPECT_EQ(status().pending_acks, 1U);
    release_disk();
    EXPECT_TRUE(plc.acked(PacketType::puback, 1));
    EXPECT_EQ(status().forwarded, 1U);
    EXPECT_EQ(status().pending_acks, 0U);
}

TEST_F(EdgeCoreTest, PubrecFollowsTheDisk) {
    auto& plc = join("plc", Version::v3_1_1);
    hold_disk();
    send(plc, mqtt::message("plant/a", "1", Qos::exactly_once, 5));
    EXPECT_TRUE(plc.inbox.empty());
    release_disk();
    EXPECT_TRUE(plc.acked(PacketType::pubrec, 5));
}

TEST_F(EdgeCoreTest, WhatIsNotForwardedIsAcknowledgedAtOnce) {
    auto& plc = join("plc");
    hold_disk();
    publish(plc, "office/a", "1", 1);
    EXPECT_TRUE(plc.acked(PacketType::puback, 1));
    EXPECT_EQ(status().forwarded, 0U);
}

TEST_F(EdgeCoreTest, LocalClientsAreServedWhileTheDiskHangs) {
    auto& plc = join("plc");
    auto& display = join("display");
    subscribe(display, "plant/#");
    hold_disk();
    publish(plc, "plant/a", "1", 1);
    const auto seen = display.take<mqtt::Publish>();
    ASSERT_TRUE(seen);
    EXPECT_EQ(seen->topic, "plant/a");
    send(plc, mqtt::Pingreq{});
    EXPECT_TRUE(plc.take<mqtt::Pingresp>());
    EXPECT_TRUE(join("late").linked);
}

TEST_F(EdgeCoreTest, ARecordSaysHowItWasPublished) {
    auto& session = connect_far();
    auto& plc = join("plc");
    auto value = mqtt::message("plant/a", "1", Qos::at_least_once, 1);
    value.retain = true;
    send(plc, value);
    ASSERT_EQ(session.story(), Lines{"plant/a=1"});
    const auto& record = session.entries[0].records[0];
    EXPECT_EQ(record::qos_of(record.flags), 1U);
    EXPECT_TRUE(record.flags & record::kRetain);
    EXPECT_EQ(record.quality, record::Quality::good);
}

TEST_F(EdgeCoreTest, TheFarSidesAckIsWhatIsAcknowledged) {
    auto& session = connect_far();
    far().acknowledges_ = false;
    auto& plc = join("plc");
    publish(plc, "plant/a", "1", 1);
    EXPECT_TRUE(plc.acked(PacketType::puback, 1)) << "on disk is enough for the device";
    EXPECT_EQ(core().acknowledged("hq"), 0U);
    far().acknowledge(session, session.entries.at(0), now_);
    drain();
    EXPECT_EQ(core().acknowledged("hq"), 1U);
}

TEST_F(EdgeCoreTest, ATopicOverOneKibibyteIsNotForwarded) {
    auto& plc = join("plc");
    publish(plc, "plant/" + std::string(tunnel::kTopicBytesMax - 6, 'x'), "1", 1);
    EXPECT_TRUE(plc.acked(PacketType::puback, 1));
    publish(plc, "plant/" + std::string(tunnel::kTopicBytesMax - 5, 'x'), "1", 2);
    EXPECT_TRUE(plc.acked(PacketType::puback, 2, ReasonCode::topic_name_invalid));
    publish(plc, "office/" + std::string(tunnel::kTopicBytesMax, 'x'), "1", 3);
    EXPECT_TRUE(plc.acked(PacketType::puback, 3)) << "no rule wants it";
    EXPECT_EQ(status().refused_topics, 1U);
    EXPECT_EQ(status().forwarded, 1U);
}

TEST_F(EdgeCoreTest, AClientCannotSpeakForTheAgent) {
    options_.forwards = {{"#"}};
    start();
    auto& session = connect_far();
    auto& plc = join("plc");
    publish(plc, "sallyport/tunnel", "forged", 1);
    EXPECT_TRUE(plc.acked(PacketType::puback, 1, ReasonCode::not_authorized));
    publish(plc, "$SYS/uptime", "1", 2);
    EXPECT_TRUE(plc.take<mqtt::Acknowledgement>());
    EXPECT_EQ(session.story(), Lines{});
}

TEST_F(EdgeCoreTest, ADiskErrorWithholdsAcksUntilItWorksAgain) {
    auto& plc = join("plc");
    disk_.fail(simulation::ModelDisk::Kind::sync, 1, spool::DiskError::io);
    publish(plc, "plant/a", "1", 1);
    EXPECT_TRUE(plc.inbox.empty());
    ASSERT_EQ(alarms_.size(), 1U);
    EXPECT_NE(alarms_[0].find("disk fails"), std::string::npos);
    pass(1100ms);
    EXPECT_TRUE(plc.acked(PacketType::puback, 1));
    EXPECT_EQ(status().spool.failing, std::nullopt);
}

TEST_F(EdgeCoreTest, WithoutAFarSideItIsABroker) {
    options_.destinations.clear();
    options_.forwards.clear();
    start();
    auto& plc = join("plc");
    hold_disk();
    publish(plc, "plant/a", "1", 1);
    EXPECT_TRUE(plc.acked(PacketType::puback, 1));
    pass(5s);
    EXPECT_FALSE(dialled_);
}

TEST_F(EdgeCoreTest, TellsLocalClientsOfTheTunnel) {
    auto& display = join("display");
    subscribe(display, "sallyport/tunnel");
    const auto says = [&](std::string_view what) {
        std::string newest;
        while (const auto seen = display.take<mqtt::Publish>()) {
            EXPECT_EQ(seen->topic, "sallyport/tunnel");
            newest = base::as_text(seen->payload);
        }
        return newest.find(what) != std::string::npos ? testing::AssertionSuccess()
                                                      : testing::AssertionFailure() << newest;
    };
    EXPECT_TRUE(says(R"("destinations":{"hq":"lost"})"));
    connect_far();
    pass(3s);
    EXPECT_TRUE(says(R"({"link":"up","destinations":{"hq":"live"},"since":")"));
    pass(10s);
    EXPECT_TRUE(display.inbox.empty()) << "told on change only";
    lose_link();
    pass(200ms);
    EXPECT_TRUE(says(R"("hq":"lost")"));
    // Who comes later sees the state, too.
    auto& late = join("late");
    subscribe(late, "sallyport/#");
    const auto retained = late.take<mqtt::Publish>();
    ASSERT_TRUE(retained);
    EXPECT_TRUE(retained->retain);
    EXPECT_NE(base::as_text(retained->payload).find(R"("hq":"lost")"), std::string_view::npos);
}

TEST_F(EdgeCoreTest, ABrokenConnectionLeavesItsTagsNotConnected) {
    auto& session = connect_far();
    auto& plc = join("plc");
    publish(plc, "plant/a", "1", 1);
    publish(plc, "plant/b", "2", 2);
    hang_up(plc);
    auto& again = join("plc");
    publish(again, "plant/b", "3", 1);
    EXPECT_EQ(session.story(), (Lines{"plant/a=1", "plant/b=2", "plant/a,plant/b:Bad.NotConnected",
                                      "plant/a,plant/b:Uncertain.LastUsable", "plant/b=3"}));
}

TEST_F(EdgeCoreTest, ADisconnectLeavesItsTagsStaleAMinuteLater) {
    auto& session = connect_far();
    auto& plc = join("plc");
    publish(plc, "plant/a", "1", 1);
    send(plc, mqtt::Disconnect{});
    pass(59s);
    EXPECT_EQ(session.story(), Lines{"plant/a=1"});
    pass(2s);
    EXPECT_EQ(session.story(), (Lines{"plant/a=1", "plant/a:Uncertain.LastUsable"}));
}

TEST_F(EdgeCoreTest, ATakeOverChangesNoQuality) {
    auto& session = connect_far();
    auto& plc = join("plc");
    publish(plc, "plant/a", "1", 1);
    join("plc");
    EXPECT_FALSE(plc.linked);
    pass(61s);
    EXPECT_EQ(session.story(), Lines{"plant/a=1"});
}

TEST_F(EdgeCoreTest, TheWillsValueIsGoodWhenItsClientIsNotConnected) {
    auto& session = connect_far();
    auto with_will = hello("plc");
    with_will.will =
        mqtt::Will{"plant/status", base::as_bytes("offline"), {}, Qos::at_most_once, true};
    auto& plc = connect(with_will);
    publish(plc, "plant/status", "online", 1);
    publish(plc, "plant/a", "1", 2);
    hang_up(plc);
    EXPECT_EQ(session.story(), (Lines{"plant/status=online", "plant/a=1", "plant/status=offline",
                                      "plant/a:Bad.NotConnected"}))
        << "at no time was the will's own topic bad";
    join("plc");  // and while it is back, only what was not connected is uncertain
    EXPECT_EQ(session.story().back(), "plant/a:Uncertain.LastUsable");
}

TEST_F(EdgeCoreTest, GoesOnBehindItsPositionAfterARestart) {
    auto& plc = join("plc");
    publish(plc, "plant/a", "1", 1);
    const auto had = connect_far().entries.at(0).end;
    link_.reset();
    start();
    auto& again = join("plc");
    publish(again, "plant/a", "2", 1);
    auto& session = connect_far({"#"}, had);
    EXPECT_EQ(session.story(), (Lines{"plant/a:Uncertain.LastUsable", "plant/a=2"}))
        << "until the next value nobody knows what has changed meanwhile";
    EXPECT_TRUE(session.gaps.empty());
    EXPECT_EQ(session.log.runs.size(), 2U);
}

TEST_F(EdgeCoreTest, ADeviceThatIsNotBackAMinuteAfterARestartIsNotConnected) {
    auto& plc = join("plc");
    publish(plc, "plant/a", "1", 1);
    auto& oven = join("oven");
    publish(oven, "plant/b", "1", 1);
    pass(2s);  // who publishes what is on disk within a second
    start();
    join("oven");
    auto& session = connect_far();
    pass(50s);
    const auto before = session.story().size();
    pass(20s);
    ASSERT_EQ(session.story().size(), before + 1);
    EXPECT_EQ(session.story().back(), "plant/a:Bad.NotConnected");
}

TEST_F(EdgeCoreTest, AJsonPayloadSaysItsQualityAndPassesUnchanged) {
    const auto pointer = [](std::string_view text) {
        return record::JsonPointer::parse(text).value();
    };
    options_.forwards = {
        {"plant/#", {}, ingest::JsonPlaces{pointer("/v"), pointer("/q"), pointer("/t"), {}}}};
    start();
    auto& session = connect_far();
    auto& plc = join("plc");
    const std::string payload = R"({"v": 1.10, "q": "Uncertain", "t": "2001-01-01T00:00:00Z"})";
    publish(plc, "plant/a", payload, 1);
    publish(plc, "plant/a", "garbage", 2);
    auto cleared = mqtt::message("plant/a", "", mqtt::Qos::at_least_once, 3);
    cleared.retain = true;
    send(plc, cleared);
    std::vector<GotRecord> records;
    for (const auto& entry : session.entries)
        for (const auto& record : entry.records) records.push_back(record);
    ASSERT_EQ(records.size(), 3U);
    EXPECT_EQ(records[0].value, payload);
    EXPECT_EQ(records[0].quality, record::Quality::uncertain);
    EXPECT_EQ(base::to_rfc3339(records[0].source_time), "2001-01-01T00:00:00.000000000Z");
    EXPECT_EQ(records[1].value, "garbage");
    EXPECT_EQ(records[1].quality, record::Quality::uncertain);
    EXPECT_EQ(records[1].source_time, now_.wall);
    EXPECT_EQ(records[2].quality, record::Quality::good) << "clears the topic, is no value";
    EXPECT_EQ(status().unreadable_payloads, 1U);
}

TEST_F(EdgeCoreTest, ShowsItsTagsPageByPage) {
    auto& plc = join("plc");
    for (std::uint16_t i = 1; i <= 5; ++i) publish(plc, "plant/" + std::to_string(i), "1", i);
    publish(plc, "plant/2", std::string(1000, 'x'), 6);
    hang_up(plc);
    const auto first = core().tags({0, 3, "plant/+"});
    ASSERT_EQ(first.rows.size(), 3U);
    EXPECT_EQ(first.rows[1].topic, "plant/2");
    EXPECT_EQ(first.rows[1].value.head, std::string(256, 'x'));
    EXPECT_EQ(first.rows[1].value.bytes, 1000U);
    EXPECT_EQ(first.rows[1].value.seq, 6U);
    EXPECT_EQ(first.rows[1].value.arrival_time, now_.wall);
    EXPECT_EQ(first.rows[1].publisher, "plc");
    EXPECT_EQ(first.rows[1].quality, record::Quality::bad_not_connected);
    ASSERT_TRUE(first.next);
    auto second = core().tags({*first.next, 3, "plant/+"});
    EXPECT_EQ(second.rows.size(), 2U);
    while (second.next) second = core().tags({*second.next, 3, "plant/+"});
    EXPECT_TRUE(core().tags({0, 10, "office/#"}).rows.empty());
    EXPECT_TRUE(core().tags({~std::uint64_t{0}, 10, "#"}).rows.empty()) << "whatever is asked";
}

TEST_F(EdgeCoreTest, ATagThatTheSpoolKnowsIsShownBeforeItsFirstValue) {
    auto& plc = join("plc");
    publish(plc, "plant/a", "1", 1);
    pass(2s);
    start();
    const auto page = core().tags({0, 10, "#"});
    ASSERT_EQ(page.rows.size(), 1U);
    EXPECT_FALSE(page.rows[0].value.is_known);
    EXPECT_EQ(page.rows[0].quality, record::Quality::uncertain_last_usable);
    EXPECT_EQ(page.rows[0].publisher, "plc");
}

TEST_F(EdgeCoreTest, WhoPublishesWhatIsWrittenOnChangeOnly) {
    auto& plc = join("plc");
    for (std::uint16_t i = 1; i <= 20; ++i) {
        publish(plc, "plant/a", "1", i);
        pass(1s);
    }
    EXPECT_EQ(publishers_.commits_, 1);
    EXPECT_EQ(publishers_.clients_.at("plant/a"), "plc");
    auto& other = join("other");
    publish(other, "plant/a", "1", 1);
    pass(2s);
    EXPECT_EQ(publishers_.commits_, 2);
    EXPECT_EQ(publishers_.clients_.at("plant/a"), "other");
}

TEST_F(EdgeCoreTest, WhoPublishesWhatIsWrittenAgainAfterAnError) {
    publishers_.fails_ = true;
    auto& plc = join("plc");
    publish(plc, "plant/a", "1", 1);
    pass(5s);
    EXPECT_TRUE(publishers_.clients_.empty());
    EXPECT_LE(publishers_.commits_, 7) << "a second apart";
    publishers_.fails_ = false;
    pass(2s);
    EXPECT_EQ(publishers_.clients_.at("plant/a"), "plc");
}

TEST_F(EdgeCoreTest, ShuttingDownSaysGoodbyeBothWays) {
    connect_far();
    auto& plc = join("plc");
    core().shut_down(now_);
    drain();
    const auto bye = plc.take<mqtt::Disconnect>();
    ASSERT_TRUE(bye);
    EXPECT_EQ(bye->reason, ReasonCode::server_shutting_down);
    ASSERT_TRUE(far().bye());
    EXPECT_EQ(far().bye()->reason, tunnel::ByeReason::shutdown);
}

}  // namespace
}  // namespace sallyport::edge_core
