// A core that does what the test tells it and remembers what the driver told it, and the loop that
// runs drivers on real loopback sockets until something has happened.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <gtest/gtest.h>

#include "common/net/driver.hpp"

namespace sallyport::net {

using base::CloseCause;
using base::ConnectionId;

class ScriptedCore final : public base::NetworkCore {
public:
    struct Opened {
        ConnectionId id;
        base::Peer peer;
    };
    struct Ended {
        ConnectionId id;
        CloseCause cause;
    };

    void opened(ConnectionId id, const base::Peer& peer, base::Now) override {
        calls.emplace_back("opened");
        open.push_back({id, peer});
        if (on_opened) on_opened(id);
    }
    void received(ConnectionId id, base::ByteView bytes, base::Now) override {
        calls.emplace_back("received");
        misaligned |= reinterpret_cast<std::uintptr_t>(bytes.data()) % 8 != 0;
        ++deliveries;
        base::append(input[id], bytes);
        if (on_received) on_received(id, bytes);
    }
    void progressed(ConnectionId, base::Now) override { ++progress; }
    void closed(ConnectionId id, CloseCause cause, base::Now) override {
        calls.emplace_back("closed");
        ended.push_back({id, cause});
    }
    void expire(base::Now now) override {
        calls.emplace_back("expire");
        if (deadline && *deadline <= now.instant) deadline.reset();
    }
    std::optional<base::Instant> next_deadline() const override { return deadline; }
    std::optional<base::Command> next_command() override {
        if (commands.empty()) return std::nullopt;
        auto command = commands.front();
        commands.pop_front();
        return command;
    }
    bool take_output(ConnectionId id, base::Bytes& out) override {
        out.clear();
        auto& pending = output[id];
        if (pending.empty()) return false;
        out = std::move(pending.front());
        pending.pop_front();
        return true;
    }

    void send(ConnectionId id, base::Bytes bytes) {
        output[id].push_back(std::move(bytes));
        commands.push_back(base::OutputReady{id});
    }
    void send(ConnectionId id, std::string_view text) {
        const auto bytes = base::as_bytes(text);
        send(id, base::Bytes(bytes.begin(), bytes.end()));
    }
    ConnectionId dial(std::size_t target = 0) {
        const auto id = ids.next();
        commands.push_back(base::Connect{id, target});
        return id;
    }
    void echo() {
        on_received = [this](ConnectionId id, base::ByteView bytes) {
            send(id, base::Bytes(bytes.begin(), bytes.end()));
        };
    }
    std::string text(ConnectionId id) { return std::string(base::as_text(input[id])); }

    std::vector<std::string> calls;
    std::vector<Opened> open;
    std::vector<Ended> ended;
    std::map<ConnectionId, base::Bytes> input;
    std::map<ConnectionId, std::deque<base::Bytes>> output;
    std::deque<base::Command> commands;
    std::optional<base::Instant> deadline;
    std::function<void(ConnectionId)> on_opened;
    std::function<void(ConnectionId, base::ByteView)> on_received;
    base::DialIds ids;
    int deliveries = 0;
    int progress = 0;
    bool misaligned = false;
};

/// A core, its driver, and what the driver had to say for the log.
struct Node {
    explicit Node(boost::asio::io_context& io, const DriverLimits& limits = {})
        : driver(io, core, limits, [this] {
              ++pumps;
              core.calls.emplace_back("after_input");
          }) {
        driver.on_refused([this](ConnectionId, const base::Peer&, std::string_view what) {
            refusals.emplace_back(what);
        });
    }
    std::string all_refusals() const {
        std::string all;
        for (const auto& one : refusals) all += one + "\n";
        return all;
    }

    ScriptedCore core;
    int pumps = 0;
    std::vector<std::string> refusals;
    Driver driver;
};

class NetTest : public testing::Test {
protected:
    static constexpr auto kPatience = std::chrono::seconds(20);
    using Socket = boost::asio::ip::tcp::socket;

    /// Runs the loop until `condition`; false: it never came. Patience is only ever used up by a
    /// failing test.
    template <class Condition>
    bool run_until(Condition condition) {
        const auto give_up = std::chrono::steady_clock::now() + kPatience;
        while (!condition()) {
            if (std::chrono::steady_clock::now() > give_up) return false;
            io.restart();
            io.run_one_for(std::chrono::milliseconds(20));
        }
        return true;
    }
    /// Everything that can be done without waiting.
    void settle() {
        io.restart();
        while (io.poll() > 0) {
        }
    }

    Socket connect_raw(const Driver& driver, std::size_t listener = 0) {
        Socket socket(io);
        socket.connect({boost::asio::ip::make_address("127.0.0.1"), driver.ports().at(listener)});
        socket.non_blocking(true);
        return socket;
    }
    static void write_raw(Socket& socket, std::string_view text) {
        boost::asio::write(socket, boost::asio::buffer(text));
    }
    /// Appends what has come; false at the end of the stream.
    static bool read_raw(Socket& socket, std::string& into) {
        char chunk[4096];
        boost::system::error_code error;
        const auto length = socket.read_some(boost::asio::buffer(chunk), error);
        into.append(chunk, length);
        return !error || error == boost::asio::error::would_block;
    }
    /// Runs until the other side ended the stream; what it said before.
    std::string read_to_end(Socket& socket) {
        std::string text;
        EXPECT_TRUE(run_until([&] { return !read_raw(socket, text); }));
        return text;
    }

    static ListenerOptions loopback(TransportKind kind, std::shared_ptr<TlsContext> tls = {}) {
        ListenerOptions options;
        options.address = "127.0.0.1:0";
        options.transport = kind;
        options.tls = std::move(tls);
        return options;
    }
    static TargetOptions target(const Driver& driver, TransportKind kind,
                                std::shared_ptr<TlsContext> tls = {}, std::size_t listener = 0) {
        TargetOptions options;
        options.host = "127.0.0.1";
        options.port = std::to_string(driver.ports().at(listener));
        options.transport = kind;
        options.tls = std::move(tls);
        options.subprotocol = "mqtt";
        return options;
    }

    boost::asio::io_context io;
};

}  // namespace sallyport::net
