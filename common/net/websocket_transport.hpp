// WebSocket (RFC 6455) over TCP or TLS. Internal: instantiated once each in websocket_tcp.cpp and
// websocket_tls.cpp, because each takes a compiler many seconds.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/websocket/stream.hpp>

#include "common/base/assert.hpp"
#include "common/net/tls_handshake.hpp"
#include "common/net/websocket_upgrade.hpp"

namespace sallyport::net {

template <class NextLayer>
class WebSocketTransport final : public Transport {
    static constexpr bool kTls = std::is_same_v<NextLayer, TlsStream>;
    using Socket = boost::asio::ip::tcp::socket;
    using Stream = boost::beast::websocket::stream<NextLayer, false>;  // false: no compression
    using Error = boost::system::error_code;

    // A client's frames are masked piecewise in a buffer of this size, allocated when it writes.
    static constexpr std::size_t kMaskBufferBytes = 128U << 10U;
    static constexpr std::size_t kReadStepBytes = 64U << 10U;
    // A larger read buffer is given back after the message that needed it.
    static constexpr std::size_t kKeptBufferBytes = 256U << 10U;

    /// What only the accepting side's upgrade needs, gone after it.
    struct Accepting {
        boost::beast::flat_buffer received{2 * kHttpHeaderBytesMax};
        boost::beast::http::request_parser<boost::beast::http::empty_body> parser;
        std::string answer;
    };

public:
    template <class... StreamArguments>
    explicit WebSocketTransport(std::shared_ptr<const TransportSetup> setup,
                                StreamArguments&&... arguments)
        : setup_(std::move(setup)),
          ws_(std::forward<StreamArguments>(arguments)...),
          in_(setup_->messages ? setup_->message_bytes_max : kReadStepBytes) {}

    void handshake() override {
        if constexpr (kTls) {
            async_tls_handshake(ws_.next_layer(), *setup_, [self = self()](const Error& error) {
                if (!self->user()) return;
                if (error) return self->fail(error, Stage::handshaking);
                self->upgrade();
            });
        } else {
            upgrade();
        }
    }

    void read() override { read_some(); }

    void write(base::Bytes bytes) override {
        out_ = std::move(bytes);
        ws_.async_write(boost::asio::buffer(out_),
                        [self = self()](const Error& error, std::size_t) {
                            if (!self->user()) return;
                            if (error) return self->fail(error, Stage::open);
                            self->user()->on_written(std::move(self->out_));
                        });
    }

    /// Beast writes the close frame, then reads until the peer's and tears the layers below down.
    void finish() override {
        finishing_ = true;
        ws_.async_close(boost::beast::websocket::close_code::normal, [self = self()](const Error&) {
            if (self->user()) self->user()->on_drained();
        });
    }

    std::optional<base::Identity> peer_identity() const override {
        if constexpr (kTls)
            return verified_identity(const_cast<Stream&>(ws_).next_layer().native_handle());
        else
            return std::nullopt;
    }

private:
    Socket& socket() override {
        if constexpr (kTls)
            return ws_.next_layer().next_layer();
        else
            return ws_.next_layer();
    }

    std::shared_ptr<WebSocketTransport> self() {
        return std::static_pointer_cast<WebSocketTransport>(shared_from_this());
    }

    void fail(const Error& error, Stage stage) {
        if constexpr (kTls)
            user()->on_ended(tls_ending_of(ws_.next_layer().native_handle(), error, stage));
        else
            user()->on_ended(ending_of(error, stage));
    }

    void upgrade() {
        if (setup_->dialled)
            ask_upgrade();
        else
            receive_request();
    }

    void ask_upgrade();
    void receive_request();
    void answer_request();
    void refuse_request(boost::beast::http::status status);
    void upgraded();
    void read_some();
    void was_read(const Error& error);

    std::shared_ptr<const TransportSetup> setup_;
    Stream ws_;
    boost::beast::flat_buffer in_;
    base::Bytes out_;
    std::unique_ptr<Accepting> accepting_;
    boost::beast::websocket::response_type response_;
};

template <class NextLayer>
void WebSocketTransport<NextLayer>::ask_upgrade() {
    namespace websocket = boost::beast::websocket;
    namespace http = boost::beast::http;
    ws_.set_option(websocket::stream_base::decorator([this](websocket::request_type& request) {
        request.set(http::field::sec_websocket_protocol, setup_->subprotocol);
        request.erase(http::field::user_agent);
    }));
    const bool ipv6 = setup_->host.find(':') != std::string::npos;
    const auto authority = (ipv6 ? "[" + setup_->host + "]" : setup_->host) + ":" + setup_->port;
    const auto path = setup_->path.empty() ? "/" : setup_->path;
    ws_.async_handshake(response_, authority, path, [self = self()](const Error& error) {
        if (!self->user()) return;
        const auto status = self->response_.result_int();
        if (error == websocket::error::upgrade_declined)
            return self->user()->on_ended(
                {base::CloseCause::refused,
                 "the peer answered with HTTP " + std::to_string(status)});
        if (error) return self->fail(error, Stage::handshaking);
        if (self->response_[http::field::sec_websocket_protocol] != self->setup_->subprotocol)
            return self->user()->on_ended({base::CloseCause::refused,
                                           "the peer does not speak " + self->setup_->subprotocol});
        self->response_ = {};
        self->upgraded();
    });
}

template <class NextLayer>
void WebSocketTransport<NextLayer>::receive_request() {
    namespace http = boost::beast::http;
    accepting_ = std::make_unique<Accepting>();
    accepting_->parser.header_limit(kHttpHeaderBytesMax);
    http::async_read_header(ws_.next_layer(), accepting_->received, accepting_->parser,
                            [self = self()](const Error& error, std::size_t) {
                                if (!self->user()) return;
                                // What is not HTTP, or too long, gets an answer; a broken line does
                                // not.
                                const bool unreadable =
                                    error.category() == Error(http::error::bad_method).category() &&
                                    error != http::error::end_of_stream &&
                                    error != http::error::partial_message;
                                if (error && unreadable)
                                    return self->refuse_request(http::status::bad_request);
                                if (error) return self->fail(error, Stage::handshaking);
                                self->answer_request();
                            });
}

template <class NextLayer>
void WebSocketTransport<NextLayer>::answer_request() {
    namespace websocket = boost::beast::websocket;
    namespace http = boost::beast::http;
    // A client waits for the answer before it speaks on; bytes behind the request would be lost.
    if (accepting_->received.size() > 0) return refuse_request(http::status::bad_request);
    const auto& request = accepting_->parser.get();
    if (const auto status = why_not_upgraded(request, *setup_)) return refuse_request(*status);
    ws_.set_option(websocket::stream_base::decorator([this](websocket::response_type& response) {
        response.set(http::field::sec_websocket_protocol, setup_->subprotocol);
        // Present but empty: where the field is absent Beast writes its name and version.
        response.set(http::field::server, "");
    }));
    ws_.async_accept(request, [self = self()](const Error& error) {
        if (!self->user()) return;
        if (error) return self->fail(error, Stage::handshaking);
        self->accepting_.reset();
        self->upgraded();
    });
}

template <class NextLayer>
void WebSocketTransport<NextLayer>::refuse_request(boost::beast::http::status status) {
    accepting_->answer = refusal_answer(status);
    boost::asio::async_write(
        ws_.next_layer(), boost::asio::buffer(accepting_->answer),
        [self = self(), status](const Error&, std::size_t) {
            if (!self->user()) return;
            self->user()->on_ended(
                {base::CloseCause::refused, "HTTP request not for us, answered " +
                                                std::to_string(static_cast<unsigned>(status))});
        });
}

template <class NextLayer>
void WebSocketTransport<NextLayer>::upgraded() {
    namespace websocket = boost::beast::websocket;
    ws_.set_option(websocket::stream_base::decorator([](websocket::request_type&) {}));
    ws_.binary(true);
    ws_.auto_fragment(false);
    ws_.write_buffer_bytes(kMaskBufferBytes);
    // As a byte stream the frames mean nothing, and what is held is bounded by the read's step.
    ws_.read_message_max(setup_->messages ? setup_->message_bytes_max : 0);
    ws_.control_callback([this](websocket::frame_type kind, boost::beast::string_view) {
        if (kind == websocket::frame_type::close && user() && !finishing_)
            user()->on_peer_closing();
    });
    user()->on_ready();
}

template <class NextLayer>
void WebSocketTransport<NextLayer>::read_some() {
    ws_.async_read_some(in_, kReadStepBytes, [self = self()](const Error& error, std::size_t) {
        self->was_read(error);
    });
}

template <class NextLayer>
void WebSocketTransport<NextLayer>::was_read(const Error& error) {
    if (!user() || finishing_) return;
    if (error) return fail(error, Stage::open);
    if (ws_.got_text())
        return user()->on_ended({base::CloseCause::reset, "the peer sent a text frame"});
    if (setup_->messages ? !ws_.is_message_done() : in_.size() == 0) {
        if (setup_->messages) user()->on_progress();
        // The user may have ended the connection; it cannot have started another read.
        if (user() && !finishing_) read_some();
        return;
    }
    // The user may start the next read in on_read, so the bytes leave the buffer before. Moving it
    // keeps them where they are: at the start of an allocation, aligned for any type.
    const auto length = in_.size();
    const auto* const bytes = static_cast<const std::uint8_t*>(in_.data().data());
    SALLYPORT_ASSERT(reinterpret_cast<std::uintptr_t>(bytes) % 8 == 0);
    const bool large = in_.capacity() > kKeptBufferBytes;
    in_.consume(length);
    if (!large) return user()->on_read({bytes, length});
    const boost::beast::flat_buffer held =
        std::exchange(in_, boost::beast::flat_buffer(in_.max_size()));
    user()->on_read({bytes, length});
}

}  // namespace sallyport::net
