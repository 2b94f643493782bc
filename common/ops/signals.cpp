#include "common/ops/signals.hpp"

#include <csignal>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

namespace sallyport::ops {

struct Signals::State {
    State(boost::asio::io_context& io, std::function<void()> stop_asked,
          std::function<void()> reload_asked)
        : set(io, SIGTERM, SIGINT, SIGHUP),
          on_stop(std::move(stop_asked)),
          on_reload(std::move(reload_asked)) {}

    boost::asio::signal_set set;
    std::function<void()> on_stop, on_reload;
    bool stopped = false;
};

Signals::Signals(boost::asio::io_context& io, std::function<void()> on_stop,
                 std::function<void()> on_reload)
    : state_(std::make_shared<State>(io, std::move(on_stop), std::move(on_reload))) {
    std::signal(SIGPIPE, SIG_IGN);
    wait(state_);
}

Signals::~Signals() {
    stop();
}

void Signals::stop() {
    if (std::exchange(state_->stopped, true)) return;
    boost::system::error_code ignored;
    state_->set.cancel(ignored);
}

void Signals::wait(const std::shared_ptr<State>& state) {
    state->set.async_wait([state](boost::system::error_code error, int number) {
        if (error || state->stopped) return;
        if (number == SIGHUP) {
            state->on_reload();
            if (!state->stopped) wait(state);
            return;
        }
        state->stopped = true;
        state->on_stop();
    });
}

}  // namespace sallyport::ops
