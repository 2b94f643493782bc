// The same payload over every transport, accepted by one driver and dialled by another.
#include "tests/unit/net/scripted_core.hpp"
#include "tests/unit/net/throw_away_pki.hpp"

namespace sallyport::net {
namespace {

constexpr std::size_t kChunkBytes = 1U << 20U;

base::Bytes pattern(std::size_t length) {
    base::Bytes bytes(length);
    std::uint32_t state = 1;
    for (auto& byte : bytes) {
        state = state * 1664525 + 1013904223;
        byte = static_cast<std::uint8_t>(state >> 24U);
    }
    return bytes;
}

struct Case {
    TransportKind kind;
    bool messages;
    const char* name;
};
constexpr Case kCases[] = {
    {TransportKind::tcp, false, "Tcp"},      {TransportKind::tls, false, "Tls"},
    {TransportKind::ws, false, "WsStream"},  {TransportKind::wss, false, "WssStream"},
    {TransportKind::ws, true, "WsMessages"}, {TransportKind::wss, true, "WssMessages"},
};
const auto kCaseName = [](const testing::TestParamInfo<Case>& info) { return info.param.name; };

class EveryTransport : public NetTest, public testing::WithParamInterface<Case> {
protected:
    EveryTransport() {
        const auto [kind, messages, name] = GetParam();
        const bool tls = kind == TransportKind::tls || kind == TransportKind::wss;
        auto listening = loopback(kind, tls ? pki.relay() : nullptr);
        listening.messages = messages;
        listening.path = "/sallyport";
        server.driver.listen(listening);
        auto dialled =
            target(server.driver, kind, tls ? pki.dialler(base::Role::edge, "line3") : nullptr);
        dialled.messages = messages;
        dialled.path = "/sallyport";
        client.driver.add_target(dialled);
    }
    bool connect() {
        id = client.core.dial();
        client.driver.poke();
        return run_until([&] { return !client.core.open.empty() && !server.core.open.empty(); });
    }

    ThrowAwayPki pki;
    Node server{io}, client{io};
    ConnectionId id{};
};
INSTANTIATE_TEST_SUITE_P(Net, EveryTransport, testing::ValuesIn(kCases), kCaseName);

TEST_P(EveryTransport, EchoesMebibyteChunksIntact) {
    server.core.echo();
    ASSERT_TRUE(connect());
    const auto chunk = pattern(kChunkBytes);
    base::Bytes sent;
    for (int i = 0; i < 4; ++i) {
        client.core.send(id, chunk);
        base::append(sent, chunk);
    }
    client.driver.poke();
    ASSERT_TRUE(run_until([&] { return client.core.input[id].size() >= sent.size(); }));
    EXPECT_EQ(client.core.input[id], sent);
    EXPECT_TRUE(client.core.ended.empty() && server.core.ended.empty());
    if (GetParam().messages) {
        EXPECT_EQ(client.core.deliveries, 4);
        EXPECT_EQ(server.core.deliveries, 4);
        EXPECT_FALSE(client.core.misaligned || server.core.misaligned);
    }
}

TEST_P(EveryTransport, NamesThePeer) {
    ASSERT_TRUE(connect());
    EXPECT_EQ(static_cast<std::uint64_t>(server.core.open[0].id), 2U);
    EXPECT_EQ(client.core.open[0].id, id);
    const auto kind = GetParam().kind;
    const bool tls = kind == TransportKind::tls || kind == TransportKind::wss;
    const auto& accepted = server.core.open[0].peer.identity;
    const auto& dialled = client.core.open[0].peer.identity;
    ASSERT_EQ(accepted.has_value(), tls);
    ASSERT_EQ(dialled.has_value(), tls);
    if (!tls) return;
    EXPECT_EQ(base::to_uri(*accepted), "sallyport://acme/edge/line3");
    EXPECT_EQ(base::to_uri(*dialled), "sallyport://acme/relay/relay");
}

TEST_P(EveryTransport, FlushedCloseDeliversLastBytesPastUnreadInput) {
    server.core.on_opened = [&](ConnectionId accepted) {
        server.core.commands.push_back(base::SetReading{accepted, false});
    };
    ASSERT_TRUE(connect());
    settle();
    // More than the one read in flight takes, so that bytes are left unread at the server.
    for (int i = 0; i < 8; ++i) client.core.send(id, pattern(100'000));
    client.driver.poke();
    ASSERT_TRUE(run_until([&] { return server.core.deliveries > 0; }));
    const auto accepted = server.core.open[0].id;
    const auto last_words = pattern(300'000);
    server.core.send(accepted, last_words);
    server.core.commands.push_back(base::Close{accepted, true});
    server.driver.poke();

    ASSERT_TRUE(
        run_until([&] { return !client.core.ended.empty() && !server.core.ended.empty(); }));
    EXPECT_EQ(client.core.input[id], last_words);
    EXPECT_EQ(client.core.ended[0].cause, CloseCause::closed);
    EXPECT_EQ(server.core.ended[0].cause, CloseCause::local);
    EXPECT_EQ(server.core.deliveries, 1);
    EXPECT_EQ(server.driver.connections(), 0U);
}

TEST_P(EveryTransport, CloseWithoutFlushIsSaidAtOnceAndOnce) {
    ASSERT_TRUE(connect());
    client.core.commands.push_back(base::Close{id, false});
    client.core.commands.push_back(base::Close{id, true});
    client.driver.poke();
    ASSERT_TRUE(
        run_until([&] { return !client.core.ended.empty() && !server.core.ended.empty(); }));
    settle();
    ASSERT_EQ(client.core.ended.size(), 1U);
    EXPECT_EQ(client.core.ended[0].cause, CloseCause::local);
    EXPECT_EQ(server.core.ended.size(), 1U);
}

TEST_P(EveryTransport, ReadingOffHoldsBackAfterTheReadInFlight) {
    server.core.on_opened = [&](ConnectionId accepted) {
        server.core.commands.push_back(base::SetReading{accepted, false});
    };
    ASSERT_TRUE(connect());
    settle();
    client.core.send(id, "first");
    client.driver.poke();
    const auto accepted = server.core.open[0].id;
    ASSERT_TRUE(run_until([&] { return server.core.text(accepted) == "first"; }));
    client.core.send(id, "second");
    client.driver.poke();
    ASSERT_TRUE(run_until([&] { return client.core.output[id].empty(); }));
    settle();
    EXPECT_EQ(server.core.text(accepted), "first");
    server.core.commands.push_back(base::SetReading{accepted, true});
    server.driver.poke();
    EXPECT_TRUE(run_until([&] { return server.core.text(accepted) == "firstsecond"; }));
}

TEST_P(EveryTransport, StopFlushesAndLeavesNoWorkBehind) {
    ASSERT_TRUE(connect());
    server.core.deadline = real_now().instant + std::chrono::hours(1);
    server.core.send(server.core.open[0].id, "bye");
    server.driver.stop();
    client.driver.stop();
    const auto before = std::chrono::steady_clock::now();
    io.restart();
    io.run_for(kPatience);  // returns early only because nothing is left to do
    EXPECT_LT(std::chrono::steady_clock::now() - before, kPatience);
    ASSERT_EQ(server.core.ended.size(), 1U);
    EXPECT_EQ(server.core.ended[0].cause, CloseCause::local);
    EXPECT_EQ(client.core.ended.size(), 1U);
    EXPECT_TRUE(server.core.output[server.core.open[0].id].empty());
}

}  // namespace
}  // namespace sallyport::net
