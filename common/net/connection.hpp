// One connection from the end of TCP's handshake to its last word: glues a transport to the driver.
// Decides nothing but what its limits say.
//
//   handshaking ──▶ open ──close(flush)──▶ flushing ──▶ draining ──▶ ended
//        └──failed, accepted──▶ rejecting ──────────────────────────▶ ended
//   (every state ends at once on close(no flush), on an error, and on its timer)
#pragma once

#include <memory>
#include <optional>

#include <boost/asio/steady_timer.hpp>

#include "common/net/transport.hpp"

namespace sallyport::net {

class Connection;

/// The driver, as a connection sees it. None of these calls comes back into the connection.
class ConnectionOwner {
public:
    virtual void on_opened(Connection& connection) = 0;
    virtual void on_received(Connection& connection, base::ByteView bytes) = 0;
    virtual void on_progressed(Connection& connection) = 0;
    /// The core's take_output(); `out` is a buffer that may have been used before.
    virtual bool take_output(Connection& connection, base::Bytes& out) = 0;
    virtual void give_back(base::Bytes buffer) = 0;
    virtual base::Bytes borrow_buffer() = 0;
    /// An accepted connection failed its handshake; on_ended follows.
    virtual void on_rejected(Connection& connection, const Ending& ending) = 0;
    /// The last word. The connection is kept alive until the current handler returns.
    virtual void on_ended(Connection& connection, const Ending& ending) = 0;

protected:
    ~ConnectionOwner() = default;
};

class Connection final : private TransportUser, public std::enable_shared_from_this<Connection> {
public:
    Connection(boost::asio::io_context& io, ConnectionOwner& owner, const DriverLimits& limits,
               base::ConnectionId id, base::Peer peer, std::shared_ptr<Transport> transport);
    ~Connection();

    void start();
    void set_reading(bool on);
    void output_ready();
    void close(bool flush);
    /// Closes the socket and tells nobody: the owner itself goes away.
    void abandon();

    base::ConnectionId id() const { return id_; }
    const base::Peer& peer() const { return peer_; }
    /// The core has been told of it.
    bool was_opened() const { return was_opened_; }
    bool has_ended() const { return phase_ == Phase::ended; }

private:
    enum class Phase { handshaking, rejecting, open, flushing, draining, ended };

    void on_ready() override;
    void on_read(base::ByteView bytes) override;
    void on_progress() override;
    void on_written(base::Bytes buffer) override;
    void on_peer_closing() override;
    void on_ended(Ending ending) override;
    void on_drained() override;

    void read();
    void write_next();
    void reject(Ending ending);
    void arm(base::Duration after);
    void timed_out();
    void finish(const Ending& ending);

    boost::asio::io_context& io_;
    ConnectionOwner& owner_;
    const DriverLimits& limits_;
    const base::ConnectionId id_;
    base::Peer peer_;
    std::shared_ptr<Transport> transport_;
    std::optional<boost::asio::steady_timer> timer_;  // only in states that time may end
    Phase phase_ = Phase::handshaking;
    bool was_opened_ = false;
    bool reading_wanted_ = true;
    bool read_in_flight_ = false;
    bool write_in_flight_ = false;
    bool output_pending_ = false;
    bool peer_closing_ = false;
    Ending rejection_;
};

}  // namespace sallyport::net
