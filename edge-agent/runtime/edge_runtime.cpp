#include "edge-agent/runtime/edge_runtime.hpp"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <spdlog/logger.h>

#include "common/net/driver.hpp"
#include "common/ops/agent_process.hpp"
#include "common/ops/endpoints.hpp"
#include "common/ops/exit_codes.hpp"
#include "common/ops/service.hpp"
#include "common/storage/worker_thread.hpp"
#include "edge-agent/core/edge_core.hpp"
#include "edge-agent/runtime/broker_state_file.hpp"
#include "edge-agent/runtime/edge_config.hpp"
#include "edge-agent/runtime/edge_status.hpp"
#include "edge-agent/runtime/file_disk.hpp"
#include "edge-agent/runtime/spool_json.hpp"
#include "edge-agent/runtime/sqlite_publisher_store.hpp"

namespace sallyport::edge_agent {
namespace {

/// One commit, one read a destination, the spool's upkeep, and who publishes what: there is never
/// more under way.
constexpr std::size_t kStorageJobsMax = 4096;

edge_core::EdgeOptions core_options(const EdgeConfig& config, const std::string& plant) {
    edge_core::EdgeOptions options;
    options.plant = plant;
    options.name = config.agent.name;
    options.broker = ops::broker_limits(config.broker);
    for (const auto& forward : config.forwards)
        options.forwards.push_back({forward.filter, forward.quality, forward.json,
                                    forward.delivery_class, forward.ack == Ack::delivered});
    if (config.relay) {
        options.destinations = config.relay->destinations;
        options.link_timers.ping_interval = config.relay->ping;
        options.link_timers.lost_after = config.relay->lost_after;
        // Not longer, however rarely the link is pinged: by Beats the far side knows that all is
        // well, and what is not complete for 10 s is behind.
        options.sender_timers.beat_interval =
            std::min(options.sender_timers.beat_interval, config.relay->ping);
    }
    options.keeps_broker_state = true;
    options.seed = ops::random_number();
    return options;
}

std::unique_ptr<spool::Spool> open_spool(const EdgeConfig& config, const std::string& plant,
                                         spool::Disk& disk) {
    spool::SpoolOptions options;
    options.edge = plant + '/' + config.agent.name;
    if (config.relay) options.destinations = config.relay->destinations;
    options.max_bytes = config.spool.max_bytes;
    options.when_full = config.spool.when_full == WhenFull::refuse ? spool::WhenFull::refuse
                                                                   : spool::WhenFull::drop_oldest;
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
    auto disk = FileDisk::open(directory, net::real_now().wall);
    if (!disk)
        throw ops::Failure(ops::ExitCode::storage, directory.string() + ": " +
                                                       std::string(to_string(disk.error())) +
                                                       "; check the disk and its permissions");
    return std::move(*disk);
}

std::unique_ptr<SqlitePublisherStore> open_publishers(const EdgeConfig& config,
                                                      std::optional<storage::SetAside>& aside) {
    const auto path = config.agent.data_dir + "/publishers.db";
    try {
        return SqlitePublisherStore::open(path, net::real_now().wall, aside);
    } catch (const storage::DatabaseError& error) {
        throw ops::Failure(ops::ExitCode::storage,
                           path + ": " + error.what() +
                               "; mend the disk or move the file away (it only says which device "
                               "publishes what)");
    }
}

std::unique_ptr<BrokerStateFile> open_broker_state(const EdgeConfig& config) {
    const auto path = config.agent.data_dir + "/broker.db";
    try {
        return std::make_unique<BrokerStateFile>(path, net::real_now().wall);
    } catch (const storage::DatabaseError& error) {
        throw ops::Failure(ops::ExitCode::storage,
                           std::string(error.what()) +
                               "; mend the disk or move the file away (it has the sessions, queues "
                               "and retained messages of local clients)");
    }
}

void tell_damage(ops::Service& service, std::string_view file,
                 const std::optional<storage::SetAside>& aside, std::string_view meaning) {
    if (!aside) return;
    service.log(
        {base::NoticeLevel::alarm, fmt::format("{} was damaged and is now {}; begun anew, {}: {}",
                                               file, aside->moved_to, meaning, aside->reason)});
}

class EdgeRuntime {
public:
    EdgeRuntime(EdgeConfig config, ops::Service& service)
        : config_(std::move(config)),
          plant_(config_.tls
                     ? ops::own_identity(*config_.tls, base::Role::edge, config_.agent.name).plant
                     : "local"),
          disk_(open_disk(config_)),
          publishers_(open_publishers(config_, publishers_aside_)),
          broker_state_(open_broker_state(config_)),
          disk_free_bytes_(disk_->free_bytes()),
          core_(core_options(config_, plant_), open_spool(config_, plant_, *disk_),
                publishers_->load(), net::real_now()),
          process_(core_, service, [this] { submit_jobs(); }),
          storage_("spool", kStorageJobsMax, [this](std::function<void()> done) {
              boost::asio::post(process_.io(), std::move(done));
          }) {
        for (const auto& listener : config_.listeners)
            process_.driver().listen(ops::mqtt_listener(listener));
        if (config_.relay)
            process_.driver().add_target(ops::relay_target(*config_.relay, *config_.tls));
        core_.restore(broker_state_->take_state(), net::real_now());
        tell_damage(service, "state.db", disk_->aside(),
                    "how far destinations are, the ledger, kept values and who waits for an answer "
                    "are lost");
        tell_damage(service, "publishers.db", publishers_aside_,
                    "who publishes what is learned anew");
        tell_damage(service, "broker.db", broker_state_->aside(),
                    "lasting sessions and retained messages are lost");
        const auto spool = core_.status(net::real_now()).spool;
        service.log().info("spool: {} segments, records {}..{}", spool.segments, spool.first,
                           spool.synced);
    }

    void run() {
        const auto edge = plant_ + '/' + config_.agent.name;
        ops::ServiceViews views;
        views.answer = [this](std::string_view question) {
            return answer_spool_question(core_.spool(), question);
        };
        const auto view = [this, edge](const auto& make) {
            const auto now = net::real_now();
            return make(core_.status(now, disk_free_bytes_), edge, now);
        };
        views.tags = [this](const record::TagsQuery& query) { return core_.tags(query); };
        views.status = [view] { return view(status_json); };
        views.metrics = [view] { return view(metrics_text); };
        views.page = [view] { return view(page); };
        process_.run(std::move(views), ops::describe(config_.listeners));
    }

private:
    struct Stored {
        spool::DiskDone done;
        std::optional<std::uint64_t> disk_free_bytes;
    };

    /// Hands what the core wants from the disk to the storage thread.
    void submit_jobs() {
        while (auto job = core_.next_job(net::real_now())) {
            storage_.submit(
                [this, job = std::move(*job)]() mutable {
                    auto done = spool::run(*disk_, std::move(job));
                    return Stored{std::move(done), disk_->free_bytes()};
                },
                [this](Stored stored) {
                    disk_free_bytes_ = stored.disk_free_bytes;
                    core_.complete(std::move(stored.done), net::real_now());
                    process_.driver().poke();
                });
        }
        if (auto job = core_.next_broker_job(net::real_now()))
            storage_.submit(
                [this, job = std::move(*job)] {
                    return edge_core::BrokerDone{job.changes->upto,
                                                 broker_state_->commit(*job.changes)};
                },
                [this](const edge_core::BrokerDone& done) {
                    core_.complete(done, net::real_now());
                    process_.driver().poke();
                });
        if (auto job = core_.next_publisher_job(net::real_now()))
            storage_.submit(
                [this, job = std::move(*job)] {
                    return ingest::PublisherDone{job.id, publishers_->commit(job)};
                },
                [this](const ingest::PublisherDone& done) {
                    core_.complete(done, net::real_now());
                    process_.driver().poke();
                });
    }

    EdgeConfig config_;
    std::string plant_;
    std::unique_ptr<FileDisk> disk_;
    std::optional<storage::SetAside> publishers_aside_;
    std::unique_ptr<SqlitePublisherStore> publishers_;
    std::unique_ptr<BrokerStateFile> broker_state_;
    std::optional<std::uint64_t> disk_free_bytes_;  // as the storage thread last saw it
    edge_core::EdgeCore core_;
    ops::AgentProcess process_;
    storage::WorkerThread storage_;
};

}  // namespace

int run_edge_agent(const std::string& config_path) {
    auto config = load_edge_config(config_path);
    ops::Service service(
        {"edge-agent", config.agent, config.log, config.http, config.control, config.warnings});
    EdgeRuntime runtime(std::move(config), service);
    runtime.run();
    return ops::to_int(ops::ExitCode::ok);
}

}  // namespace sallyport::edge_agent
