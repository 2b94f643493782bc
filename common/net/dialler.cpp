#include "common/net/dialler.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include <boost/asio/post.hpp>

#include "common/net/socket_options.hpp"

namespace sallyport::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kAddressesMax = 8;

}  // namespace

Dialler::Dialler(asio::io_context& io, base::Duration timeout, OnDone on_done)
    : resolver_(io),
      socket_(io),
      timer_(io),
      give_up_at_(Clock::now() + timeout),
      on_done_(std::move(on_done)) {}

void Dialler::start(const std::string& host, const std::string& port) {
    error_code not_numeric;
    const auto address = asio::ip::make_address(host, not_numeric);
    std::uint16_t number = 0;
    const auto [rest, status] = std::from_chars(port.data(), port.data() + port.size(), number);
    if (not_numeric || status != std::errc{} || rest != port.data() + port.size())
        return resolve(host, port);
    untried_.emplace_back(address, number);
    // Posted, because the answer may be known at once and must not come from within this call.
    asio::post(timer_.get_executor(), [self = shared_from_this()] { self->try_next(); });
}

void Dialler::resolve(const std::string& host, const std::string& port) {
    limit(give_up_at_);
    const auto attempt = attempt_;
    resolver_.async_resolve(
        host, port,
        [self = shared_from_this(), attempt](const error_code& error,
                                             const tcp::resolver::results_type& results) {
            if (!self->on_done_ || attempt != self->attempt_) return;
            if (error) return self->attempt_failed(ending_of(error, Stage::connecting));
            for (const auto& entry : results) {
                if (self->untried_.size() == kAddressesMax) break;
                self->untried_.push_back(entry.endpoint());
            }
            std::ranges::reverse(self->untried_);
            ++self->attempt_;
            self->try_next();
        });
}

void Dialler::try_next() {
    if (!on_done_) return;
    const auto left = give_up_at_ - Clock::now();
    if (untried_.empty() || left <= Clock::duration::zero())
        return done(Outcome(std::move(last_failure_)));
    // An address that swallows packets may use only its share of the time.
    limit(Clock::now() + left / static_cast<int>(untried_.size()));
    const auto endpoint = untried_.back();
    untried_.pop_back();
    const auto attempt = attempt_;
    socket_.async_connect(
        endpoint, [self = shared_from_this(), attempt, endpoint](const error_code& error) {
            if (!self->on_done_ || attempt != self->attempt_) return;
            if (!error) return self->done(Outcome(std::move(self->socket_)));
            auto ending = ending_of(error, Stage::connecting);
            ending.what = "cannot connect to " + to_text(endpoint) + ": " + ending.what;
            self->attempt_failed(std::move(ending));
        });
}

void Dialler::limit(Clock::time_point at) {
    timer_.expires_at(at);
    const auto attempt = attempt_;
    timer_.async_wait([self = shared_from_this(), attempt](const error_code& error) {
        if (error || !self->on_done_ || attempt != self->attempt_) return;
        self->attempt_failed({base::CloseCause::unreachable, "no answer in time"});
    });
}

void Dialler::attempt_failed(Ending ending) {
    ++attempt_;  // results of the attempt that come later are nobody's
    last_failure_ = std::move(ending);
    error_code ignored;
    socket_.close(ignored);
    try_next();
}

void Dialler::done(Outcome outcome) {
    const auto tell = std::exchange(on_done_, nullptr);
    cancel();
    tell(std::move(outcome));
}

void Dialler::cancel() {
    on_done_ = nullptr;
    timer_.cancel();
    resolver_.cancel();
    error_code ignored;
    socket_.close(ignored);
}

}  // namespace sallyport::net
