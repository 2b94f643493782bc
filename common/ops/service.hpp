// What the three agents' runtimes have in common around their core: the lock on data_dir, the log,
// signals, the control socket and HTTP. One io_context, one network thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/identity.hpp"
#include "common/base/notice.hpp"
#include "common/config/sections.hpp"
#include "common/ops/log.hpp"
#include "common/ops/page.hpp"
#include "common/record/tag_view.hpp"

namespace boost::asio {
class io_context;
}

namespace sallyport::ops {

struct ServiceOptions {
    std::string program;  // "edge-agent"
    config::AgentSection agent;
    config::LogSection log;
    std::optional<config::HttpSection> http;
    config::ControlSection control;
    config::Warnings warnings;
};

/// What the agent shows of itself. All called on the network thread.
struct ServiceViews {
    std::function<std::string()> status;   // JSON, for `status --json` and /status
    std::function<std::string()> metrics;  // Prometheus text exposition format
    std::function<Page()> page;  // for `status`; /healthz: 200 where all of it is live, else 503
    /// For the verb `tags`; empty where the agent has none.
    std::function<record::TagsPage(const record::TagsQuery&)> tags{};
    /// JSON for further verbs on the control socket.
    std::function<std::string(std::string_view verb)> answer{};
};

class Service {
public:
    /// Takes the lock and opens the log; nothing listens yet. Throws Failure.
    explicit Service(const ServiceOptions& options);
    ~Service();
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;

    /// Opens the control socket and HTTP, watches for signals, and logs that the agent is ready.
    /// SIGTERM and SIGINT call `on_stop` on the network thread.
    void start(boost::asio::io_context& io, ServiceViews views, std::function<void()> on_stop,
               const std::string& listens);
    /// Closes what start() opened; no work is left in the io_context, which may then go. Again:
    /// nothing.
    void stop();

    spdlog::logger& log();
    /// One line of the log, its text escaped.
    void log(const base::Notice& notice);
    /// A connection of ours that could not be had: said at once when the reason is new, else once a
    /// minute with how often it was seen, so that a long outage does not fill the log.
    void log_failed_dial(const std::string& why);

private:
    struct Parts;
    ServiceOptions options_;
    std::unique_ptr<Parts> parts_;
};

/// The identity in the agent's own certificate. Throws pki::PkiError where it has none, or one of
/// another role or name than the configuration says.
base::Identity own_identity(const config::TlsSection& tls, base::Role role,
                            const std::string& name);

/// A random number from the operating system's source, never 0.
std::uint64_t random_number();

}  // namespace sallyport::ops
