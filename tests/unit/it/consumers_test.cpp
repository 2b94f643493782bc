// Applications named in `[sink] consumers`: a full queue of one of them holds the edges, connected
// or not, and loses nothing.
#include "common/mqtt/properties.hpp"
#include "it-agent/runtime/it_status.hpp"
#include "tests/unit/it/it_fixture.hpp"

namespace sallyport::it_core {
namespace {

using namespace std::chrono_literals;
using mqtt::Qos;

constexpr record::Epoch kEpoch = 0xABC;
constexpr int kRecords = 30;

class ConsumersTest : public ItTest {
protected:
    ConsumersTest() {
        options_.keeps_broker_state = true;
        options_.broker.session_queue_messages = 10;
        options_.consumers = {"historian"};
        start();
        for (int i = 1; i <= kRecords; ++i)
            log_.add(i == 1 ? "plant/quiet" : "plant/a", std::to_string(i), record::qos_bits(1));
    }
    Client& join(std::string_view client_id) {
        mqtt::Connect hello;
        hello.client_id = client_id;
        hello.clean_start = false;
        base::Bytes properties;
        mqtt::append_property(properties,
                              {mqtt::PropertyId::session_expiry_interval, 3600, {}, {}});
        hello.properties = properties;
        auto& client = open_client(hello);
        EXPECT_TRUE(client.take<mqtt::Connack>());
        return client;
    }
    void leave_subscribed(std::string_view client_id) {
        auto& client = join(client_id);
        send(client, mqtt::Subscribe{7, {}, {{"plant/#", Qos::at_least_once, false, true, 0}}});
        EXPECT_TRUE(client.take<mqtt::Suback>());
        hang_up(client);
    }
    Lines read(Client& client) {
        Lines lines;
        while (const auto publish = client.take<mqtt::Publish>()) {
            lines.emplace_back(base::as_text(publish->payload));
            send(client,
                 mqtt::Acknowledgement{
                     mqtt::PacketType::puback, publish->packet_id, mqtt::ReasonCode::success, {}});
        }
        return lines;
    }
    static Lines numbers(int from, int to) {
        Lines lines;
        for (int i = from; i <= to; ++i) lines.push_back(std::to_string(i));
        return lines;
    }
    record::Seq stored() const {
        const auto found = store_.positions.find({"acme/line3", kEpoch});
        return found == store_.positions.end() ? 0 : found->second.seq;
    }
    void deliver_all(EdgeSession& session, record::Seq from = 1) {
        for (auto seq = from; seq <= kRecords; ++seq) deliver(session, log_, seq);
    }
    bool told(std::string_view what) {
        const auto alarms = std::exchange(alarms_, {});
        return std::ranges::any_of(
            alarms, [&](const auto& alarm) { return alarm.find(what) != std::string::npos; });
    }

    EdgeLog log_{kEpoch};
};

TEST_F(ConsumersTest, AFullQueueHoldsTheEdgeUntilItIsBack) {
    leave_subscribed("historian");
    leave_subscribed("other");
    auto& session = connect_edge(log_);
    deliver_all(session);
    EXPECT_EQ(stored(), 6U) << "half of its queue, and the one that went over it";
    EXPECT_EQ(session.acks.empty() ? 0 : session.acks.back(), 6U);
    EXPECT_EQ(values(), numbers(1, 6)) << "what is committed is shown";
    const auto consumer = core().status().consumers.at(0);
    EXPECT_TRUE(consumer.holding_since);
    EXPECT_EQ(consumer.waiting_messages, 6U);
    EXPECT_EQ(read(join("historian")), numbers(1, kRecords));
    EXPECT_EQ(session.acks.back(), static_cast<record::Seq>(kRecords));
    EXPECT_EQ(values(), numbers(7, kRecords));
    EXPECT_FALSE(core().status().consumers.at(0).holding_since);
    auto newest = numbers(22, kRecords);
    newest.insert(newest.begin(), "1");
    EXPECT_EQ(read(join("other")), newest) << "it loses its oldest, and has each topic's newest";
    EXPECT_EQ(core().status().broker.dropped_queue_full, 20U);
    EXPECT_EQ(store_.broker.faults, "");
}

TEST_F(ConsumersTest, WhatWasHeldComesAgainAfterARestart) {
    leave_subscribed("historian");
    deliver_all(connect_edge(log_));
    start();  // killed
    auto& session = connect_edge(log_);
    ASSERT_TRUE(session.resumed);
    EXPECT_EQ(session.resumed->position.seq, 6U);
    deliver_all(session, 7);
    EXPECT_EQ(stored(), 6U) << "it holds from the start";
    EXPECT_EQ(read(join("historian")), numbers(1, kRecords));
}

TEST_F(ConsumersTest, WhatIsHeldComesAgainInTheNextSession) {
    leave_subscribed("historian");
    deliver_all(connect_edge(log_));
    lose_link();
    auto& session = connect_edge(log_);
    ASSERT_TRUE(session.resumed);
    EXPECT_EQ(session.resumed->position.seq, 6U) << "sessions do not add up in memory";
    deliver_all(session, 7);
    EXPECT_EQ(read(join("historian")), numbers(1, kRecords));
    EXPECT_EQ(session.acks.back(), static_cast<record::Seq>(kRecords));
}

TEST_F(ConsumersTest, HoldingForTenSecondsIsAlarmed) {
    leave_subscribed("historian");
    deliver_all(connect_edge(log_));
    pass(9s);
    EXPECT_FALSE(told("holds the edges"));
    pass(2s);
    EXPECT_TRUE(told("the consumer historian holds the edges since"));
    const auto wrong = ops::wrong(it_agent::page(core().status(), "acme/hq", now_));
    EXPECT_TRUE(std::ranges::any_of(wrong, [](const auto& line) {
        return line.find("consumer historian holding since") != std::string::npos &&
               line.find("not connected") != std::string::npos;
    }));
    const auto metrics = it_agent::metrics_text(core().status(), "acme/hq", now_);
    EXPECT_NE(metrics.find("sallyport_consumer_holding{client=\"historian\"} 1"),
              std::string::npos);
    pass(20s);
    EXPECT_FALSE(told("holds the edges")) << "once";
    EXPECT_EQ(read(join("historian")).size(), static_cast<std::size_t>(kRecords));
}

TEST_F(ConsumersTest, OneWithoutASessionHoldsNothingAndIsAlarmed) {
    auto& session = connect_edge(log_);
    deliver_all(session);
    EXPECT_EQ(session.acks.back(), static_cast<record::Seq>(kRecords));
    pass(11s);
    EXPECT_TRUE(told("the consumer historian has no session"));
}

TEST_F(ConsumersTest, ASessionThatEndsLetsTheEdgeGoOnAndIsAlarmed) {
    leave_subscribed("historian");
    auto& session = connect_edge(log_);
    deliver_all(session);
    connect("historian");  // a clean start
    EXPECT_EQ(session.acks.back(), static_cast<record::Seq>(kRecords));
    pass(2s);
    EXPECT_TRUE(told("has ended, and with it 6 messages"));
}

}  // namespace
}  // namespace sallyport::it_core
