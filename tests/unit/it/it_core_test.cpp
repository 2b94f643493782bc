#include "tests/unit/it/it_fixture.hpp"

namespace sallyport::it_core {
namespace {

using namespace std::chrono_literals;
using mqtt::PacketType;
using mqtt::Qos;
using tunnel::SessionEnd;

constexpr record::Epoch kEpoch = 0xABC;

class ItCoreTest : public ItTest {
protected:
    ItCoreTest() { start(); }

    EdgeLog log_{kEpoch};
};

TEST_F(ItCoreTest, ShowsWhatAnEdgeSends) {
    log_.add("plant/a", "20", record::qos_bits(1));
    auto& session = connect_edge(log_);
    deliver(session, log_, 1);
    const auto shown = see("plant/");
    ASSERT_EQ(shown.size(), 1U);
    EXPECT_EQ(shown[0].topic, "plant/a");
    EXPECT_EQ(shown[0].payload, "20");
    EXPECT_EQ(shown[0].quality(), "Good");
    EXPECT_EQ(shown[0].user.at("edge"), "acme/line3");
    EXPECT_EQ(shown[0].user.at("epoch"), "0000000000000abc");
    EXPECT_EQ(session.acks, Seqs{1});
}

TEST_F(ItCoreTest, PutsTheEdgesPrefixBeforeItsTopics) {
    options_.edges = {{"line*", "{plant}/{edge}/"}};
    start();
    log_.add("plant/a", "20");
    deliver(connect_edge(log_), log_, 1);
    const auto shown = see("acme/line3/");
    ASSERT_EQ(shown.size(), 1U);
    EXPECT_EQ(shown[0].topic, "acme/line3/plant/a");
}

TEST_F(ItCoreTest, RefusesAnEdgeThatNoRuleNames) {
    log_.add("plant/a", "forged");
    connect_relay();
    auto& session = open(log_, "acme/oven");
    ASSERT_EQ(edges().closed().size(), 1U);
    EXPECT_EQ(edges().closed()[0].reason, SessionEnd::not_wanted);
    EXPECT_FALSE(session.resumed);
    EXPECT_TRUE(link_);
    auto& stranger = open(log_, "other/line3");  // a pattern without '/' means one's own plant
    EXPECT_FALSE(stranger.resumed);
}

TEST_F(ItCoreTest, AcknowledgesAfterCommitAndEmission) {
    log_.add("plant/a", "20");
    auto& session = connect_edge(log_);
    hold_store();
    deliver(session, log_, 1);
    beat(session);
    EXPECT_TRUE(session.acks.empty());
    EXPECT_TRUE(values().empty());
    EXPECT_EQ(session.echoes, 1U) << "the path is alive";
    EXPECT_EQ(feed().state, emit::FeedState::catching_up);
    release_store();
    EXPECT_EQ(values(), Lines{"20"});
    EXPECT_EQ(session.acks, Seqs{1});
    EXPECT_EQ(feed().state, emit::FeedState::live);
}

TEST_F(ItCoreTest, AcknowledgesOnceWhatOneCommitBrings) {
    auto& session = connect_edge(log_);
    log_.add("plant/a", "1");
    deliver(session, log_, 1);
    session.acks.clear();
    hold_store();
    for (record::Seq seq = 2; seq <= 4; ++seq) {
        log_.add("plant/a", std::to_string(seq));
        deliver(session, log_, seq);
    }
    release_store();
    EXPECT_EQ(values(), (Lines{"1", "2", "3", "4"}));
    EXPECT_FALSE(session.acks.empty());
    EXPECT_LE(session.acks.size(), 2U) << "one of each commit";
    EXPECT_EQ(session.acks.back(), 4U);
}

TEST_F(ItCoreTest, AsksForEverythingWhereItHasNoPosition) {
    auto& session = connect_edge(log_);
    ASSERT_TRUE(session.resumed);
    EXPECT_EQ(session.resumed->position, tunnel::Position{});
    EXPECT_EQ(session.resumed->store, 99U);
    EXPECT_EQ(session.resumed->credit, tunnel::kWindowBytesFirst);
}

TEST_F(ItCoreTest, ResumesFromTheStoredPositionAfterARestart) {
    log_.add("plant/a", "1");
    log_.add("plant/a", "2");
    auto& session = connect_edge(log_);
    deliver(session, log_, 1);
    start();
    auto& again = connect_edge(log_);
    ASSERT_TRUE(again.resumed);
    EXPECT_EQ(again.resumed->position, log_.position(1));
    deliver(again, log_, 2);
    EXPECT_EQ(values(), Lines{"2"});
}

TEST_F(ItCoreTest, ResumesInTheNewestRunThatItKnows) {
    log_.add("plant/a", "1");
    deliver(connect_edge(log_), log_, 1);
    lose_link();
    EdgeLog restarted(0xDEF);  // the edge has begun another run, and the log holds both
    restarted.add("plant/a", "2");
    auto both = log_.log();
    both.runs.push_back({0xDEF, 2, 2});
    connect_relay();
    auto& session = edges().open(900, "acme/line3", both, now_);
    drain();
    ASSERT_TRUE(session.resumed);
    EXPECT_EQ(session.resumed->position, log_.position(1));
    lose_link();
    connect_relay();
    auto& fresh = edges().open(901, "acme/line3", restarted.log(), now_);
    drain();
    ASSERT_TRUE(fresh.resumed);
    EXPECT_EQ(fresh.resumed->position, tunnel::Position{}) << "a log it knows nothing of";
}

TEST_F(ItCoreTest, MakesGoodAnAckThatWasLost) {
    log_.add("plant/a", "1");
    deliver(connect_edge(log_), log_, 1);  // the ack goes out, and the link is lost with it
    lose_link();
    auto& again = connect_edge(log_);
    EXPECT_EQ(again.resumed->position, log_.position(1));
    EXPECT_EQ(again.acks, Seqs{1});
}

TEST_F(ItCoreTest, AcknowledgesInTheNextSessionWhatWasCommittedBetween) {
    log_.add("plant/a", "1");
    hold_store();
    deliver(connect_edge(log_), log_, 1);
    lose_link();
    release_store();
    EXPECT_EQ(values(), Lines{"1"});
    EXPECT_EQ(connect_edge(log_).acks, Seqs{1});
}

TEST_F(ItCoreTest, AcknowledgesInTheNextSessionWhatIsCommittedInIt) {
    log_.add("plant/a", "1");
    hold_store();
    deliver(connect_edge(log_), log_, 1);
    lose_link();
    auto& again = connect_edge(log_);
    EXPECT_EQ(again.resumed->position, log_.position(1)) << "it is not asked for twice";
    EXPECT_TRUE(again.acks.empty());
    release_store();
    EXPECT_EQ(again.acks, Seqs{1});
    EXPECT_EQ(values(), Lines{"1"});
}

TEST_F(ItCoreTest, DropsWhatItHasHad) {
    for (const auto* value : {"1", "2", "3", "4"}) log_.add("plant/a", value);
    auto& session = connect_edge(log_);
    for (const record::Seq seq : {1U, 2U, 3U}) deliver(session, log_, seq);
    lose_link();
    auto& again = connect_edge(log_);
    again.acks.clear();
    // The edge cannot confirm the position and begins at its log's first record, which is 2.
    again.sender.send_gap({kEpoch, 1, 1, tunnel::GapReason::unknown_position});
    for (const record::Seq seq : {2U, 3U, 4U}) deliver(again, log_, seq);
    EXPECT_EQ(values(), (Lines{"1", "2", "3", "4"}));
    EXPECT_EQ(again.acks, (Seqs{2, 3, 4})) << "repeats are acknowledged, too";
    EXPECT_EQ(core().status().repeated_entries, 2U);
    EXPECT_EQ(core().status().missing_records, 0U) << "it had that record";
}

TEST_F(ItCoreTest, TakesALogThatBeginsAgainWithNothingMissing) {
    log_.add("plant/a", "1");
    log_.add("plant/a", "2");
    deliver(connect_edge(log_), log_, 1);
    lose_link();
    auto& again = connect_edge(log_);
    // As the spool says it of a log that still holds its first record.
    again.sender.send_gap({kEpoch, 1, 0, tunnel::GapReason::unknown_position});
    for (const record::Seq seq : {1U, 2U}) deliver(again, log_, seq);
    EXPECT_TRUE(edges().closed().empty());
    EXPECT_EQ(values(), (Lines{"1", "2"}));
}

TEST_F(ItCoreTest, CountsWhatAGapLeavesOut) {
    auto& session = connect_edge(log_);
    session.sender.send_gap({kEpoch, 1, 10, tunnel::GapReason::dropped});
    drain();
    EXPECT_EQ(core().status().missing_records, 10U);
    ASSERT_FALSE(alarms_.empty());
    EXPECT_NE(alarms_.back().find("1..10"), std::string::npos);
}

TEST_F(ItCoreTest, WithholdsAcksWhileTheStoreRefuses) {
    log_.add("plant/a", "1");
    auto& session = connect_edge(log_);
    store_.failures_left = 2;
    deliver(session, log_, 1);
    EXPECT_TRUE(session.acks.empty());
    EXPECT_EQ(core().status().store_error, "disk full");
    ASSERT_FALSE(alarms_.empty());
    pass(1100ms);
    EXPECT_TRUE(session.acks.empty());
    EXPECT_TRUE(values().empty());
    pass(1100ms);
    EXPECT_EQ(session.acks, Seqs{1});
    EXPECT_EQ(values(), Lines{"1"});
    EXPECT_EQ(core().status().store_error, "");
}

TEST_F(ItCoreTest, ClosesASessionThatBreaksTheProtocol) {
    log_.add("plant/a", "1");
    log_.add("plant/a", "2");
    auto& session = connect_edge(log_);
    deliver(session, log_, 2);  // 1 was neither sent nor named
    ASSERT_EQ(edges().closed().size(), 1U);
    EXPECT_EQ(edges().closed()[0].reason, SessionEnd::protocol);
    EXPECT_TRUE(values().empty());
    EXPECT_TRUE(session.acks.empty());
    EXPECT_TRUE(link_);
    EXPECT_EQ(feed().state, emit::FeedState::lost);
    EXPECT_EQ(feed().side, "edge");
}

TEST_F(ItCoreTest, KnowsTheEdgesSideFromTheRelays) {
    auto& session = connect_edge(log_);
    beat(session);
    EXPECT_EQ(feed().state, emit::FeedState::live);
    edges().send(encode(tunnel::Closed{session.sender.id(), SessionEnd::peer_lost}));
    drain();
    EXPECT_EQ(feed().state, emit::FeedState::lost);
    EXPECT_EQ(feed().side, "edge");
    EXPECT_EQ(feed().seen, "peer silent");
    auto& again = open(log_);
    beat(again);
    EXPECT_EQ(feed().state, emit::FeedState::live);
    lose_link(base::CloseCause::reset);
    EXPECT_EQ(feed().state, emit::FeedState::lost);
    EXPECT_EQ(feed().side, "relay");
    EXPECT_EQ(feed().seen, "reset");
}

TEST_F(ItCoreTest, EdgesDoNotShareTheirFate) {
    options_.edges = {{"line3", ""}, {"line4", "four/"}};
    start();
    EdgeLog other(0xDEF);
    log_.add("plant/a", "1");
    other.add("plant/a", "2");
    auto& first = connect_edge(log_);
    auto& second = open(other, "acme/line4");
    edges().send(encode(tunnel::Closed{first.sender.id(), SessionEnd::peer_reset}));
    drain();
    deliver(second, other, 1);
    beat(second);
    EXPECT_EQ(core().status().edges.at(0).state, emit::FeedState::lost);
    EXPECT_EQ(core().status().edges.at(1).state, emit::FeedState::live);
    EXPECT_EQ(see("four/").size(), 1U);
}

TEST_F(ItCoreTest, KeepsWhatLocalClientsPublishLocal) {
    log_.add("plant/a", "1");
    deliver(connect_edge(log_), log_, 1);
    auto& client = connect("operator");
    send(client, mqtt::message("notes/1", "hello", Qos::at_least_once, 1));
    EXPECT_TRUE(client.acked(PacketType::puback, 1));
    EXPECT_EQ(see("notes/").size(), 1U);
    send(client, mqtt::message("plant/a", "forged", Qos::at_least_once, 2));
    EXPECT_TRUE(client.acked(PacketType::puback, 2, mqtt::ReasonCode::not_authorized));
    send(client, mqtt::message("sallyport/edges/acme/line3", "forged", Qos::at_least_once, 3));
    EXPECT_TRUE(client.acked(PacketType::puback, 3, mqtt::ReasonCode::not_authorized));
    EXPECT_TRUE(see("").empty());
}

TEST_F(ItCoreTest, HoldsBackForASubscriberThatMakesProgress) {
    options_.broker.session_queue_messages = 10;
    start();
    base::Bytes one_at_a_time;
    mqtt::append_property(one_at_a_time, {mqtt::PropertyId::receive_maximum, 1, {}, {}});
    auto& slow = connect("slow", one_at_a_time);
    send(slow, mqtt::Subscribe{7, {}, {{"plant/#", Qos::at_least_once, false, true, 0}}});
    EXPECT_TRUE(slow.take<mqtt::Suback>());
    constexpr record::Seq kEntries = 20;
    for (record::Seq i = 1; i <= kEntries; ++i)
        log_.add("plant/" + std::to_string(i), "1", record::qos_bits(1));
    auto& session = connect_edge(log_);
    for (record::Seq seq = 1; seq <= kEntries; ++seq) deliver(session, log_, seq);
    EXPECT_LE(session.acks.size(), 10U) << "what its queue does not hold is not acknowledged";
    EXPECT_FALSE(session.acks.empty());
    std::size_t shown = 0;
    for (auto next = slow.take<mqtt::Publish>(); next; next = slow.take<mqtt::Publish>()) {
        ++shown;
        send(slow, mqtt::Acknowledgement{PacketType::puback, next->packet_id, {}, {}});
    }
    EXPECT_EQ(shown, kEntries);
    EXPECT_EQ(session.acks.size(), kEntries);
    EXPECT_EQ(core().status().broker.dropped_queue_full, 0U);
}

TEST_F(ItCoreTest, WithoutARelayItIsABroker) {
    options_.has_relay = false;
    start();
    pass(10s);
    EXPECT_FALSE(dialled_);
    auto& client = connect("operator");
    send(client, mqtt::message("notes/1", "hello", Qos::at_least_once, 1));
    EXPECT_TRUE(client.acked(PacketType::puback, 1));
}

TEST_F(ItCoreTest, ShuttingDownSaysGoodbyeBothWays) {
    connect_edge(log_);
    auto& client = connect("operator");
    core().shut_down(now_);
    drain();
    ASSERT_TRUE(edges().bye());
    EXPECT_EQ(edges().bye()->reason, tunnel::ByeReason::shutdown);
    const auto bye = client.take<mqtt::Disconnect>();
    ASSERT_TRUE(bye);
    EXPECT_EQ(bye->reason, mqtt::ReasonCode::server_shutting_down);
}

/// A restart with a retained value of a tag in the store.
class ItCoreAfterRestart : public ItCoreTest {
protected:
    ItCoreAfterRestart() {
        log_.add("plant/a", "21", record::kRetain | record::qos_bits(1));
        deliver(connect_edge(log_), log_, 1);
        start();
    }
};

TEST_F(ItCoreAfterRestart, RetainedValuesComeBackAsLastKnown) {
    const auto copy = retained("plant/a");
    ASSERT_TRUE(copy);
    EXPECT_EQ(copy->payload, "21");
    EXPECT_EQ(copy->quality(), "Bad.LastKnown");
    EXPECT_EQ(copy->user.at("seq"), "1");
}

TEST_F(ItCoreAfterRestart, TagsComeBackAsLastKnown) {
    pass(100ms);
    EXPECT_EQ(quality_told("plant/a"), "\"Bad.LastKnown\"");
    EXPECT_EQ(feed().state, emit::FeedState::lost);
    EXPECT_EQ(feed().tags, 1U);
    const auto state = retained("sallyport/edges/acme/line3");
    ASSERT_TRUE(state);
    EXPECT_EQ(state->member("seen"), "\"it-agent started\"");
}

TEST_F(ItCoreAfterRestart, QualitiesAreTheTagsOwnAgainWhenItIsLive) {
    beat(connect_edge(log_));
    pass(100ms);
    EXPECT_EQ(quality_told("plant/a"), "\"Good\"");
}

TEST_F(ItCoreAfterRestart, RetainedCopiesAreTheTagsOwnAgainWhenItIsLive) {
    beat(connect_edge(log_));
    pass(100ms);
    const auto copy = retained("plant/a");
    ASSERT_TRUE(copy);
    EXPECT_EQ(copy->quality(), "Good") << "no new publish is needed";
}

TEST_F(ItCoreAfterRestart, TopicsThatAnEdgeFeedsArePublishedByNobodyElse) {
    auto& client = connect("operator");
    send(client, mqtt::message("plant/a", "forged", Qos::at_least_once, 1));
    EXPECT_TRUE(client.acked(PacketType::puback, 1, mqtt::ReasonCode::not_authorized));
}

TEST_F(ItCoreTest, ShowsItsTagsWithTheirOwnQualityAndWhatIsShown) {
    EdgeLog log(7);
    const auto a = log.add("plant/a", "1");
    const auto b = log.add("plant/b", "2", 0, record::Quality::bad_sensor_failure);
    auto& session = connect_edge(log);
    deliver(session, log, a);
    deliver(session, log, b);
    const auto page = core().tags({0, 10, "plant/#"});
    ASSERT_EQ(page.rows.size(), 2U);
    EXPECT_EQ(page.rows[1].topic, "plant/b");
    EXPECT_EQ(page.rows[1].value.head, "2");
    EXPECT_EQ(page.rows[1].value.seq, b);
    EXPECT_EQ(page.rows[1].quality, record::Quality::bad_sensor_failure);
    EXPECT_EQ(page.rows[1].shown, record::Quality::bad_last_known) << "catching up";
    EXPECT_EQ(page.rows[1].publisher, "acme/line3");
    EXPECT_EQ(page.next, std::nullopt);
    const auto first = core().tags({0, 1, "#"});
    EXPECT_EQ(first.rows.size(), 1U);
    ASSERT_TRUE(first.next);
    EXPECT_EQ(core().tags({*first.next, 1, "#"}).rows.at(0).topic, "plant/b");
    EXPECT_TRUE(core().tags({~std::uint64_t{0}, 10, "#"}).rows.empty());
}

TEST_F(ItCoreTest, ARestartInVqtShowsTheRetainedValueAsLastKnown) {
    EdgeLog log(7);
    const auto seq = log.add("plant/a", "21.5", record::kRetain);
    deliver(connect_edge(log), log, seq);
    const auto as_mirror = store_.retained.at("plant/a");
    EXPECT_EQ(base::as_text(as_mirror.payload), "21.5");
    options_.emission.format = emit::Format::vqt;  // and with the format changed meanwhile
    start();
    const auto copy = retained("plant/a");
    ASSERT_TRUE(copy);
    EXPECT_EQ(copy->member("value"), "21.5");
    EXPECT_EQ(copy->member("quality"), "\"Bad.LastKnown\"");
    EXPECT_EQ(copy->member("seq"), "1");
}

}  // namespace
}  // namespace sallyport::it_core
