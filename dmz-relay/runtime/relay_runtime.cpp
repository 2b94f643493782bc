#include "dmz-relay/runtime/relay_runtime.hpp"

#include <memory>
#include <set>
#include <utility>

#include "common/net/driver.hpp"
#include "common/net/tls_context.hpp"
#include "common/ops/agent_process.hpp"
#include "common/ops/endpoints.hpp"
#include "common/ops/exit_codes.hpp"
#include "common/ops/service.hpp"
#include "dmz-relay/core/relay_core.hpp"
#include "dmz-relay/runtime/relay_config.hpp"
#include "dmz-relay/runtime/relay_status.hpp"

namespace sallyport::dmz_relay {
namespace {

relay_core::RelayOptions core_options(const RelayConfig& config, const std::string& plant) {
    relay_core::RelayOptions options;
    options.plant = plant;
    for (const auto& route : config.routes)
        options.routes.push_back({route.edge, route.it, route.topics});
    options.seed = ops::random_number();
    options.started = net::real_now().wall;
    return options;
}

std::set<base::Role> roles_of(ListenerRole role) {
    switch (role) {
        case ListenerRole::edge: return {base::Role::edge};
        case ListenerRole::it: return {base::Role::it};
        case ListenerRole::any: return {base::Role::edge, base::Role::it};
    }
    return {};
}

net::ListenerOptions tunnel_listener(const TunnelListenerSection& section,
                                     const config::TlsSection& tls) {
    net::TlsOptions options;
    options.ca_file = tls.ca;
    options.cert_file = tls.cert;
    options.key_file = tls.key;
    options.server = true;
    options.peer_roles = roles_of(section.role);
    net::ListenerOptions listener;
    listener.address = section.address.text();
    listener.transport = net::TransportKind::wss;
    listener.tls = std::make_shared<net::TlsContext>(options);
    listener.subprotocol = ops::kTunnelSubprotocol;
    listener.path = ops::kTunnelPath;
    listener.messages = true;
    return listener;
}

class RelayRuntime {
public:
    RelayRuntime(RelayConfig config, ops::Service& service)
        : config_(std::move(config)),
          plant_(ops::own_identity(config_.tls, base::Role::relay, config_.agent.name).plant),
          core_(core_options(config_, plant_)),
          process_(core_, service, [] {}) {
        for (const auto& listener : config_.listeners)
            process_.driver().listen(tunnel_listener(listener, config_.tls));
    }

    void run() {
        const auto relay = plant_ + '/' + config_.agent.name;
        ops::ServiceViews views;
        const auto view = [this, relay](const auto& make) {
            return make(core_.status(), relay, net::real_now());
        };
        views.status = [view] { return view(status_json); };
        views.metrics = [view] { return view(metrics_text); };
        views.page = [view] { return view(page); };
        std::string listens;
        for (const auto& listener : config_.listeners)
            listens += (listens.empty() ? "tunnel wss on " : ", ") + listener.address.text();
        process_.run(std::move(views), listens);
    }

private:
    RelayConfig config_;
    std::string plant_;
    relay_core::RelayCore core_;
    ops::AgentProcess process_;
};

}  // namespace

int run_dmz_relay(const std::string& config_path) {
    auto config = load_relay_config(config_path);
    ops::Service service(
        {"dmz-relay", config.agent, config.log, config.http, config.control, config.warnings});
    RelayRuntime runtime(std::move(config), service);
    runtime.run();
    return ops::to_int(ops::ExitCode::ok);
}

}  // namespace sallyport::dmz_relay
