#include "it-agent/runtime/it_runtime.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <spdlog/logger.h>

#include "common/net/driver.hpp"
#include "common/ops/endpoints.hpp"
#include "common/ops/exit_codes.hpp"
#include "common/ops/goodbye.hpp"
#include "common/ops/service.hpp"
#include "common/storage/worker_thread.hpp"
#include "it-agent/core/it_core.hpp"
#include "it-agent/runtime/it_config.hpp"
#include "it-agent/runtime/it_status.hpp"
#include "it-agent/runtime/sqlite_store.hpp"

namespace sallyport::it_agent {
namespace {

/// The sink has one transaction under way.
constexpr std::size_t kStorageJobsMax = 4;

it_core::ItOptions core_options(const ItConfig& config, const std::string& plant) {
    it_core::ItOptions options;
    options.plant = plant;
    options.name = config.agent.name;
    for (const auto& edge : config.edges) options.edges.push_back({edge.name, edge.prefix});
    options.broker = ops::broker_limits(config.broker);
    options.has_relay = config.relay.has_value();
    if (config.relay) {
        options.link_timers.ping_interval = config.relay->ping;
        options.link_timers.lost_after = config.relay->lost_after;
    }
    options.seed = ops::random_number();
    return options;
}

std::unique_ptr<SqliteStore> open_store(const ItConfig& config) {
    const auto path = config.agent.data_dir + "/store.db";
    try {
        return std::make_unique<SqliteStore>(path, ops::random_number());
    } catch (const std::runtime_error& error) {
        throw ops::Failure(ops::ExitCode::storage,
                           path + ": " + error.what() +
                               "; mend the disk or move the file away "
                               "(the edges then send what they still have)");
    }
}

class ItRuntime {
public:
    ItRuntime(ItConfig config, ops::Service& service)
        : config_(std::move(config)),
          service_(service),
          plant_(config_.tls
                     ? ops::own_identity(*config_.tls, base::Role::it, config_.agent.name).plant
                     : "local"),
          store_(open_store(config_)),
          core_(core_options(config_, plant_), store_->load(), net::real_now()),
          storage_("store", kStorageJobsMax,
                   [this](std::function<void()> done) { boost::asio::post(io_, std::move(done)); }),
          driver_(io_, core_, {}, [this] { after_input(); }),
          goodbye_(io_) {
        for (const auto& listener : config_.listeners) driver_.listen(ops::mqtt_listener(listener));
        if (config_.relay) driver_.add_target(ops::relay_target(*config_.relay, *config_.tls));
        driver_.on_refused(
            [this](base::ConnectionId id, const base::Peer& peer, std::string_view what) {
                const auto text = peer.address + ": " + std::string(what);
                if (base::is_dialled(id))
                    service_.log_failed_dial(text);
                else
                    service_.log().warn("{}", ops::escape(text));
            });
    }

    ~ItRuntime() { service_.stop(); }
    ItRuntime(const ItRuntime&) = delete;
    ItRuntime& operator=(const ItRuntime&) = delete;

    void run() {
        const auto name = plant_ + '/' + config_.agent.name;
        ops::ServiceCallbacks callbacks;
        callbacks.status = [this, name] { return status_json(core_.status(), name); };
        callbacks.metrics = [this] { return metrics_text(core_.status()); };
        callbacks.healthy = [this] {
            const auto status = core_.status();
            return status.store_error.empty() &&
                   std::ranges::all_of(status.edges, [](const auto& edge) {
                       return edge.state == emit::FeedState::live;
                   });
        };
        callbacks.stop = [this] { say_goodbye(); };
        service_.start(io_, std::move(callbacks), ops::describe(config_.listeners));
        driver_.poke();
        io_.run();
    }

private:
    /// Hands the sink's transaction to the storage thread, and the core's notices to the log.
    void after_input() {
        while (auto job = core_.next_job(net::real_now())) {
            storage_.submit(
                [this, job = std::move(*job)] {
                    return sinks::StoreDone{job.id, store_->commit(job)};
                },
                [this](const sinks::StoreDone& done) {
                    core_.complete(done, net::real_now());
                    driver_.poke();
                });
        }
        while (const auto notice = core_.next_notice()) service_.log(*notice);
    }

    void say_goodbye() {
        service_.log().info("stopping");
        core_.shut_down(net::real_now());
        driver_.poke();
        goodbye_.begin([this] { return driver_.connections() == 0; },
                       [this] {
                           driver_.stop();
                           service_.stop();
                       });
    }

    ItConfig config_;
    ops::Service& service_;
    std::string plant_;
    boost::asio::io_context io_{1};
    std::unique_ptr<SqliteStore> store_;
    it_core::ItCore core_;
    storage::WorkerThread storage_;
    net::Driver driver_;
    ops::Goodbye goodbye_;
};

}  // namespace

int run_it_agent(const std::string& config_path) {
    auto config = load_it_config(config_path);
    ops::Service service(
        {"it-agent", config.agent, config.log, config.http, config.control, config.warnings});
    ItRuntime runtime(std::move(config), service);
    runtime.run();
    service.log().info("stopped");
    return ops::to_int(ops::ExitCode::ok);
}

}  // namespace sallyport::it_agent
