#include "tests/bench/connection.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>

#include "common/mqtt/decode.hpp"
#include "common/mqtt/encode.hpp"
#include "tests/bench/schedule.hpp"

namespace sallyport::bench {
namespace {

using boost::system::error_code;

constexpr std::uint16_t kKeepAliveSeconds = 60;
constexpr std::size_t kReadBytes = 256U << 10U;

/// Half of what the server allows, so that one lost turn does no harm.
std::chrono::milliseconds ping_interval_for(std::uint32_t keep_alive_s) {
    return std::chrono::milliseconds(500 * keep_alive_s);
}

}  // namespace

Connection::Connection(boost::asio::io_context& io, ConnectionUser& user)
    : user_(user),
      socket_(io),
      ping_timer_(io),
      ping_interval_(ping_interval_for(kKeepAliveSeconds)),
      in_(kReadBytes) {}

void Connection::open(const boost::asio::ip::tcp::endpoint& server, const std::string& client_id) {
    state_ = State::connecting;
    mqtt::Connect connect;
    connect.keep_alive_s = kKeepAliveSeconds;
    connect.client_id = client_id;
    mqtt::encode(pending_, connect);
    socket_.async_connect(server, [this](const error_code& error) {
        if (error) return fail("cannot connect: " + error.message());
        error_code ignored;
        socket_.set_option(boost::asio::ip::tcp::no_delay(true), ignored);
        flush();
        read();
    });
}

void Connection::flush() {
    if (!writing_.empty() || pending_.empty() || state_ == State::ended) return;
    std::swap(writing_, pending_);
    boost::asio::async_write(socket_, boost::asio::buffer(writing_),
                             [this](const error_code& error, std::size_t) {
                                 if (state_ == State::ended) return;
                                 if (error) return fail("cannot write: " + error.message());
                                 writing_.clear();
                                 if (!pending_.empty()) return flush();
                                 if (state_ == State::finishing) return end();
                                 user_.on_written();
                             });
}

void Connection::finish() {
    if (state_ != State::open) return;
    state_ = State::finishing;
    ping_timer_.cancel();
    mqtt::encode(pending_, mqtt::Disconnect{}, mqtt::Version::v5);
    flush();
}

void Connection::end() {
    state_ = State::ended;
    error_code ignored;
    socket_.shutdown(boost::asio::ip::tcp::socket::shutdown_both, ignored);
    socket_.close(ignored);
    user_.on_finished();
}

void Connection::fail(const std::string& why) {
    if (state_ == State::ended) return;
    state_ = State::ended;
    ping_timer_.cancel();
    error_code ignored;
    socket_.close(ignored);
    user_.on_failed(why);
}

void Connection::read() {
    if (in_begin_ > 0) {
        std::memmove(in_.data(), in_.data() + in_begin_, in_end_ - in_begin_);
        in_end_ -= std::exchange(in_begin_, 0);
    }
    if (in_end_ == in_.size()) in_.resize(std::min(2 * in_.size(), kPacketBytesMax));
    socket_.async_read_some(boost::asio::buffer(in_.data() + in_end_, in_.size() - in_end_),
                            [this](const error_code& error, std::size_t bytes) {
                                if (state_ == State::ended) return;
                                // The server may close first once DISCONNECT is on its way.
                                if (error && state_ == State::finishing) return;
                                if (error) return fail("cannot read: " + error.message());
                                read_ns_ = monotonic_ns();
                                in_end_ += bytes;
                                take_packets();
                                if (state_ != State::ended) read();
                            });
}

void Connection::take_packets() {
    while (state_ != State::ended) {
        const base::ByteView input(in_.data() + in_begin_, in_end_ - in_begin_);
        const auto length = mqtt::frame_length(input, kPacketBytesMax);
        if (!length) return fail("bad packet: " + std::string(mqtt::to_string(length.error())));
        if (!*length || **length > input.size()) break;
        const auto packet = mqtt::decode(input.first(**length), mqtt::Version::v5);
        if (!packet) return fail("bad packet: " + std::string(mqtt::to_string(packet.error())));
        in_begin_ += **length;
        take(*packet);
    }
    if (state_ == State::open) user_.on_batch_end();
}

void Connection::take(const mqtt::Packet& packet) {
    if (const auto* connack = std::get_if<mqtt::Connack>(&packet)) return take_connack(*connack);
    if (std::holds_alternative<mqtt::Pingresp>(packet)) return;
    if (const auto* bye = std::get_if<mqtt::Disconnect>(&packet))
        return fail("the server disconnects: " + std::string(mqtt::to_string(bye->reason)));
    user_.on_packet(packet, read_ns_);
}

void Connection::take_connack(const mqtt::Connack& connack) {
    if (state_ != State::connecting) return fail("a CONNACK that nobody asked for");
    if (connack.reason != mqtt::ReasonCode::success)
        return fail("CONNACK: " + std::string(mqtt::to_string(connack.reason)));
    const auto keep_alive =
        mqtt::find_property(connack.properties, mqtt::PropertyId::server_keep_alive);
    if (keep_alive) ping_interval_ = ping_interval_for(keep_alive->number);
    state_ = State::open;
    if (ping_interval_.count() > 0) ping_later();
    user_.on_connected(connack);
}

void Connection::ping_later() {
    ping_timer_.expires_after(ping_interval_);
    ping_timer_.async_wait([this](const error_code& cancelled) {
        if (cancelled || state_ != State::open) return;
        mqtt::encode(pending_, mqtt::Pingreq{});
        flush();
        ping_later();
    });
}

}  // namespace sallyport::bench
