// What a WebSocket listener answers to requests and frames that our own dialler would never send.
#include "tests/unit/net/scripted_core.hpp"

namespace sallyport::net {
namespace {

constexpr std::string_view kUpgrade =
    "GET /mqtt HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Protocol: chat, mqtt\r\n";

std::string request(std::string_view more = "") {
    return std::string(kUpgrade) + std::string(more) + "\r\n";
}

/// A masked frame with a masking key of zeros, so that the payload stands as it is. Up to 125
/// bytes.
std::string frame(unsigned char first, const std::string& payload) {
    std::string bytes{static_cast<char>(first), static_cast<char>(0x80U | payload.size())};
    return bytes + std::string(4, '\0') + payload;
}

class WebSocketListener : public NetTest {
protected:
    explicit WebSocketListener(bool messages = false) {
        auto options = loopback(TransportKind::ws);
        options.path = "/mqtt";
        options.messages = messages;
        server.driver.listen(options);
        socket = connect_raw(server.driver);
    }
    std::string answer_to(const std::string& text) {
        write_raw(socket, text);
        return read_to_end(socket);
    }
    void upgrade() {
        write_raw(socket, request());
        std::string answer;
        ASSERT_TRUE(run_until([&] {
            read_raw(socket, answer);
            return answer.find("\r\n\r\n") != std::string::npos;
        }));
        ASSERT_TRUE(answer.starts_with("HTTP/1.1 101")) << answer;
        EXPECT_NE(answer.find("Sec-WebSocket-Protocol: mqtt\r\n"), std::string::npos) << answer;
        EXPECT_EQ(answer.find("Beast"), std::string::npos) << answer;
        ASSERT_TRUE(run_until([&] { return server.core.open.size() == 1; }));
    }

    Node server{io};
    Socket socket{io};
};
class WebSocketMessageListener : public WebSocketListener {
protected:
    WebSocketMessageListener() : WebSocketListener(true) {}
};

TEST_F(WebSocketListener, Answers404OnAnotherPath) {
    auto text = request();
    text.replace(text.find("/mqtt"), 5, "/elsewhere");
    EXPECT_TRUE(answer_to(text).starts_with("HTTP/1.1 404"));
    EXPECT_TRUE(server.core.open.empty());
}

TEST_F(WebSocketListener, Answers400WithoutItsSubprotocol) {
    auto text = request();
    text.replace(text.find("chat, mqtt"), 10, "chat, MQTT");
    EXPECT_TRUE(answer_to(text).starts_with("HTTP/1.1 400"));
    EXPECT_TRUE(server.core.open.empty());
}

TEST_F(WebSocketListener, Answers400ToPlainHttp) {
    EXPECT_TRUE(answer_to("GET /mqtt HTTP/1.1\r\nHost: x\r\n\r\n").starts_with("HTTP/1.1 400"));
    EXPECT_TRUE(server.core.open.empty());
}

TEST_F(WebSocketListener, Answers400ToWhatIsNotHttp) {
    EXPECT_TRUE(
        answer_to(std::string("\x10\x0c\x00\x04MQTT", 8) + "\r\n\r\n").starts_with("HTTP/1.1 400"));
    EXPECT_TRUE(server.core.open.empty());
}

TEST_F(WebSocketListener, TakesHeadersUpTo8KiB) {
    EXPECT_TRUE(
        answer_to(request("X: " + std::string(9000, 'x') + "\r\n")).starts_with("HTTP/1.1 400"));
    EXPECT_TRUE(server.core.open.empty());
    socket = connect_raw(server.driver);
    write_raw(socket, request("X: " + std::string(7000, 'x') + "\r\n"));
    EXPECT_TRUE(run_until([&] { return !server.core.open.empty(); }));
}

TEST_F(WebSocketListener, RefusesFramesBeforeItsAnswer) {
    EXPECT_TRUE(answer_to(request() + frame(0x82, "early")).starts_with("HTTP/1.1 400"));
    EXPECT_EQ(server.core.deliveries, 0);
}

TEST_F(WebSocketListener, EndsAConnectionThatSendsText) {
    ASSERT_NO_FATAL_FAILURE(upgrade());
    write_raw(socket, frame(0x81, "text"));
    ASSERT_TRUE(run_until([&] { return !server.core.ended.empty(); }));
    EXPECT_EQ(server.core.ended[0].cause, CloseCause::reset);
    EXPECT_EQ(server.core.deliveries, 0);
}

TEST_F(WebSocketListener, DeliversTheStreamAcrossFrames) {
    ASSERT_NO_FATAL_FAILURE(upgrade());
    write_raw(socket, frame(0x02, "one ") + frame(0x80, "two ") + frame(0x82, "three"));
    const auto id = server.core.open[0].id;
    EXPECT_TRUE(run_until([&] { return server.core.text(id) == "one two three"; }));
    EXPECT_EQ(server.core.progress, 0);
}

TEST_F(WebSocketListener, AnswersPingsAndCloseFrames) {
    ASSERT_NO_FATAL_FAILURE(upgrade());
    write_raw(socket, frame(0x89, "hello") + frame(0x88, std::string("\x03\xe8", 2)));
    const auto answer = read_to_end(socket);
    EXPECT_NE(answer.find("\x8a\x05hello"), std::string::npos);
    EXPECT_NE(answer.find("\x88\x02\x03\xe8"), std::string::npos);
    socket.close();
    ASSERT_TRUE(run_until([&] { return !server.core.ended.empty(); }));
    EXPECT_EQ(server.core.ended[0].cause, CloseCause::closed);
}

TEST_F(WebSocketMessageListener, ReportsProgressAndDeliversOnlyWholeMessages) {
    ASSERT_NO_FATAL_FAILURE(upgrade());
    const auto whole = frame(0x82, std::string(100, 'a'));
    write_raw(socket, whole.substr(0, 50));
    ASSERT_TRUE(run_until([&] { return server.core.progress > 0; }));
    settle();
    EXPECT_EQ(server.core.deliveries, 0);
    write_raw(socket, whole.substr(50));
    ASSERT_TRUE(run_until([&] { return server.core.deliveries > 0; }));
    EXPECT_EQ(server.core.text(server.core.open[0].id), std::string(100, 'a'));
    EXPECT_EQ(server.core.deliveries, 1);
}

TEST_F(WebSocketMessageListener, EndsAConnectionWhoseMessageIsTooLong) {
    ASSERT_NO_FATAL_FAILURE(upgrade());
    // A frame header that announces 5 MiB: refused before a byte of it is there.
    const std::string header{'\x82', '\xff', 0, 0, 0, 0, 0, '\x50', 0, 0, 0, 0, 0, 0};
    write_raw(socket, header);
    ASSERT_TRUE(run_until([&] {
        std::string ignored;
        if (!read_raw(socket, ignored)) socket.close();
        return !server.core.ended.empty();
    }));
    EXPECT_EQ(server.core.ended[0].cause, CloseCause::reset);
    EXPECT_EQ(server.core.deliveries, 0);
}

TEST_F(WebSocketListener, RefusalReachesTheDiallerWithTheStatus) {
    Node client{io};
    auto options = target(server.driver, TransportKind::ws);
    options.path = "/elsewhere";
    client.driver.add_target(options);
    client.core.dial();
    client.driver.poke();
    ASSERT_TRUE(run_until([&] { return !client.core.ended.empty(); }));
    EXPECT_EQ(client.core.ended[0].cause, CloseCause::refused);
    EXPECT_TRUE(client.core.open.empty());
    EXPECT_NE(client.all_refusals().find("HTTP 404"), std::string::npos) << client.all_refusals();
}

}  // namespace
}  // namespace sallyport::net
