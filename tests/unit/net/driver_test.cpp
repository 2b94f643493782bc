// The driver itself: order of calls, time, limits, failures of dialling and listening.
#include <algorithm>
#include <optional>
#include <sys/resource.h>
#include <system_error>
#include <unistd.h>

#include "common/net/ending.hpp"
#include "common/net/listener.hpp"
#include "common/net/refusal_log.hpp"
#include "common/net/socket_options.hpp"
#include "tests/unit/net/scripted_core.hpp"
#include "tests/unit/net/throw_away_pki.hpp"

namespace sallyport::net {
namespace {

using namespace std::chrono_literals;

class DriverTest : public NetTest {};

TEST_F(DriverTest, AsksTheCoreOnceAtStartAfterTheCallback) {
    Node node{io};
    settle();
    EXPECT_EQ(node.pumps, 1);
}

TEST_F(DriverTest, PumpsOnceForABurstOfInputs) {
    Node node{io};
    node.driver.listen(loopback(TransportKind::tcp));
    auto first = connect_raw(node.driver), second = connect_raw(node.driver);
    ASSERT_TRUE(run_until([&] { return node.core.open.size() == 2; }));
    settle();
    write_raw(first, "a");
    write_raw(second, "b");
    const auto pumps = node.pumps;
    node.driver.poke();
    node.driver.poke();
    node.core.calls.clear();
    ASSERT_TRUE(run_until([&] { return node.core.deliveries == 2; }));
    settle();
    EXPECT_LE(node.pumps - pumps, 2);
    EXPECT_EQ(node.core.calls.back(), "after_input");
}

TEST_F(DriverTest, LetsTimePassAtTheDeadline) {
    Node node{io};
    node.driver.listen(loopback(TransportKind::tcp));
    const auto at = real_now().instant + 30ms;
    node.core.deadline = at;
    ASSERT_TRUE(run_until([&] { return !node.core.deadline.has_value(); }));
    EXPECT_GE(real_now().instant, at);
}

TEST_F(DriverTest, DeliversBytesThatArrivedBeforeTimePasses) {
    Node node{io};
    node.driver.listen(loopback(TransportKind::tcp));
    auto socket = connect_raw(node.driver);
    ASSERT_TRUE(run_until([&] { return !node.core.open.empty(); }));
    settle();
    node.core.calls.clear();
    // The loop stands still while bytes arrive and the deadline passes.
    node.core.deadline = real_now().instant - 1s;
    node.driver.poke();
    write_raw(socket, "late");
    ASSERT_TRUE(run_until([&] { return !node.core.deadline.has_value(); }));
    const auto& calls = node.core.calls;
    EXPECT_LT(std::ranges::find(calls, "received"), std::ranges::find(calls, "expire"));
}

TEST_F(DriverTest, AnEarlierDeadlineIsNotMissed) {
    Node node{io};
    node.driver.listen(loopback(TransportKind::tcp));
    node.core.deadline = real_now().instant + 1h;
    settle();
    node.core.deadline = real_now().instant + 10ms;
    node.driver.poke();
    EXPECT_TRUE(run_until([&] { return !node.core.deadline.has_value(); }));
}

TEST_F(DriverTest, ConnectToAClosedPortIsRefused) {
    Node node{io};
    std::string port;
    {
        Node passing{io};
        passing.driver.listen(loopback(TransportKind::tcp));
        port = std::to_string(passing.driver.ports().at(0));
    }
    TargetOptions options;
    options.host = "127.0.0.1";
    options.port = port;
    options.transport = TransportKind::tcp;
    node.driver.add_target(options);
    const auto id = node.core.dial();
    ASSERT_TRUE(run_until([&] { return !node.core.ended.empty(); }));
    EXPECT_EQ(node.core.ended[0].id, id);
    EXPECT_EQ(node.core.ended[0].cause, CloseCause::refused);
    EXPECT_TRUE(node.core.open.empty());
    EXPECT_NE(node.all_refusals().find("127.0.0.1:" + port), std::string::npos);
}

TEST_F(DriverTest, ANameIsResolvedAndItsAddressesTriedInTurn) {
    Node node{io};
    node.driver.listen(loopback(TransportKind::tcp));  // on 127.0.0.1 only
    auto options = target(node.driver, TransportKind::tcp);
    options.host = "localhost";
    node.driver.add_target(options);
    const auto id = node.core.dial();
    ASSERT_TRUE(run_until([&] { return node.core.open.size() == 2; }));
    EXPECT_TRUE(std::ranges::any_of(node.core.open, [&](auto& open) { return open.id == id; }));
}

TEST_F(DriverTest, AnAddressThatSwallowsPacketsEndsADialInTime) {
    // A full accept queue: the kernel drops further attempts.
    boost::asio::ip::tcp::acceptor acceptor(io);
    acceptor.open(boost::asio::ip::tcp::v4());
    acceptor.bind({boost::asio::ip::make_address("127.0.0.1"), 0});
    acceptor.listen(0);
    std::vector<Socket> waiting;
    for (int i = 0; i < 4; ++i) {
        waiting.emplace_back(io);
        waiting.back().async_connect(acceptor.local_endpoint(), [](auto) {});
    }
    settle();
    Node node{io, [] {
                  DriverLimits limits;
                  limits.connect_timeout = 30ms;
                  return limits;
              }()};
    TargetOptions options;
    options.host = "127.0.0.1";
    options.port = std::to_string(acceptor.local_endpoint().port());
    options.transport = TransportKind::tcp;
    node.driver.add_target(options);
    node.core.dial();
    ASSERT_TRUE(run_until([&] { return !node.core.ended.empty(); }));
    EXPECT_EQ(node.core.ended[0].cause, CloseCause::unreachable);
    EXPECT_TRUE(node.core.open.empty());
}

TEST_F(DriverTest, CloseEndsADialThatIsUnderWay) {
    Node server{io}, client{io};
    // Listens, but its side of TLS is never spoken: the dial stays in its handshake.
    server.driver.listen(loopback(TransportKind::tcp));
    ThrowAwayPki pki;
    client.driver.add_target(
        target(server.driver, TransportKind::tls, pki.dialler(base::Role::edge, "line3")));
    const auto id = client.core.dial();
    ASSERT_TRUE(run_until([&] { return server.core.deliveries > 0; }));
    client.core.commands.push_back(base::Close{id, true});
    client.driver.poke();
    ASSERT_TRUE(run_until([&] { return !client.core.ended.empty(); }));
    EXPECT_EQ(client.core.ended[0].cause, CloseCause::local);
    EXPECT_TRUE(client.core.open.empty());
}

TEST_F(DriverTest, CloseRightAfterConnectIsAnswered) {
    Node node{io};
    node.driver.listen(loopback(TransportKind::tcp));
    node.driver.add_target(target(node.driver, TransportKind::tcp));
    const auto id = node.core.dial();
    node.core.commands.push_back(base::Close{id, false});
    ASSERT_TRUE(run_until([&] { return !node.core.ended.empty(); }));
    settle();
    EXPECT_EQ(node.core.ended[0].cause, CloseCause::local);
    EXPECT_TRUE(node.core.open.empty());
    EXPECT_EQ(node.core.ended.size(), 1U);
}

TEST_F(DriverTest, SilentServerEndsADialByTimeout) {
    Node server{io}, client{io, [] {
                                DriverLimits limits;
                                limits.handshake_timeout = 30ms;
                                return limits;
                            }()};
    server.driver.listen(loopback(TransportKind::tcp));
    ThrowAwayPki pki;
    client.driver.add_target(
        target(server.driver, TransportKind::wss, pki.dialler(base::Role::edge, "line3")));
    client.core.dial();
    ASSERT_TRUE(run_until([&] { return !client.core.ended.empty(); }));
    EXPECT_EQ(client.core.ended[0].cause, CloseCause::unreachable);
}

TEST_F(DriverTest, ABrokenConnectionIsReset) {
    Node node{io};
    node.driver.listen(loopback(TransportKind::tcp));
    auto socket = connect_raw(node.driver);
    ASSERT_TRUE(run_until([&] { return !node.core.open.empty(); }));
    socket.set_option(boost::asio::socket_base::linger(true, 0));
    socket.close();
    ASSERT_TRUE(run_until([&] { return !node.core.ended.empty(); }));
    EXPECT_EQ(node.core.ended[0].cause, CloseCause::reset);
}

TEST_F(DriverTest, AFlushedCloseToAPeerThatNeverEndsIsBounded) {
    Node node{io, [] {
                  DriverLimits limits;
                  limits.drain_timeout = 30ms;
                  return limits;
              }()};
    node.driver.listen(loopback(TransportKind::tcp));
    auto first = connect_raw(node.driver), second = connect_raw(node.driver);  // neither reads
    ASSERT_TRUE(run_until([&] { return node.core.open.size() == 2; }));
    for (const auto& open : node.core.open) {
        node.core.send(open.id, base::Bytes(32U << 20U));  // more than the kernel takes
        node.core.commands.push_back(base::Close{open.id, true});
    }
    node.driver.poke();
    ASSERT_TRUE(run_until([&] { return node.core.ended.size() == 2; }));
    EXPECT_EQ(node.core.ended[0].cause, CloseCause::local);
    EXPECT_EQ(node.driver.connections(), 0U);
}

class HandshakeFlood : public NetTest {
protected:
    static DriverLimits limits() {
        DriverLimits limits;
        limits.handshakes_max = 2;
        limits.rejected_log_interval = {};
        return limits;
    }
    ThrowAwayPki pki;
    Node server{io, limits()}, client{io};
};

TEST_F(HandshakeFlood, DropsTheOldestAndLetsTheHonestIn) {
    server.driver.listen(loopback(TransportKind::tls, pki.relay()));
    auto first = connect_raw(server.driver), second = connect_raw(server.driver);
    settle();
    client.driver.add_target(
        target(server.driver, TransportKind::tls, pki.dialler(base::Role::edge, "line3")));
    client.core.dial();
    client.driver.poke();
    ASSERT_TRUE(run_until([&] { return !server.core.open.empty(); }));
    EXPECT_EQ(read_to_end(first), "");
    std::string nothing;
    EXPECT_TRUE(read_raw(second, nothing));
    EXPECT_NE(server.all_refusals().find("dropped"), std::string::npos);
    EXPECT_TRUE(server.core.ended.empty());
}

TEST_F(HandshakeFlood, IsOverForEachAfterTheTimeout) {
    auto hasty = limits();
    hasty.handshake_timeout = 30ms;
    Node node{io, hasty};
    node.driver.listen(loopback(TransportKind::tls, pki.relay()));
    auto idle = connect_raw(node.driver);
    EXPECT_EQ(read_to_end(idle), "");
    EXPECT_TRUE(node.core.open.empty() && node.core.ended.empty());
    EXPECT_NE(node.all_refusals().find("too long"), std::string::npos);
}

TEST_F(DriverTest, TakesNoMoreThanItsConnections) {
    Node node{io, [] {
                  DriverLimits limits;
                  limits.connections_max = 1;
                  return limits;
              }()};
    node.driver.listen(loopback(TransportKind::tcp));
    auto first = connect_raw(node.driver);
    ASSERT_TRUE(run_until([&] { return node.core.open.size() == 1; }));
    auto second = connect_raw(node.driver);
    EXPECT_EQ(read_to_end(second), "");
    EXPECT_EQ(node.core.open.size(), 1U);
    EXPECT_EQ(node.driver.connections(), 1U);
    EXPECT_NE(node.all_refusals().find("too many connections"), std::string::npos);
}

TEST_F(DriverTest, RestsWhileDescriptorsAreUsedUp) {
    Node node{io};
    int errors = 0, accepted = 0;
    auto listener = std::make_shared<Listener>(
        io, "127.0.0.1:0", [&](Socket) { ++accepted; }, [&](const std::string&) { ++errors; });
    listener->start();
    Socket client(io);
    client.open(boost::asio::ip::tcp::v4());
    settle();
    // Descriptors are taken until the kernel has none left for us, then given back.
    rlimit saved{};
    ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &saved), 0);
    const rlimit none{static_cast<rlim_t>(client.native_handle()) + 1, saved.rlim_max};
    std::vector<int> taken;
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
    for (int fd = dup(0); fd >= 0; fd = dup(0)) taken.push_back(fd);
    client.connect({boost::asio::ip::make_address("127.0.0.1"), listener->port()});
    const bool noticed = run_until([&] { return errors > 0; });
    settle();
    const int errors_at_once = errors;
    for (const int fd : taken) close(fd);
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &saved), 0);
    EXPECT_TRUE(noticed);
    EXPECT_EQ(errors_at_once, 1);
    EXPECT_TRUE(run_until([&] { return accepted == 1; }));
    listener->close();
    settle();
}

TEST_F(DriverTest, ListenErrorNamesAddressAndReason) {
    Node node{io};
    node.driver.listen(loopback(TransportKind::tcp));
    auto again = loopback(TransportKind::tcp);
    again.address = "127.0.0.1:" + std::to_string(node.driver.ports().at(0));
    try {
        node.driver.listen(again);
        FAIL() << "two listeners on one port";
    } catch (const std::system_error& error) {
        const std::string text = error.what();
        EXPECT_NE(text.find(again.address), std::string::npos) << text;
        EXPECT_NE(text.find("Address already in use"), std::string::npos) << text;
    }
}

TEST_F(DriverTest, ListensOnIpv6) {
    Node node{io};
    auto options = loopback(TransportKind::tcp);
    options.address = "[::1]:0";
    node.driver.listen(options);
    auto there = target(node.driver, TransportKind::tcp);
    there.host = "::1";
    node.driver.add_target(there);
    node.core.dial();
    ASSERT_TRUE(run_until([&] { return node.core.open.size() == 2; }));
    EXPECT_TRUE(node.core.open[0].peer.address.starts_with("[::1]:"));
}

TEST_F(DriverTest, GoingAwayTellsTheCoreNothing) {
    ScriptedCore core;
    {
        Driver driver(io, core, {}, nullptr);
        driver.listen(loopback(TransportKind::tcp));
        driver.add_target(target(driver, TransportKind::tcp));
        core.dial();
        ASSERT_TRUE(run_until([&] { return core.open.size() == 2; }));
        core.send(core.open[0].id, base::Bytes(1U << 20U));
        driver.poke();
        settle();
    }
    core.calls.clear();
    settle();
    EXPECT_TRUE(core.calls.empty());
}

TEST(Endpoint, IsNumericWithPort) {
    EXPECT_EQ(to_text(parse_endpoint("127.0.0.1:1883")), "127.0.0.1:1883");
    EXPECT_EQ(to_text(parse_endpoint("[::1]:1883")), "[::1]:1883");
    for (const auto* bad : {"", "127.0.0.1", ":1883", "localhost:1883", "::1:1883", "127.0.0.1:",
                            "127.0.0.1:65536", "127.0.0.1:1x", "[127.0.0.1]:1", "[::1]"})
        EXPECT_THROW(parse_endpoint(bad), std::system_error) << bad;
}

TEST(Refusals, AreToldOncePerIntervalAndCounted) {
    RefusalLog log(1s);
    const base::Instant start{10s};
    EXPECT_EQ(log.tell("a", start), "a");
    EXPECT_EQ(log.tell("b", start + 500ms), std::nullopt);
    EXPECT_EQ(log.tell("c", start + 999ms), std::nullopt);
    EXPECT_EQ(log.tell("d", start + 1s), "d (2 more refused since the last one named)");
    EXPECT_EQ(log.tell("e", start + 2s), "e");
}

TEST(Endings, SayWhatWasSeen) {
    using boost::asio::error::basic_errors;
    const auto cause = [](basic_errors error, Stage stage) {
        return cause_of(boost::asio::error::make_error_code(error), stage);
    };
    EXPECT_EQ(cause_of(boost::asio::error::eof, Stage::open), CloseCause::closed);
    EXPECT_EQ(cause(basic_errors::connection_reset, Stage::open), CloseCause::reset);
    EXPECT_EQ(cause(basic_errors::broken_pipe, Stage::open), CloseCause::reset);
    EXPECT_EQ(cause(basic_errors::timed_out, Stage::open), CloseCause::unreachable);
    EXPECT_EQ(cause(basic_errors::connection_refused, Stage::connecting), CloseCause::refused);
    EXPECT_EQ(cause(basic_errors::host_unreachable, Stage::connecting), CloseCause::unreachable);
    EXPECT_EQ(cause_of(boost::asio::error::host_not_found, Stage::connecting),
              CloseCause::unreachable);
}

}  // namespace
}  // namespace sallyport::net
