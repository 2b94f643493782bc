#include "tests/unit/relay/scripted_agents.hpp"

namespace sallyport::relay_core {
namespace {

using namespace std::chrono_literals;
using base::CloseCause;
using tunnel::ByeReason;
using tunnel::SessionEnd;

constexpr std::uint64_t kFirst = 11, kSecond = 22, kThird = 33;  // processes of one identity

class RelayAdmission : public RelayTest {
protected:
    RelayAdmission() { start(); }
};

TEST_F(RelayAdmission, WelcomesEdgesAndItAgents) {
    EXPECT_TRUE(join(edge("line3")).welcomed);
    EXPECT_TRUE(join(it("hq")).welcomed);
    EXPECT_EQ(relay().status().admitted, 2U);
    EXPECT_EQ(relay().status().agents.size(), 2U);
}

TEST_F(RelayAdmission, RefusesEveryOtherRole) {
    for (const auto role : {base::Role::relay, base::Role::server, base::Role::client}) {
        auto& stranger = connect({"acme", role, "line3"});
        EXPECT_EQ(stranger.cut, std::optional(false));
        EXPECT_FALSE(stranger.welcomed);
    }
    EXPECT_EQ(relay().status().refused, 3U);
}

TEST_F(RelayAdmission, RefusesAPeerWithoutACertificate) {
    relay().opened(base::ConnectionId{1000}, {0, "10.0.0.9:1", std::nullopt}, now_);
    const auto command = relay().next_command();
    ASSERT_TRUE(command && std::holds_alternative<base::Close>(*command));
    EXPECT_EQ(std::get<base::Close>(*command).id, base::ConnectionId{1000});
    EXPECT_EQ(relay().status().refused, 1U);
}

TEST_F(RelayAdmission, DismissesANameThatIsNotTheCertificates) {
    auto& agent = connect(edge("line3"));
    send(agent, encode(tunnel::Hello{tunnel::kProtocolVersion, 1, "acme/line4"}));
    ASSERT_TRUE(agent.bye);
    EXPECT_EQ(agent.bye->reason, ByeReason::name);
    EXPECT_EQ(agent.cut, std::optional(true)) << "the Bye must reach it";
    EXPECT_FALSE(agent.welcomed);
}

TEST_F(RelayAdmission, DismissesAnotherProtocolVersion) {
    auto& agent = connect(edge("line3"));
    send(agent, encode(tunnel::Hello{2, 1, "acme/line3"}));
    ASSERT_TRUE(agent.bye);
    EXPECT_EQ(agent.bye->reason, ByeReason::version);
}

TEST_F(RelayAdmission, DismissesAnAgentThatDoesNotGreet) {
    auto& agent = connect(edge("line3"));
    pass(4900ms);
    EXPECT_TRUE(agent.linked);
    pass(200ms);
    EXPECT_FALSE(agent.linked);
    EXPECT_FALSE(agent.welcomed);
}

TEST_F(RelayAdmission, DismissesWhatIsNotAFrame) {
    auto& agent = join(edge("line3"));
    send(agent, base::Bytes(64, 0xFF));
    ASSERT_TRUE(agent.bye);
    EXPECT_EQ(agent.bye->reason, ByeReason::protocol);
    EXPECT_TRUE(relay().status().agents.empty());
}

TEST_F(RelayAdmission, TheSameProcessReplacesItsLinkAtOnce) {
    auto& hq = join(it("hq"));
    auto& old_link = join(edge("line3"), kFirst);
    const auto old_session = hq.session();
    auto& new_link = join(edge("line3"), kFirst);  // no time has passed
    EXPECT_TRUE(new_link.welcomed);
    ASSERT_TRUE(old_link.bye);
    EXPECT_EQ(old_link.bye->reason, ByeReason::replaced);
    ASSERT_EQ(hq.closed.size(), 1U);
    EXPECT_EQ(hq.closed[0].session, old_session);
    EXPECT_EQ(hq.closed[0].reason, SessionEnd::peer_gone);
    EXPECT_NE(hq.session(), old_session);
    EXPECT_EQ(new_link.session(), hq.session());
}

TEST_F(RelayAdmission, AnotherProcessIsRefusedWhileTheFirstAnswers) {
    auto& hq = join(it("hq"));
    auto& holder = join(edge("line3"), kFirst);
    auto& newcomer = join(edge("line3"), kSecond);
    EXPECT_FALSE(newcomer.welcomed);
    pass(1s);
    ASSERT_TRUE(newcomer.bye);
    EXPECT_EQ(newcomer.bye->reason, ByeReason::duplicate);
    EXPECT_FALSE(newcomer.welcomed);
    EXPECT_TRUE(holder.linked);
    EXPECT_TRUE(hq.closed.empty());
    EXPECT_TRUE(newcomer.opened.empty());
}

TEST_F(RelayAdmission, AnotherProcessIsAdmittedWhenTheFirstDoesNotAnswer) {
    auto& hq = join(it("hq"));
    auto& holder = join(edge("line3"), kFirst);
    const auto old_session = hq.session();
    holder.reads = false;
    auto& newcomer = join(edge("line3"), kSecond);
    pass(900ms);
    EXPECT_FALSE(newcomer.welcomed);
    EXPECT_TRUE(holder.linked);
    pass(100ms);
    EXPECT_TRUE(newcomer.welcomed);
    EXPECT_FALSE(holder.linked);
    ASSERT_EQ(hq.closed.size(), 1U);
    EXPECT_EQ(hq.closed[0].session, old_session);
    EXPECT_EQ(hq.closed[0].reason, SessionEnd::peer_lost);
    EXPECT_EQ(newcomer.session(), hq.session());
    EXPECT_NE(hq.session(), old_session);
}

TEST_F(RelayAdmission, AnAnswerAfterASecondIsTooLate) {
    auto& holder = join(edge("line3"), kFirst);
    holder.reads = false;
    auto& newcomer = join(edge("line3"), kSecond);
    pass(1s);
    read(holder);
    EXPECT_TRUE(newcomer.welcomed);
    EXPECT_TRUE(newcomer.linked);
    EXPECT_FALSE(holder.linked);
}

TEST_F(RelayAdmission, AProcessThatWasAdmittedInTheProbeIsNotCutOffUnasked) {
    auto& holder = join(edge("line3"), kFirst);
    holder.reads = false;
    auto& newcomer = join(edge("line3"), kSecond);
    auto& late_newcomer = join(edge("line3"), kThird);
    pass(1s);
    EXPECT_TRUE(newcomer.welcomed);
    EXPECT_TRUE(newcomer.linked) << "it answers pings, and was not asked";
    pass(2s);
    EXPECT_TRUE(newcomer.linked);
    ASSERT_TRUE(late_newcomer.bye);
    EXPECT_EQ(late_newcomer.bye->reason, ByeReason::duplicate);
}

TEST_F(RelayAdmission, NothingIsSentBeforeTheWelcome) {
    auto& holder = join(edge("line3"), kFirst);
    auto& newcomer = connect(edge("line3"));
    pass(1500ms);  // its Hello is slow
    holder.reads = false;
    greet(newcomer, kSecond);
    pass(1s);
    EXPECT_EQ(newcomer.failure, std::nullopt) << "a frame came that an agent does not expect yet";
    EXPECT_TRUE(newcomer.welcomed);
}

TEST_F(RelayAdmission, TheHoldersEndDuringTheProbeAdmitsTheNewcomer) {
    auto& holder = join(edge("line3"), kFirst);
    holder.reads = false;
    auto& newcomer = join(edge("line3"), kSecond);
    hang_up(holder, CloseCause::reset);
    pass(1s);
    EXPECT_TRUE(newcomer.welcomed);
}

TEST_F(RelayAdmission, TheSameNameInAnotherRoleIsAnotherIdentity) {
    EXPECT_TRUE(join(edge("hq")).welcomed);
    EXPECT_TRUE(join(it("hq")).welcomed);
}

TEST_F(RelayAdmission, AdmitsNoMoreThanAgentsMax) {
    options_.agents_max = 2;
    start();
    auto& first = join(edge("line1"));
    join(edge("line2"));
    auto& third = connect(edge("line3"));
    EXPECT_EQ(third.cut, std::optional(false));
    EXPECT_EQ(relay().status().agents.size(), 2U);
    hang_up(first, CloseCause::closed);
    EXPECT_TRUE(join(edge("line3")).welcomed);
}

TEST_F(RelayAdmission, AnswersPings) {
    auto& agent = join(edge("line3"));
    agent.link.probe(now_);
    drain();
    EXPECT_TRUE(agent.link.answered_probe());
}

TEST_F(RelayAdmission, ShuttingDownSaysGoodbyeToEveryAgent) {
    auto& line3 = join(edge("line3"));
    auto& hq = join(it("hq"));
    auto& silent = connect(edge("line4"));
    relay().shut_down(now_);
    drain();
    for (const auto* agent : {&line3, &hq}) {
        ASSERT_TRUE(agent->bye);
        EXPECT_EQ(agent->bye->reason, ByeReason::shutdown);
        EXPECT_EQ(agent->cut, std::optional(true));
    }
    EXPECT_FALSE(silent.linked);
    EXPECT_TRUE(relay().status().agents.empty());
    EXPECT_TRUE(relay().status().sessions.empty());
    EXPECT_EQ(relay().status().refused, 0U) << "a goodbye is no refusal";
}

}  // namespace
}  // namespace sallyport::relay_core
