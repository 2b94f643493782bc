// One connected socket with what stands on it (nothing, TLS, WebSocket, both), behind one plain
// interface, so that Beast's and Asio's templates are compiled in three files and nowhere else.
//
//   make_transport → handshake → on_ready → read*/write* → finish → on_drained
//
// At most one read and one write are in flight. Everything a pending operation touches (socket,
// TLS state, buffers) belongs to the transport, which its own operations keep alive: the user may
// go at any time after abort().
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/ip/tcp.hpp>

#include "common/base/network_core.hpp"
#include "common/net/driver.hpp"
#include "common/net/ending.hpp"

namespace sallyport::net {

/// What all connections of one listener or one target share.
struct TransportSetup {
    TransportKind kind = TransportKind::tcp;
    bool dialled = false;
    bool messages = false;
    std::shared_ptr<TlsContext> tls;
    std::string host, port;  // dialled: for SNI and the Host field
    std::string subprotocol, path;
    std::size_t read_bytes = 0;
    std::size_t message_bytes_max = 0;
};

inline bool is_tls(TransportKind kind) {
    return kind == TransportKind::tls || kind == TransportKind::wss;
}
inline bool is_websocket(TransportKind kind) {
    return kind == TransportKind::ws || kind == TransportKind::wss;
}

/// Who is told. Called from the io_context, never from within a call to the transport, but for
/// on_ready of plain TCP.
class TransportUser {
public:
    virtual void on_ready() = 0;
    virtual void on_read(base::ByteView bytes) = 0;
    /// Bytes of a message that is not whole yet; the read goes on.
    virtual void on_progress() = 0;
    /// The kernel has all of it; the buffer comes back to be used again.
    virtual void on_written(base::Bytes buffer) = 0;
    /// The peer began an orderly end (WebSocket close frame); on_ended follows when it is complete,
    /// which a careless peer may never let happen.
    virtual void on_peer_closing() = 0;
    /// The handshake, the read or the write failed; nothing more comes of it.
    virtual void on_ended(Ending ending) = 0;
    /// After finish() or drain(): the peer has ended its side too, or broken off.
    virtual void on_drained() = 0;

protected:
    ~TransportUser() = default;
};

class Transport : public std::enable_shared_from_this<Transport> {
public:
    Transport() = default;
    Transport(const Transport&) = delete;
    Transport& operator=(const Transport&) = delete;
    virtual ~Transport() = default;

    void set_user(TransportUser* user) { user_ = user; }

    virtual void handshake() = 0;
    virtual void read() = 0;
    virtual void write(base::Bytes bytes) = 0;
    /// Says the end in the transport's own words (close frame, close_notify, FIN), then reads and
    /// drops what the peer still sends, so that closing does not reset away our last words. No
    /// write may be in flight.
    virtual void finish() = 0;
    /// FIN, then reads and drops raw bytes until the peer's FIN: after a failed handshake, so that
    /// our alert or HTTP answer arrives.
    void drain();
    /// Closes the socket; the user hears nothing any more.
    void abort();
    /// Of the verified certificate; nothing without TLS, certificate or verification.
    virtual std::optional<base::Identity> peer_identity() const { return std::nullopt; }

protected:
    virtual boost::asio::ip::tcp::socket& socket() = 0;
    /// Null from abort() on. May become null in any call to the user.
    TransportUser* user() const { return user_; }
    /// From finish() or drain() on the results of a read in flight are nobody's.
    bool finishing_ = false;

private:
    void drain_some();

    TransportUser* user_ = nullptr;
    base::Bytes drained_;
};

/// Takes the connected socket. The three heavy ones are defined in their own files.
std::shared_ptr<Transport> make_transport(boost::asio::ip::tcp::socket socket,
                                          std::shared_ptr<const TransportSetup> setup);
std::shared_ptr<Transport> make_websocket(boost::asio::ip::tcp::socket socket,
                                          std::shared_ptr<const TransportSetup> setup);
std::shared_ptr<Transport> make_secure_websocket(boost::asio::ip::tcp::socket socket,
                                                 std::shared_ptr<const TransportSetup> setup);

}  // namespace sallyport::net
