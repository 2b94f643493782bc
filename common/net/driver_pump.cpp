// The core's turn: what it wants done, and when it wants to be woken.
#include <utility>
#include <variant>

#include <boost/asio/post.hpp>

#include "common/base/assert.hpp"
#include "common/net/driver_impl.hpp"

namespace sallyport::net {

namespace asio = boost::asio;

void Driver::Impl::schedule_pump() {
    if (std::exchange(pump_scheduled_, true)) return;
    asio::post(io_, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->pump();
    });
}

void Driver::Impl::pump() {
    pump_scheduled_ = false;
    if (after_input_) after_input_();
    while (const auto command = core_.next_command())
        std::visit([this](const auto& wanted) { carry_out(wanted); }, *command);
    arm_timer();
}

void Driver::Impl::carry_out(const base::Connect& command) {
    SALLYPORT_ASSERT(command.target < targets_.size());
    SALLYPORT_ASSERT(base::is_dialled(command.id));
    if (stopping_) return answer_closed(command.id, {base::CloseCause::local, "stopping"});
    auto dialler = std::make_shared<Dialler>(
        io_, limits_.connect_timeout,
        [this, id = command.id, target = command.target](Dialler::Outcome outcome) {
            dialled(id, target, std::move(outcome));
        });
    const auto [place, is_new] = diallers_.emplace(command.id, std::move(dialler));
    SALLYPORT_ASSERT(is_new && !connections_.contains(command.id));
    const auto& setup = *targets_[command.target].setup;
    place->second->start(setup.host, setup.port);
}

void Driver::Impl::carry_out(const base::Close& command) {
    // A connection that ended while the command was waiting has been reported; nothing is left.
    if (const auto dialling = diallers_.find(command.id); dialling != diallers_.end()) {
        dialling->second->cancel();
        diallers_.erase(dialling);
        return answer_closed(command.id, {base::CloseCause::local, "closed by this side"});
    }
    const auto place = connections_.find(command.id);
    if (place == connections_.end()) return;
    const auto connection = place->second;
    connection->close(command.flush);
}

void Driver::Impl::carry_out(const base::SetReading& command) {
    if (const auto place = connections_.find(command.id); place != connections_.end())
        place->second->set_reading(command.on);
}

void Driver::Impl::carry_out(const base::OutputReady& command) {
    if (const auto place = connections_.find(command.id); place != connections_.end())
        place->second->output_ready();
}

void Driver::Impl::answer_closed(base::ConnectionId id, const Ending& ending) {
    asio::post(io_, [weak = weak_from_this(), id, cause = ending.cause] {
        const auto self = weak.lock();
        if (!self) return;
        self->core_.closed(id, cause, real_now());
        self->schedule_pump();
    });
}

/// A deadline that moved to later needs no new wait: the timer fires, finds it is early, waits on.
void Driver::Impl::arm_timer() {
    if (stopping_ && connections_.empty() && diallers_.empty()) {
        timer_.cancel();  // nobody is left to be late for
        armed_for_.reset();
        return;
    }
    const auto deadline = core_.next_deadline();
    if (!deadline || (armed_for_ && *armed_for_ <= *deadline)) return;
    armed_for_ = deadline;
    timer_.expires_at(std::chrono::steady_clock::time_point(
        std::chrono::duration_cast<std::chrono::steady_clock::duration>(deadline->since_start)));
    timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
        const auto self = weak.lock();
        if (!error && self) self->timer_fired();
    });
}

/// Bytes that have arrived are delivered before time passes: otherwise a process that was held up
/// would believe its peers silent. What is posted here runs after the kernel was asked once more.
void Driver::Impl::timer_fired() {
    asio::post(io_, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->let_time_pass();
    });
}

void Driver::Impl::let_time_pass() {
    armed_for_.reset();
    const auto now = real_now();
    const auto deadline = core_.next_deadline();
    if (!deadline || now.instant < *deadline) return arm_timer();
    core_.expire(now);
    schedule_pump();
}

}  // namespace sallyport::net
