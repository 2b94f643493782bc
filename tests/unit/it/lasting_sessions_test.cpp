// Applications with lasting sessions at the it-agent's broker: what an edge sends reaches each of
// them once, whatever dies when.
#include "common/mqtt/properties.hpp"
#include "tests/unit/it/it_fixture.hpp"

namespace sallyport::it_core {
namespace {

using mqtt::Qos;

constexpr record::Epoch kEpoch = 0xABC;

class LastingSessionsTest : public ItTest {
protected:
    LastingSessionsTest() {
        options_.keeps_broker_state = true;
        start();
    }

    /// The historian comes, or comes back, and says whether its session was there.
    Client& join(bool expect_present) {
        mqtt::Connect hello;
        hello.client_id = "historian";
        hello.clean_start = false;
        base::Bytes properties;
        mqtt::append_property(properties,
                              {mqtt::PropertyId::session_expiry_interval, 3600, {}, {}});
        hello.properties = properties;
        auto& client = open_client(hello);
        const auto connack = client.take<mqtt::Connack>();
        EXPECT_TRUE(connack && connack->session_present == expect_present);
        return client;
    }
    void subscribe_lasting(Client& client, Qos qos) {
        send(client, mqtt::Subscribe{7, {}, {{"plant/#", qos, false, true, 0}}});
        EXPECT_TRUE(client.take<mqtt::Suback>());
    }
    /// Takes what has come and acknowledges it.
    Lines read(Client& client) {
        Lines lines;
        while (const auto publish = client.take<mqtt::Publish>()) {
            lines.emplace_back(base::as_text(publish->payload));
            if (publish->qos == Qos::at_least_once)
                send(client, mqtt::Acknowledgement{mqtt::PacketType::puback,
                                                   publish->packet_id,
                                                   mqtt::ReasonCode::success,
                                                   {}});
        }
        return lines;
    }

    EdgeLog log_{kEpoch};
};

TEST_F(LastingSessionsTest, WhatComesWhileItIsAwayWaitsOnDisk) {
    auto& historian = join(false);
    subscribe_lasting(historian, Qos::at_least_once);
    hang_up(historian);
    log_.add("plant/a", "1", record::qos_bits(1));
    log_.add("plant/a", "2", record::qos_bits(1));
    auto& session = connect_edge(log_);
    deliver(session, log_, 1);
    deliver(session, log_, 2);
    EXPECT_EQ(session.acks, (Seqs{1, 2}));
    start();  // killed
    EXPECT_EQ(read(join(true)), (Lines{"1", "2"}));
    EXPECT_EQ(store_.broker.faults, "");
}

TEST_F(LastingSessionsTest, AMessageAndItsPositionAreOneTransaction) {
    auto& historian = join(false);
    subscribe_lasting(historian, Qos::at_least_once);
    log_.add("plant/a", "1", record::qos_bits(1));
    auto& session = connect_edge(log_);
    hold_store();
    deliver(session, log_, 1);
    EXPECT_EQ(read(historian), Lines{}) << "nothing is told before it is stored";
    start();  // killed before the commit: neither is there
    release_store();
    EXPECT_TRUE(store_.broker.deliveries.empty());
    EXPECT_TRUE(store_.positions.empty());
    auto& back = join(true);
    deliver(connect_edge(log_), log_, 1);
    EXPECT_EQ(read(back), Lines{"1"});
}

TEST_F(LastingSessionsTest, WhatIsSentAgainAfterTheCommitIsNotQueuedAgain) {
    auto& historian = join(false);
    subscribe_lasting(historian, Qos::exactly_once);
    hang_up(historian);
    log_.add("plant/a", "1", record::qos_bits(2));
    deliver(connect_edge(log_), log_, 1);
    start();  // killed: the edge has not heard the Ack
    deliver(connect_edge(log_), log_, 1);
    EXPECT_EQ(store_.broker.deliveries.size(), 1U);
    EXPECT_EQ(read(join(true)), Lines{"1"});
}

TEST_F(LastingSessionsTest, EverybodyElseIsToldOnce) {
    auto& historian = join(false);
    subscribe_lasting(historian, Qos::at_least_once);
    log_.add("plant/a", "1", record::qos_bits(1) | record::kRetain);
    deliver(connect_edge(log_), log_, 1);
    EXPECT_EQ(read(historian), Lines{"1"});
    EXPECT_EQ(values(), Lines{"1"});
    EXPECT_EQ(retained("plant/a")->payload, "1");
    EXPECT_TRUE(store_.broker.retained.empty()) << "the sink's own store has it";
}

TEST_F(LastingSessionsTest, ARestartTellsItNoValueTwice) {
    auto& historian = join(false);
    subscribe_lasting(historian, Qos::at_least_once);
    log_.add("plant/a", "1", record::qos_bits(1) | record::kRetain);
    deliver(connect_edge(log_), log_, 1);
    EXPECT_EQ(read(historian), Lines{"1"});
    start();
    EXPECT_EQ(read(join(true)), Lines{}) << "the retained copy is restored, not published";
    EXPECT_EQ(retained("plant/a")->quality(), "Bad.LastKnown");
}

TEST_F(LastingSessionsTest, WhatLocalClientsRetainComesBackAsItWas) {
    auto& client = connect("local");
    auto publish = mqtt::message("office/note", "hello", Qos::at_least_once, 3);
    publish.retain = true;
    send(client, publish);
    EXPECT_TRUE(client.acked(mqtt::PacketType::puback, 3));
    start();
    const auto note = retained("office/note");
    ASSERT_TRUE(note);
    EXPECT_EQ(note->payload, "hello");
    EXPECT_EQ(note->quality(), "none");
}

}  // namespace
}  // namespace sallyport::it_core
