#include "common/net/connection.hpp"

#include <utility>

namespace sallyport::net {
namespace {

using base::CloseCause;

const Ending kClosedHere{CloseCause::local, "closed by this side"};

}  // namespace

Connection::Connection(boost::asio::io_context& io, ConnectionOwner& owner,
                       const DriverLimits& limits, base::ConnectionId id, base::Peer peer,
                       std::shared_ptr<Transport> transport)
    : io_(io),
      owner_(owner),
      limits_(limits),
      id_(id),
      peer_(std::move(peer)),
      transport_(std::move(transport)) {
    transport_->set_user(this);
}

Connection::~Connection() {
    transport_->abort();
}

void Connection::start() {
    arm(limits_.handshake_timeout);
    transport_->handshake();
}

void Connection::set_reading(bool on) {
    reading_wanted_ = on;
    if (on && phase_ == Phase::open && !read_in_flight_) read();
}

void Connection::output_ready() {
    output_pending_ = true;
    if (phase_ == Phase::open) write_next();
}

void Connection::close(bool flush) {
    if (phase_ == Phase::ended) return;
    if (!flush || phase_ == Phase::handshaking || phase_ == Phase::rejecting)
        return finish(kClosedHere);
    if (phase_ != Phase::open) return;
    phase_ = Phase::flushing;
    arm(limits_.drain_timeout);
    // Reading goes on, into nothing: a peer that is itself stuck in writing could not read our
    // words.
    if (!read_in_flight_ && !peer_closing_) read();
    output_pending_ = true;
    write_next();
}

void Connection::abandon() {
    phase_ = Phase::ended;
    timer_.reset();
    transport_->abort();
}

void Connection::on_ready() {
    phase_ = Phase::open;
    timer_.reset();
    peer_.identity = transport_->peer_identity();
    was_opened_ = true;
    owner_.on_opened(*this);
    read();
}

void Connection::read() {
    read_in_flight_ = true;
    transport_->read();
}

void Connection::on_read(base::ByteView bytes) {
    read_in_flight_ = false;
    if (phase_ == Phase::open) owner_.on_received(*this, bytes);
    if (phase_ == Phase::flushing || (phase_ == Phase::open && reading_wanted_)) read();
}

void Connection::on_progress() {
    if (phase_ == Phase::open) owner_.on_progressed(*this);
}

void Connection::write_next() {
    if (write_in_flight_) return;
    if (output_pending_) {
        base::Bytes out = owner_.borrow_buffer();
        if (owner_.take_output(*this, out)) {
            write_in_flight_ = true;
            return transport_->write(std::move(out));
        }
        output_pending_ = false;
        owner_.give_back(std::move(out));
    }
    if (phase_ != Phase::flushing) return;
    phase_ = Phase::draining;
    arm(limits_.drain_timeout);
    transport_->finish();
}

void Connection::on_written(base::Bytes buffer) {
    write_in_flight_ = false;
    owner_.give_back(std::move(buffer));
    // The limit is on silence: a slow line that takes our last words is given its time.
    if (phase_ == Phase::flushing) arm(limits_.drain_timeout);
    write_next();
}

void Connection::on_peer_closing() {
    peer_closing_ = true;
    if (phase_ == Phase::open) arm(limits_.drain_timeout);
}

void Connection::on_ended(Ending ending) {
    switch (phase_) {
        case Phase::handshaking:
            if (base::is_dialled(id_)) return finish(ending);
            return reject(std::move(ending));
        case Phase::open:
            if (peer_closing_) ending.cause = CloseCause::closed;
            return finish(ending);
        case Phase::flushing:
            // The peer has no more to say, but may still be listening.
            if (ending.cause == CloseCause::closed && write_in_flight_) return;
            return finish(kClosedHere);
        case Phase::rejecting:
        case Phase::draining: return finish(kClosedHere);
        case Phase::ended: return;
    }
}

void Connection::reject(Ending ending) {
    phase_ = Phase::rejecting;
    rejection_ = std::move(ending);
    owner_.on_rejected(*this, rejection_);
    arm(limits_.drain_timeout);
    transport_->drain();
}

void Connection::on_drained() {
    finish(phase_ == Phase::rejecting ? rejection_ : kClosedHere);
}

void Connection::arm(base::Duration after) {
    if (!timer_) timer_.emplace(io_);
    timer_->expires_after(after);
    timer_->async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
        const auto self = weak.lock();
        if (error || !self || !self->timer_) return;
        // A wait that was over when the timer was set anew can no longer be cancelled.
        if (self->timer_->expiry() <= boost::asio::steady_timer::clock_type::now())
            self->timed_out();
    });
}

void Connection::timed_out() {
    if (phase_ == Phase::handshaking) {
        const Ending late{CloseCause::unreachable, "the handshake took too long"};
        if (!base::is_dialled(id_)) owner_.on_rejected(*this, late);
        return finish(late);
    }
    if (phase_ == Phase::open) return finish({CloseCause::closed, "the peer closed, unfinished"});
    finish(phase_ == Phase::rejecting ? rejection_ : kClosedHere);
}

void Connection::finish(const Ending& ending) {
    if (phase_ == Phase::ended) return;
    phase_ = Phase::ended;
    timer_.reset();
    transport_->abort();
    owner_.on_ended(*this, ending);
}

}  // namespace sallyport::net
