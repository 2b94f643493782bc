// One agent's process around its core: the event loop, the driver on it, the service (log, control
// socket, HTTP, signals) and the goodbye at the end. Lives after the core, before the storage
// thread, whose results are posted to `io()`.
#pragma once

#include <functional>
#include <string>

#include <boost/asio/io_context.hpp>

#include "common/base/agent_core.hpp"
#include "common/net/driver.hpp"
#include "common/ops/goodbye.hpp"
#include "common/ops/service.hpp"

namespace sallyport::ops {

class AgentProcess {
public:
    /// `submit_jobs` runs after each burst of input: the place to hand the storage thread what the
    /// core wants of it.
    AgentProcess(base::AgentCore& core, Service& service, std::function<void()> submit_jobs);
    ~AgentProcess();
    AgentProcess(const AgentProcess&) = delete;
    AgentProcess& operator=(const AgentProcess&) = delete;

    boost::asio::io_context& io() { return io_; }
    net::Driver& driver() { return driver_; }

    /// Until SIGTERM or SIGINT, and the core's peers have been told. Throws what Service::start
    /// does.
    void run(ServiceViews views, const std::string& listens);

private:
    void after_input();
    void say_goodbye();

    base::AgentCore& core_;
    Service& service_;
    std::function<void()> submit_jobs_;
    boost::asio::io_context io_{1};
    net::Driver driver_;
    Goodbye goodbye_;
};

}  // namespace sallyport::ops
