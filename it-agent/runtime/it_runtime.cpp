#include "it-agent/runtime/it_runtime.hpp"

#include <functional>
#include <memory>
#include <utility>

#include <boost/asio/post.hpp>
#include <spdlog/logger.h>

#include "common/net/driver.hpp"
#include "common/ops/agent_process.hpp"
#include "common/ops/endpoints.hpp"
#include "common/ops/exit_codes.hpp"
#include "common/ops/service.hpp"
#include "common/storage/worker_thread.hpp"
#include "it-agent/core/it_core.hpp"
#include "it-agent/runtime/it_config.hpp"
#include "it-agent/runtime/it_status.hpp"
#include "it-agent/runtime/ledger_verb.hpp"
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
    options.emission = config.sink.emission;
    options.consumers = config.sink.consumers;
    options.has_relay = config.relay.has_value();
    if (config.relay) {
        options.link_timers.ping_interval = config.relay->ping;
        options.link_timers.lost_after = config.relay->lost_after;
    }
    options.keeps_broker_state = true;
    options.seed = ops::random_number();
    return options;
}

std::unique_ptr<SqliteStore> open_store(const ItConfig& config) {
    const auto path = config.agent.data_dir + "/store.db";
    try {
        return std::make_unique<SqliteStore>(path, ops::random_number(), net::real_now().wall);
    } catch (const std::runtime_error& error) {
        throw ops::Failure(ops::ExitCode::storage,
                           std::string(error.what()) +
                               "; mend the disk or move the file away "
                               "(the edges then send what they still have)");
    }
}

class ItRuntime {
public:
    ItRuntime(ItConfig config, ops::Service& service)
        : config_(std::move(config)),
          plant_(config_.tls
                     ? ops::own_identity(*config_.tls, base::Role::it, config_.agent.name).plant
                     : "local"),
          store_(open_store(config_)),
          core_(core_options(config_, plant_), store_->load(), net::real_now()),
          process_(core_, service, [this] { submit_jobs(); }),
          storage_("store", kStorageJobsMax, [this](std::function<void()> done) {
              boost::asio::post(process_.io(), std::move(done));
          }) {
        for (const auto& listener : config_.listeners)
            process_.driver().listen(ops::mqtt_listener(listener));
        if (config_.relay)
            process_.driver().add_target(ops::relay_target(*config_.relay, *config_.tls));
        if (const auto& aside = store_->aside())
            service.log(
                {base::NoticeLevel::alarm,
                 "store.db was damaged and is now " + aside->moved_to +
                     "; begun anew, edges send what they still have again: " + aside->reason});
    }

    void run() {
        const auto name = plant_ + '/' + config_.agent.name;
        ops::ServiceViews views;
        const auto view = [this, name](const auto& make) {
            return make(core_.status(), name, net::real_now());
        };
        views.tags = [this](const record::TagsQuery& query) { return core_.tags(query); };
        views.answer = [this](std::string_view question) -> std::string {
            const auto after = parse_ledger_question(question);
            if (!after) return R"({"error":"unknown verb"})";
            return ledger_answer(core_.ledger_rows(*after, kLedgerPageRowsMax));
        };
        views.status = [view] { return view(status_json); };
        views.metrics = [view] { return view(metrics_text); };
        views.page = [view] { return view(page); };
        process_.run(std::move(views), ops::describe(config_.listeners));
    }

private:
    /// Hands the sink's transaction to the storage thread.
    void submit_jobs() {
        while (auto job = core_.next_job(net::real_now())) {
            storage_.submit(
                [this, job = std::move(*job)] {
                    return sinks::StoreDone{job.id, store_->commit(job)};
                },
                [this](const sinks::StoreDone& done) {
                    core_.complete(done, net::real_now());
                    process_.driver().poke();
                });
        }
    }

    ItConfig config_;
    std::string plant_;
    std::unique_ptr<SqliteStore> store_;
    it_core::ItCore core_;
    ops::AgentProcess process_;
    storage::WorkerThread storage_;
};

}  // namespace

int run_it_agent(const std::string& config_path) {
    auto config = load_it_config(config_path);
    ops::Service service(
        {"it-agent", config.agent, config.log, config.http, config.control, config.warnings});
    ItRuntime runtime(std::move(config), service);
    runtime.run();
    return ops::to_int(ops::ExitCode::ok);
}

}  // namespace sallyport::it_agent
