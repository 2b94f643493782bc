// The one driver: runs a base::NetworkCore over real connections (TCP, TLS, WebSocket, WSS;
// accepted or dialled) on one io_context and one thread. It decides nothing: what to dial, when to
// close, whom to answer are the core's. Its own limits are below.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/network_core.hpp"

namespace boost::asio {
class io_context;
}

namespace sallyport::net {

enum class TransportKind { tcp, tls, ws, wss };

class TlsContext;  // tls_context.hpp

struct DriverLimits {
    std::size_t read_bytes = 64U << 10U;        // of one read from a byte stream
    std::size_t message_bytes_max = 4U << 20U;  // of one WebSocket message
    std::size_t connections_max = 20'000;  // accepted and dialled; the core's dials always pass
    std::size_t handshakes_max = 256;      // accepted, not yet through TLS and HTTP
    base::Duration handshake_timeout = std::chrono::seconds(5);
    base::Duration connect_timeout = std::chrono::seconds(5);
    base::Duration drain_timeout = std::chrono::seconds(2);  // after half-close
    base::Duration rejected_log_interval = std::chrono::seconds(1);
};

struct ListenerOptions {
    std::string address;  // "127.0.0.1:1883", "[::1]:1883"
    TransportKind transport = TransportKind::tcp;
    std::shared_ptr<TlsContext> tls;   // tls, wss
    std::string subprotocol = "mqtt";  // ws, wss: the one accepted ("mqtt", "sallyport.1")
    std::string path;                  // ws, wss: the only path served; empty: any
    bool messages = false;  // ws, wss: true hands whole messages to the core, false a stream
};
struct TargetOptions {
    std::string host, port;
    TransportKind transport = TransportKind::wss;
    std::shared_ptr<TlsContext> tls;
    std::string subprotocol, path;
    bool messages = false;
};

/// Clocks the core is given.
base::Now real_now();

class Driver {
public:
    /// `after_input` runs once after each burst of core inputs (and once at start), before the
    /// core's commands and outputs are carried out: the place to hand out storage jobs.
    Driver(boost::asio::io_context& io, base::NetworkCore& core, DriverLimits limits,
           std::function<void()> after_input);
    /// Closes everything at once and tells the core nothing.
    ~Driver();
    Driver(const Driver&) = delete;
    Driver& operator=(const Driver&) = delete;

    /// Throws std::system_error with the address in its text where it cannot listen.
    void listen(const ListenerOptions& options);
    /// Targets are numbered from 0 in the order they are added; Connect::target names them.
    std::size_t add_target(const TargetOptions& options);
    /// Something outside the network changed the core (a storage result): carry out what it wants
    /// now.
    void poke();
    /// Closes listeners and, with drain, connections; afterwards the io_context runs out of work.
    void stop();
    /// Those the core has been told of.
    std::size_t connections() const;
    /// The bound port of each listener, in the order of listen().
    std::vector<std::uint16_t> ports() const;

    /// For the log, nothing else: called with a text for people when an accepted connection was
    /// refused or failed its handshake (at most once per `rejected_log_interval`, the others are
    /// counted in the next text; ConnectionId 0 where it never got one), and whenever a dialled one
    /// could not be made or ended other than in order (as often as the core dials).
    using OnRefused =
        std::function<void(base::ConnectionId, const base::Peer&, std::string_view what)>;
    void on_refused(OnRefused callback);

private:
    class Impl;
    std::shared_ptr<Impl> impl_;  // handlers that are still queued watch it
};

}  // namespace sallyport::net
