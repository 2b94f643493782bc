// What the relay says of who is connected, and when it calls itself live.
#include "dmz-relay/runtime/relay_status.hpp"
#include "tests/unit/relay/scripted_agents.hpp"

namespace sallyport::relay_core {
namespace {

using namespace std::chrono_literals;

class RelayStatusTest : public RelayTest {
protected:
    AgentStatus of(const base::Identity& identity) {
        for (const auto& agent : relay().status().agents)
            if (agent.identity == identity) return agent;
        ADD_FAILURE() << to_uri(identity) << " is not admitted";
        return {};
    }
    std::vector<std::string> wrong() {
        return ops::wrong(dmz_relay::page(relay().status(), "acme/dmz1", now_));
    }
};

TEST_F(RelayStatusTest, IsLiveWhileNobodyIsConnected) {
    start();
    EXPECT_EQ(wrong(), std::vector<std::string>{});
}

TEST_F(RelayStatusTest, AnEndOfARouteWithoutTheOtherIsAlone) {
    start();
    join(edge("line3"));
    const auto came = now_.wall;
    pass(5s);
    EXPECT_EQ(of(edge("line3")).state, AgentState::alone);
    EXPECT_EQ(of(edge("line3")).since, came);
    ASSERT_EQ(wrong().size(), 1U);
    EXPECT_NE(wrong()[0].find("edge acme/line3 alone since"), std::string::npos) << wrong()[0];
    EXPECT_NE(wrong()[0].find("no it-agent hq is connected"), std::string::npos) << wrong()[0];

    auto& hq = join(it("hq"));
    const auto joined = now_.wall;
    pass(5s);
    EXPECT_EQ(of(edge("line3")).state, AgentState::live);
    EXPECT_EQ(of(edge("line3")).since, joined);
    EXPECT_EQ(of(it("hq")).state, AgentState::live);
    EXPECT_EQ(wrong(), std::vector<std::string>{});

    hang_up(hq, base::CloseCause::reset);
    EXPECT_EQ(of(edge("line3")).state, AgentState::alone);
    EXPECT_EQ(of(edge("line3")).since, now_.wall);
}

TEST_F(RelayStatusTest, EveryRouteOfAnAgentCounts) {
    start({{"line*", "hq", {"#"}}, {"line*", "archive", {"#"}}});
    join(edge("line3"));
    join(it("hq"));
    EXPECT_EQ(of(edge("line3")).state, AgentState::alone);
    EXPECT_EQ(of(edge("line3")).missing, "archive");
    EXPECT_EQ(of(it("hq")).state, AgentState::live) << "its own route is whole";
    join(it("archive"));
    EXPECT_EQ(wrong(), std::vector<std::string>{});
}

TEST_F(RelayStatusTest, ASessionThatAnEndDoesNotWantIsClosedAndSaidSo) {
    start();
    auto& line3 = join(edge("line3"));
    join(it("hq"));
    send(line3, encode(tunnel::Closed{line3.session(), tunnel::SessionEnd::not_wanted}));
    EXPECT_EQ(of(edge("line3")).state, AgentState::closed);
    EXPECT_EQ(of(it("hq")).state, AgentState::closed);
    EXPECT_EQ(wrong().size(), 2U);
}

TEST_F(RelayStatusTest, WhomNoRouteNamesIsUnrouted) {
    start();
    join(edge("oven"));
    EXPECT_EQ(of(edge("oven")).state, AgentState::unrouted);
    ASSERT_EQ(wrong().size(), 1U);
    EXPECT_NE(wrong()[0].find("no [[route]] names it"), std::string::npos);
}

TEST_F(RelayStatusTest, ASessionSaysWhatPassedEachWayAndWhenLast) {
    start();
    auto& line3 = join(edge("line3"));
    auto& hq = join(it("hq"));
    const auto opened = now_.wall;
    const auto session = line3.session();
    EXPECT_EQ(relay().status().sessions.at(0).last_to_it, std::nullopt);
    pass(1s);
    send_batch(line3, session, 800);
    const auto sent = now_.instant;
    pass(2s);
    const auto ack = encode(session, tunnel::Ack{{1, 2, 3}, 4, 0});
    send(hq, ack);
    const auto status = relay().status().sessions.at(0);
    EXPECT_EQ(status.since, opened);
    EXPECT_EQ(status.last_to_it, sent);
    EXPECT_EQ(status.last_to_edge, now_.instant);
    EXPECT_EQ(status.bytes_to_edge, ack.size());
    EXPECT_EQ(status.queued_bytes, 0U);
    hq.reads = false;
    send_batch(line3, session, 800);
    EXPECT_GE(relay().status().sessions.at(0).queued_bytes, 800U);
}

TEST_F(RelayStatusTest, MetricsCountByRole) {
    start();
    join(edge("line3"));
    const auto text = dmz_relay::metrics_text(relay().status(), "acme/dmz1", now_);
    const auto holds = [&](const std::string& line) {
        return text.find("\n" + line + "\n") != std::string::npos;
    };
    EXPECT_TRUE(holds("sallyport_relay_agents{role=\"edge\"} 1")) << text;
    EXPECT_TRUE(holds("sallyport_relay_agents{role=\"it\"} 0")) << text;
    EXPECT_TRUE(holds("sallyport_relay_agents_live{role=\"edge\"} 0")) << text;
    EXPECT_TRUE(holds("sallyport_live 0")) << text;
}

}  // namespace
}  // namespace sallyport::relay_core
