// One MQTT 5 client connection over plain TCP: CONNECT and CONNACK, keep alive, packets in, bytes
// out. Sessions, packet identifiers and acknowledgements are its user's. One thread; all calls to
// the user come from the io_context.
//
//   open → on_connected → (on_packet … on_batch_end | on_written)* → finish → on_finished
//
// on_failed ends it at any point and is the last word. The user outlives the io_context's run.
#pragma once

#include <cstdint>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "common/mqtt/packet.hpp"

namespace sallyport::bench {

class ConnectionUser {
public:
    virtual void on_connected(const mqtt::Connack& connack) = 0;
    /// PUBLISH, the acknowledgements and SUBACK; views are valid during the call.
    virtual void on_packet(const mqtt::Packet& packet, std::int64_t read_ns) = 0;
    /// All packets of one read have been handed over: the time to write the answers at once.
    virtual void on_batch_end() = 0;
    /// The kernel has taken what was written; output().empty() may be true again.
    virtual void on_written() = 0;
    virtual void on_finished() = 0;
    virtual void on_failed(const std::string& why) = 0;

protected:
    ~ConnectionUser() = default;
};

class Connection {
public:
    /// Above the largest packet that a Sallyport broker passes on.
    static constexpr std::size_t kPacketBytesMax = 4U << 20U;

    Connection(boost::asio::io_context& io, ConnectionUser& user);
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    void open(const boost::asio::ip::tcp::endpoint& server, const std::string& client_id);
    /// Append encoded packets here, then flush(). Grows by what the user adds only.
    base::Bytes& output() { return pending_; }
    void flush();
    /// DISCONNECT, then the end.
    void finish();

private:
    enum class State { idle, connecting, open, finishing, ended };

    void read();
    void take_packets();
    void take(const mqtt::Packet& packet);
    void take_connack(const mqtt::Connack& connack);
    void ping_later();
    void end();
    void fail(const std::string& why);

    ConnectionUser& user_;
    boost::asio::ip::tcp::socket socket_;
    boost::asio::steady_timer ping_timer_;
    std::chrono::milliseconds ping_interval_;
    State state_ = State::idle;
    base::Bytes pending_, writing_, in_;
    std::size_t in_begin_ = 0, in_end_ = 0;
    std::int64_t read_ns_ = 0;
};

}  // namespace sallyport::bench
