#include "common/ops/agent_process.hpp"

#include <string_view>
#include <utility>

#include <spdlog/logger.h>

#include "common/ops/escape.hpp"

namespace sallyport::ops {

AgentProcess::AgentProcess(base::AgentCore& core, Service& service,
                           std::function<void()> submit_jobs)
    : core_(core),
      service_(service),
      submit_jobs_(std::move(submit_jobs)),
      driver_(io_, core_, {}, [this] { after_input(); }),
      goodbye_(io_) {
    driver_.on_refused(
        [this](base::ConnectionId id, const base::Peer& peer, std::string_view what) {
            if (base::is_dialled(id))
                service_.log_failed_dial(peer.address + ": " + std::string(what));
            else
                service_.log().warn("{} refused: {}", escape(peer.address), escape(what));
        });
}

AgentProcess::~AgentProcess() {
    service_.stop();  // its sockets and timers are on io_
}

void AgentProcess::run(ServiceViews views, const std::string& listens) {
    service_.start(io_, std::move(views), [this] { say_goodbye(); }, listens);
    driver_.poke();
    io_.run();
    service_.log().info("stopped");
}

void AgentProcess::after_input() {
    submit_jobs_();
    while (const auto notice = core_.next_notice()) service_.log(*notice);
}

void AgentProcess::say_goodbye() {
    service_.log().info("stopping");
    core_.shut_down(net::real_now());
    driver_.poke();
    goodbye_.begin([this] { return driver_.connections() == 0; },
                   [this] {
                       driver_.stop();
                       service_.stop();
                   });
}

}  // namespace sallyport::ops
