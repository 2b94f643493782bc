#include "common/ops/control_socket.hpp"

#include <fstream>
#include <sys/stat.h>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <gtest/gtest.h>

#include "common/ops/exit_codes.hpp"
#include "tests/unit/ops/exchange.hpp"
#include "tests/unit/ops/scratch_dir.hpp"

namespace sallyport::ops {
namespace {

using Unix = boost::asio::local::stream_protocol;

struct Fixture {
    ScratchDir dir;
    boost::asio::io_context io;
    std::string path = dir.file("control.sock");
    std::vector<std::string> verbs;

    ControlSocket::Handler handler() {
        return [this](std::string_view verb) {
            verbs.emplace_back(verb);
            return R"({"verb":1})";
        };
    }
};

TEST(ControlSocket, AnswersOneLineAndCloses) {
    Fixture f;
    const ControlSocket server(f.io, f.path, f.handler());
    EXPECT_EQ(exchange<Unix>(f.io, f.path, "status\nmore\n"), "{\"verb\":1}\n");
    EXPECT_EQ(exchange<Unix>(f.io, f.path, "status --json\r\n"), "{\"verb\":1}\n");
    EXPECT_EQ(f.verbs, (std::vector<std::string>{"status", "status --json"}));
}

TEST(ControlSocket, IsForItsOwnerOnly) {
    Fixture f;
    const ControlSocket server(f.io, f.path, f.handler());
    struct stat status{};
    ASSERT_EQ(::stat(f.path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST(ControlSocket, ClosesOnARequestOfMoreThan4KiB) {
    Fixture f;
    const ControlSocket server(f.io, f.path, f.handler());
    EXPECT_EQ(exchange<Unix>(f.io, f.path, std::string(kControlRequestBytesMax + 1, 'x') + "\n"),
              "");
    EXPECT_TRUE(f.verbs.empty());
}

TEST(ControlSocket, ClosesOnAClientThatSaysNothingInTime) {
    Fixture f;
    const ControlSocket server(f.io, f.path, f.handler(), std::chrono::milliseconds(10));
    EXPECT_EQ(exchange<Unix>(f.io, f.path, "stat"), "");
    EXPECT_TRUE(f.verbs.empty());
}

TEST(ControlSocket, ServesSixteenClientsAtOnceAndNoMore) {
    Fixture f;
    const ControlSocket server(f.io, f.path, f.handler());
    std::vector<Unix::socket> silent;
    for (std::size_t i = 0; i < ControlSocket::kClientsMax; ++i) {
        silent.emplace_back(f.io);
        silent.back().connect(Unix::endpoint(f.path));
        f.io.run_one();
    }
    EXPECT_EQ(exchange<Unix>(f.io, f.path, "status\n"), "");
    silent.clear();
    // The server sees the ends before the next one, for they came first.
    f.io.restart();
    f.io.poll();
    EXPECT_EQ(exchange<Unix>(f.io, f.path, "status\n"), "{\"verb\":1}\n");
}

TEST(ControlSocket, TakesThePlaceOfADeadOne) {
    Fixture f;
    {
        Unix::acceptor dead(f.io, Unix::endpoint(f.path));
    }
    ASSERT_TRUE(std::filesystem::exists(f.path));
    const ControlSocket server(f.io, f.path, f.handler());
    EXPECT_EQ(exchange<Unix>(f.io, f.path, "status\n"), "{\"verb\":1}\n");
}

TEST(ControlSocket, LeavesALivingOneAlone) {
    Fixture f;
    const ControlSocket server(f.io, f.path, f.handler());
    const auto text =
        text_thrown_by<Failure>([&] { const ControlSocket second(f.io, f.path, f.handler()); });
    EXPECT_NE(text.find("another process answers there"), std::string::npos) << text;
    EXPECT_EQ(exchange<Unix>(f.io, f.path, "status\n"), "{\"verb\":1}\n");
}

TEST(ControlSocket, LeavesAFileThatIsNoSocketAlone) {
    Fixture f;
    std::ofstream(f.path) << "precious";
    const auto text =
        text_thrown_by<Failure>([&] { const ControlSocket server(f.io, f.path, f.handler()); });
    EXPECT_NE(text.find("not a socket"), std::string::npos) << text;
    EXPECT_EQ(std::filesystem::file_size(f.path), 8U);
}

TEST(ControlSocket, StopRemovesTheFileAndLeavesNoWork) {
    Fixture f;
    ControlSocket server(f.io, f.path, f.handler());
    server.stop();
    EXPECT_FALSE(std::filesystem::exists(f.path));
    f.io.run();
    EXPECT_TRUE(f.io.stopped());
}

ExitCode code_of(const std::string& path, std::chrono::milliseconds timeout) {
    try {
        ask(path, "status", timeout);
    } catch (const Failure& failure) {
        return failure.code();
    }
    return ExitCode::ok;
}

TEST(Ask, GivesTheAnswerWithoutItsLineEnd) {
    Fixture f;
    ControlSocket server(f.io, f.path, f.handler());
    std::thread agent([&] { f.io.run(); });
    EXPECT_EQ(ask(f.path, "status"), R"({"verb":1})");
    f.io.stop();
    agent.join();
}

TEST(Ask, IsUnreachableWhereNobodyAnswers) {
    Fixture f;
    EXPECT_EQ(code_of(f.path, std::chrono::seconds(1)), ExitCode::unreachable);
    EXPECT_EQ(code_of(std::string(200, 'x'), std::chrono::seconds(1)), ExitCode::unreachable);
    const ControlSocket stalled(f.io, f.path, f.handler());  // its io_context does not run
    EXPECT_EQ(code_of(f.path, std::chrono::milliseconds(20)), ExitCode::unreachable);
}

TEST(Ask, RefusesAVerbOfSeveralLines) {
    EXPECT_THROW(ask("/nonexistent", "a\nb"), Failure);
}

}  // namespace
}  // namespace sallyport::ops
