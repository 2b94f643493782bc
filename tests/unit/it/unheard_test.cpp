// Values that are handed over while nobody subscribes to them are counted, and shown.
#include "it-agent/runtime/it_status.hpp"
#include "tests/unit/it/it_fixture.hpp"

namespace sallyport::it_core {
namespace {

constexpr record::Epoch kEpoch = 0xABC;

class UnheardTest : public ItTest {
protected:
    UnheardTest() { start(); }

    std::uint64_t unheard_of(const std::string& topic) {
        for (const auto& row : core().tags({}).rows)
            if (row.topic == topic) return row.unheard.value_or(0);
        ADD_FAILURE() << topic << " is not known";
        return 0;
    }
    void deliver_all(EdgeSession& session, const EdgeLog& log) {
        for (record::Seq seq = 1; seq <= log.last(); ++seq) deliver(session, log, seq);
    }
};

TEST_F(UnheardTest, ValuesWithoutASubscriberAreCountedByEdgeAndTag) {
    for (const auto& client : clients_) hang_up(*client);
    auto& application = subscribe("plant/heard/#");
    EdgeLog log(kEpoch);
    log.add("plant/heard/a", "1");
    log.add("plant/quiet", "1", record::kRetain);
    log.add("plant/quiet", "2");
    deliver_all(connect_edge(log), log);
    EXPECT_EQ(feed().unheard, 2U);
    EXPECT_EQ(unheard_of("plant/quiet"), 2U);
    EXPECT_EQ(unheard_of("plant/heard/a"), 0U);
    EXPECT_EQ(emit::take_shown(application).size(), 1U);
    const auto metrics = it_agent::metrics_text(core().status(), "acme/hq", now_);
    EXPECT_NE(metrics.find("sallyport_edge_unheard_total{edge=\"acme/line3\"} 2"),
              std::string::npos);
}

TEST_F(UnheardTest, ASubscribersQueueHearsWhileItIsAway) {
    options_.keeps_broker_state = true;
    start();
    for (const auto& client : clients_) hang_up(*client);
    mqtt::Connect hello;
    hello.client_id = "historian";
    hello.clean_start = false;
    base::Bytes properties;
    mqtt::append_property(properties, {mqtt::PropertyId::session_expiry_interval, 3600, {}, {}});
    hello.properties = properties;
    auto& historian = open_client(hello);
    EXPECT_TRUE(historian.take<mqtt::Connack>());
    send(historian, mqtt::Subscribe{7, {}, {{"#", mqtt::Qos::at_least_once, false, true, 0}}});
    hang_up(historian);
    EdgeLog log(kEpoch);
    log.add("plant/a", "1", record::qos_bits(1));
    deliver_all(connect_edge(log), log);
    EXPECT_EQ(feed().unheard, 0U);
}

}  // namespace
}  // namespace sallyport::it_core
