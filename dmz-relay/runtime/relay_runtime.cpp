#include "dmz-relay/runtime/relay_runtime.hpp"

#include <memory>
#include <set>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <spdlog/logger.h>

#include "common/net/driver.hpp"
#include "common/net/tls_context.hpp"
#include "common/ops/endpoints.hpp"
#include "common/ops/exit_codes.hpp"
#include "common/ops/goodbye.hpp"
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
          service_(service),
          plant_(ops::own_identity(config_.tls, base::Role::relay, config_.agent.name).plant),
          core_(core_options(config_, plant_)),
          driver_(io_, core_, {}, [this] { after_input(); }),
          goodbye_(io_) {
        for (const auto& listener : config_.listeners)
            driver_.listen(tunnel_listener(listener, config_.tls));
        driver_.on_refused(
            [this](base::ConnectionId, const base::Peer& peer, std::string_view what) {
                service_.log().warn("{} refused: {}", ops::escape(peer.address), ops::escape(what));
            });
    }

    ~RelayRuntime() { service_.stop(); }
    RelayRuntime(const RelayRuntime&) = delete;
    RelayRuntime& operator=(const RelayRuntime&) = delete;

    void run() {
        const auto relay = plant_ + '/' + config_.agent.name;
        ops::ServiceCallbacks callbacks;
        callbacks.status = [this, relay] {
            return status_json(core_.status(), relay, net::real_now());
        };
        callbacks.metrics = [this] { return metrics_text(core_.status()); };
        callbacks.healthy = [] { return true; };
        callbacks.stop = [this] { say_goodbye(); };
        std::string listens;
        for (const auto& listener : config_.listeners)
            listens += (listens.empty() ? "tunnel wss on " : ", ") + listener.address.text();
        service_.start(io_, std::move(callbacks), listens);
        driver_.poke();
        io_.run();
    }

private:
    void after_input() {
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

    RelayConfig config_;
    ops::Service& service_;
    std::string plant_;
    boost::asio::io_context io_{1};
    relay_core::RelayCore core_;
    net::Driver driver_;
    ops::Goodbye goodbye_;
};

}  // namespace

int run_dmz_relay(const std::string& config_path) {
    auto config = load_relay_config(config_path);
    ops::Service service(
        {"dmz-relay", config.agent, config.log, config.http, config.control, config.warnings});
    RelayRuntime runtime(std::move(config), service);
    runtime.run();
    service.log().info("stopped");
    return ops::to_int(ops::ExitCode::ok);
}

}  // namespace sallyport::dmz_relay
