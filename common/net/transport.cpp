#include "common/net/transport.hpp"

#include <boost/asio/buffer.hpp>

namespace sallyport::net {
namespace {

constexpr std::size_t kDrainBytes = 16U << 10U;

}  // namespace

void Transport::drain() {
    finishing_ = true;
    boost::system::error_code ignored;
    socket().cancel(ignored);
    socket().shutdown(boost::asio::ip::tcp::socket::shutdown_send, ignored);
    drained_.resize(kDrainBytes);
    drain_some();
}

void Transport::drain_some() {
    socket().async_read_some(
        boost::asio::buffer(drained_),
        [self = shared_from_this()](const boost::system::error_code& error, std::size_t) {
            if (!self->user_) return;
            if (error)
                self->user_->on_drained();
            else
                self->drain_some();
        });
}

void Transport::abort() {
    user_ = nullptr;
    boost::system::error_code ignored;
    socket().close(ignored);
}

}  // namespace sallyport::net
