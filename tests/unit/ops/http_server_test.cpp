#include "common/ops/http_server.hpp"

#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <gtest/gtest.h>

#include "common/ops/exit_codes.hpp"
#include "tests/unit/ops/exchange.hpp"
#include "tests/unit/ops/scratch_dir.hpp"

namespace sallyport::ops {
namespace {

using Tcp = boost::asio::ip::tcp;

// The kernel chooses the port, on loopback.
struct Fixture {
    boost::asio::io_context io;
    HttpServer server;

    explicit Fixture(std::chrono::milliseconds timeout = HttpServer::kTimeout)
        : server(io, "127.0.0.1:0",
                 {{"/metrics", [] { return HttpResponse{200, "text/plain", "up 1\n"}; }},
                  {"/healthz", [] { return HttpResponse{503, "text/plain", "not ready\n"}; }}},
                 timeout) {}

    Tcp::endpoint endpoint() const {
        return {boost::asio::ip::address_v4::loopback(), server.port()};
    }
    std::string answer(const std::string& request) {
        return exchange<Tcp>(io, endpoint(), request);
    }
    std::string get(const std::string& target, const std::string& host = "localhost") {
        return answer("GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
    }
};

bool has_status(const std::string& response, int status) {
    return response.starts_with("HTTP/1.1 " + std::to_string(status) + " ");
}

TEST(HttpServer, ServesItsPathsAndClosesEachConnection) {
    Fixture f;
    const auto metrics = f.get("/metrics");
    EXPECT_TRUE(has_status(metrics, 200)) << metrics;
    EXPECT_TRUE(metrics.ends_with("\r\n\r\nup 1\n")) << metrics;
    EXPECT_NE(metrics.find("Connection: close"), std::string::npos) << metrics;
    EXPECT_TRUE(has_status(f.get("/metrics?x=1"), 200));
    EXPECT_TRUE(has_status(f.get("/healthz"), 503));
}

TEST(HttpServer, AnswersNothingElse) {
    Fixture f;
    EXPECT_TRUE(has_status(f.get("/"), 404));
    EXPECT_TRUE(has_status(f.get("/metrics/"), 404));
    EXPECT_TRUE(has_status(f.get("http://localhost/metrics"), 404));
    for (const std::string method : {"HEAD", "PUT", "DELETE", "OPTIONS"}) {
        const auto response = f.answer(method + " /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
        EXPECT_TRUE(has_status(response, 405)) << method;
        EXPECT_NE(response.find("Allow: GET"), std::string::npos) << method;
    }
}

TEST(HttpServer, RefusesHostsThatAreNotLoopback) {
    Fixture f;
    EXPECT_TRUE(has_status(f.get("/metrics", "attacker.example"), 421));
    EXPECT_TRUE(has_status(f.get("/metrics", "localhost.attacker.example"), 421));
    EXPECT_TRUE(has_status(f.get("/metrics", "10.0.0.1:9101"), 421));
    EXPECT_TRUE(has_status(f.get("/metrics", ""), 421));
    EXPECT_TRUE(has_status(f.answer("GET /metrics HTTP/1.1\r\n\r\n"), 400));
    EXPECT_TRUE(has_status(
        f.answer("GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: attacker.example\r\n\r\n"),
        400));
}

TEST(HttpServer, RefusesBodiesLargeHeadersAndOtherProtocols) {
    Fixture f;
    EXPECT_TRUE(has_status(
        f.answer("GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc"), 400));
    EXPECT_TRUE(has_status(f.answer("GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: " +
                                    std::string(HttpServer::kHeaderBytesMax, 'x') + "\r\n\r\n"),
                           431));
    EXPECT_TRUE(has_status(f.answer("\x16\x03\x01 hello\r\n\r\n"), 400));
}

TEST(HttpServer, ClosesOnAClientThatIsNotDoneInTime) {
    Fixture f(std::chrono::milliseconds(10));
    EXPECT_EQ(f.answer("GET /metrics HTTP/1.1\r\nHost: loc"), "");
}

TEST(HttpServer, HoldsSixtyFourConnectionsAndNoMore) {
    Fixture f;
    std::vector<Tcp::socket> silent;
    for (std::size_t i = 0; i < HttpServer::kConnectionsMax; ++i) {
        silent.emplace_back(f.io);
        silent.back().connect(f.endpoint());
        f.io.run_one();
    }
    EXPECT_EQ(f.get("/metrics"), "");
}

TEST(HttpServer, StopLeavesNoWork) {
    Fixture f;
    f.get("/metrics");
    f.server.stop();
    f.io.restart();
    f.io.run();
    EXPECT_TRUE(f.io.stopped());
}

TEST(HttpServer, RefusesAddressesBeyondLoopbackAndThoseInUse) {
    Fixture f;
    const auto open = [&](const std::string& address) {
        return text_thrown_by<Failure>([&] { const HttpServer second(f.io, address, {}); });
    };
    EXPECT_NE(open("0.0.0.0:0").find("not a loopback address"), std::string::npos);
    EXPECT_NE(open("localhost:1").find("not a numeric address"), std::string::npos);
    const auto in_use = open("127.0.0.1:" + std::to_string(f.server.port()));
    EXPECT_NE(in_use.find("in use; stop what listens there"), std::string::npos) << in_use;
}

TEST(LoopbackHost, IsANameOrAddressOfLoopbackWithOrWithoutPort) {
    for (const auto* good : {"localhost", "LocalHost:9101", "127.0.0.1", "127.0.0.1:9101",
                             "127.9.9.9", "[::1]", "[::1]:1"})
        EXPECT_TRUE(is_loopback_host(good)) << good;
    for (const auto* bad : {"", ":9101", "localhost.", "example.org", "127.0.0.1.example.org",
                            "[::2]", "[::1", "[::1]x", "::1", "10.0.0.1", "0.0.0.0"})
        EXPECT_FALSE(is_loopback_host(bad)) << bad;
}

}  // namespace
}  // namespace sallyport::ops
