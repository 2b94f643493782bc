// Byte streams: TCP and TLS.
#include <algorithm>
#include <type_traits>

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>

#include "common/base/assert.hpp"
#include "common/net/tls_context.hpp"
#include "common/net/tls_handshake.hpp"
#include "common/net/transport.hpp"

namespace sallyport::net {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Socket = asio::ip::tcp::socket;

// Where a read buffer starts; it grows while reads fill it, so that an idle device costs little and
// a busy one few system calls.
constexpr std::size_t kFirstReadBytes = 4U << 10U;

template <class Stream>
class StreamTransport final : public Transport {
    static constexpr bool kTls = !std::is_same_v<Stream, Socket>;

public:
    template <class... StreamArguments>
    explicit StreamTransport(std::shared_ptr<const TransportSetup> setup,
                             StreamArguments&&... arguments)
        : setup_(std::move(setup)), stream_(std::forward<StreamArguments>(arguments)...) {}

    void handshake() override {
        if constexpr (kTls) {
            async_tls_handshake(stream_, *setup_, [self = this->self()](const error_code& error) {
                if (!self->user()) return;
                if (error) return self->user()->on_ended(self->describe(error, Stage::handshaking));
                self->user()->on_ready();
            });
        } else {
            user()->on_ready();
        }
    }

    void read() override {
        if (in_.empty()) in_.resize(std::min(kFirstReadBytes, setup_->read_bytes));
        stream_.async_read_some(asio::buffer(in_),
                                [self = this->self()](const error_code& error, std::size_t length) {
                                    self->was_read(error, length);
                                });
    }

    void write(base::Bytes bytes) override {
        out_ = std::move(bytes);
        asio::async_write(stream_, asio::buffer(out_),
                          [self = this->self()](const error_code& error, std::size_t) {
                              if (!self->user()) return;
                              if (error)
                                  self->user()->on_ended(self->describe(error, Stage::open));
                              else
                                  self->user()->on_written(std::move(self->out_));
                          });
    }

    void finish() override {
        finishing_ = true;
        if constexpr (kTls) {
            forgo_peers_close_notify(stream_.native_handle());
            stream_.async_shutdown([self = this->self()](const error_code&) {
                if (self->user()) self->drain();
            });
        } else {
            drain();
        }
    }

    std::optional<base::Identity> peer_identity() const override {
        if constexpr (kTls)
            return verified_identity(const_cast<Stream&>(stream_).native_handle());
        else
            return std::nullopt;
    }

private:
    Socket& socket() override {
        if constexpr (kTls)
            return stream_.next_layer();
        else
            return stream_;
    }

    std::shared_ptr<StreamTransport> self() {
        return std::static_pointer_cast<StreamTransport>(shared_from_this());
    }

    Ending describe(const error_code& error, Stage stage) {
        if constexpr (kTls)
            return tls_ending_of(stream_.native_handle(), error, stage);
        else
            return ending_of(error, stage);
    }

    void was_read(const error_code& error, std::size_t length) {
        if (!user() || finishing_) return;
        if (error) return user()->on_ended(describe(error, Stage::open));
        // The user may start the next read at once, so the buffer grows only before that one.
        const bool filled = length == in_.size() && in_.size() < setup_->read_bytes;
        const base::ByteView bytes{in_.data(), length};
        if (!filled) return user()->on_read(bytes);
        base::Bytes larger(std::min(in_.size() * 2, setup_->read_bytes));
        const base::Bytes read = std::exchange(in_, std::move(larger));
        user()->on_read({read.data(), length});
    }

    std::shared_ptr<const TransportSetup> setup_;
    Stream stream_;
    base::Bytes in_, out_;
};

}  // namespace

std::shared_ptr<Transport> make_transport(Socket socket,
                                          std::shared_ptr<const TransportSetup> setup) {
    switch (setup->kind) {
        case TransportKind::tcp:
            return std::make_shared<StreamTransport<Socket>>(std::move(setup), std::move(socket));
        case TransportKind::tls: {
            auto& context = setup->tls->native();
            return std::make_shared<StreamTransport<TlsStream>>(std::move(setup), std::move(socket),
                                                                context);
        }
        case TransportKind::ws: return make_websocket(std::move(socket), std::move(setup));
        case TransportKind::wss: return make_secure_websocket(std::move(socket), std::move(setup));
    }
    SALLYPORT_ASSERT(false);
    return nullptr;
}

}  // namespace sallyport::net
