#include "edge-agent/runtime/edge_runtime.hpp"

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
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
#include "edge-agent/core/edge_core.hpp"
#include "edge-agent/runtime/edge_config.hpp"
#include "edge-agent/runtime/edge_status.hpp"
#include "edge-agent/runtime/file_disk.hpp"

namespace sallyport::edge_agent {
namespace {

/// One commit, one read a destination and the spool's upkeep: a spool never has more under way.
constexpr std::size_t kStorageJobsMax = 4096;

edge_core::EdgeOptions core_options(const EdgeConfig& config, const std::string& plant) {
    edge_core::EdgeOptions options;
    options.plant = plant;
    options.name = config.agent.name;
    options.broker = ops::broker_limits(config.broker);
    for (const auto& forward : config.forwards) options.forwards.push_back({forward.filter});
    if (config.relay) {
        options.destinations = config.relay->destinations;
        options.link_timers.ping_interval = config.relay->ping;
        options.link_timers.lost_after = config.relay->lost_after;
        options.sender_timers.beat_interval = config.relay->ping;
    }
    options.seed = ops::random_number();
    return options;
}

std::unique_ptr<spool::Spool> open_spool(const EdgeConfig& config, const std::string& plant,
                                         spool::Disk& disk) {
    spool::SpoolOptions options;
    options.edge = plant + '/' + config.agent.name;
    if (config.relay) options.destinations = config.relay->destinations;
    options.max_bytes = config.spool.max_bytes;
    auto spool = spool::Spool::recover(options, disk, ops::random_number(), ops::random_number(),
                                       net::real_now());
    if (!spool)
        throw ops::Failure(ops::ExitCode::storage,
                           "spool in " + config.agent.data_dir + ": " +
                               std::string(to_string(spool.error())) +
                               "; make room or mend the disk, then start again");
    return std::move(*spool);
}

std::unique_ptr<FileDisk> open_disk(const EdgeConfig& config) {
    const auto directory = std::filesystem::path(config.agent.data_dir) / "spool";
    std::error_code error;
    std::filesystem::create_directory(directory, error);
    auto disk = FileDisk::open(directory);
    if (!disk)
        throw ops::Failure(ops::ExitCode::storage, directory.string() + ": " +
                                                       std::string(to_string(disk.error())) +
                                                       "; check the disk and its permissions");
    return std::move(*disk);
}

class EdgeRuntime {
public:
    EdgeRuntime(EdgeConfig config, ops::Service& service)
        : config_(std::move(config)),
          service_(service),
          plant_(config_.tls
                     ? ops::own_identity(*config_.tls, base::Role::edge, config_.agent.name).plant
                     : "local"),
          disk_(open_disk(config_)),
          core_(core_options(config_, plant_), open_spool(config_, plant_, *disk_),
                net::real_now()),
          storage_("spool", kStorageJobsMax,
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

    ~EdgeRuntime() { service_.stop(); }
    EdgeRuntime(const EdgeRuntime&) = delete;
    EdgeRuntime& operator=(const EdgeRuntime&) = delete;

    void run() {
        const auto edge = plant_ + '/' + config_.agent.name;
        ops::ServiceCallbacks callbacks;
        callbacks.status = [this, edge] {
            return status_json(core_.status(net::real_now()), edge);
        };
        callbacks.metrics = [this] { return metrics_text(core_.status(net::real_now())); };
        callbacks.healthy = [this] {
            const auto status = core_.status(net::real_now());
            return !status.spool.failing &&
                   std::ranges::all_of(status.uplink.destinations, [](const auto& destination) {
                       return destination.state == uplink::PathState::live;
                   });
        };
        callbacks.stop = [this] { say_goodbye(); };
        const auto spool = core_.status(net::real_now()).spool;
        service_.log().info("spool: {} segments, records {}..{}", spool.segments, spool.first,
                            spool.synced);
        service_.start(io_, std::move(callbacks), ops::describe(config_.listeners));
        driver_.poke();
        io_.run();
    }

private:
    /// Hands what the core wants from the disk to the storage thread, and its notices to the log.
    void after_input() {
        while (auto job = core_.next_job(net::real_now())) {
            storage_.submit(
                [this, job = std::move(*job)]() mutable {
                    return spool::run(*disk_, std::move(job));
                },
                [this](spool::DiskDone done) {
                    core_.complete(std::move(done), net::real_now());
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

    EdgeConfig config_;
    ops::Service& service_;
    std::string plant_;
    boost::asio::io_context io_{1};
    std::unique_ptr<FileDisk> disk_;
    edge_core::EdgeCore core_;
    storage::WorkerThread storage_;
    net::Driver driver_;
    ops::Goodbye goodbye_;
};

}  // namespace

int run_edge_agent(const std::string& config_path) {
    auto config = load_edge_config(config_path);
    ops::Service service(
        {"edge-agent", config.agent, config.log, config.http, config.control, config.warnings});
    EdgeRuntime runtime(std::move(config), service);
    runtime.run();
    service.log().info("stopped");
    return ops::to_int(ops::ExitCode::ok);
}

}  // namespace sallyport::edge_agent
