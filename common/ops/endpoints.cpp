#include "common/ops/endpoints.hpp"

#include "common/net/tls_context.hpp"

namespace sallyport::ops {
namespace {

std::string_view name_of(config::ListenerTransport transport) {
    switch (transport) {
        case config::ListenerTransport::tcp: return "tcp";
        case config::ListenerTransport::tls: return "tls";
        case config::ListenerTransport::ws: return "ws";
        case config::ListenerTransport::wss: return "wss";
    }
    return "?";
}

net::TransportKind kind_of(config::ListenerTransport transport) {
    switch (transport) {
        case config::ListenerTransport::tcp: return net::TransportKind::tcp;
        case config::ListenerTransport::tls: return net::TransportKind::tls;
        case config::ListenerTransport::ws: return net::TransportKind::ws;
        case config::ListenerTransport::wss: return net::TransportKind::wss;
    }
    return net::TransportKind::tcp;
}

}  // namespace

net::ListenerOptions mqtt_listener(const config::MqttListenerSection& section) {
    net::ListenerOptions options;
    options.address = section.address.text();
    options.transport = kind_of(section.transport);
    if (!section.cert.empty()) {
        net::TlsOptions tls;
        tls.ca_file = section.ca;
        tls.cert_file = section.cert;
        tls.key_file = section.key;
        tls.server = true;
        tls.require_peer_certificate = section.require_certificate;
        options.tls = std::make_shared<net::TlsContext>(tls);
    }
    return options;
}

std::string describe(const std::vector<config::MqttListenerSection>& listeners) {
    std::string text;
    for (const auto& listener : listeners) {
        if (!text.empty()) text += ", ";
        text +=
            "mqtt " + std::string(name_of(listener.transport)) + " on " + listener.address.text();
    }
    return text.empty() ? "no listener" : text;
}

mqtt::BrokerLimits broker_limits(const config::BrokerSection& section) {
    mqtt::BrokerLimits limits;
    limits.max_clients = section.max_clients;
    limits.max_packet_bytes = section.max_packet_bytes;
    limits.session_queue_bytes = section.session_queue_bytes;
    limits.session_queue_messages = section.session_queue_messages;
    limits.max_inflight = section.max_inflight;
    limits.retained_bytes = section.retained_bytes;
    limits.max_keep_alive = section.max_keep_alive.value_or(base::Duration{});
    return limits;
}

net::TargetOptions relay_target(const config::RelaySection& relay, const config::TlsSection& tls) {
    net::TlsOptions options;
    options.ca_file = tls.ca;
    options.cert_file = tls.cert;
    options.key_file = tls.key;
    options.peer_roles = {base::Role::relay};
    net::TargetOptions target;
    target.host = relay.urls.front().host;
    target.port = relay.urls.front().port;
    target.tls = std::make_shared<net::TlsContext>(options);
    target.subprotocol = kTunnelSubprotocol;
    target.path = kTunnelPath;
    target.messages = true;
    return target;
}

}  // namespace sallyport::ops
