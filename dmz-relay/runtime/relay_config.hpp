// dmz-relay.toml as plain data. The runtime turns it into the options of the cores.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/config/sections.hpp"

namespace sallyport::dmz_relay {

/// Which agents a listener admits; the roles are those of their certificates.
enum class ListenerRole { any, edge, it };

/// [[listener]]: always WebSocket over mutual TLS 1.3, with the files of [tls].
struct TunnelListenerSection {
    config::Endpoint address;
    ListenerRole role = ListenerRole::any;
};

/// [[route]]: which edges may talk to which it-agents, and about what.
struct RouteSection {
    std::string edge;                 // a name pattern, "line*" or "acme/line*"
    std::string it;                   // a name pattern
    std::vector<std::string> topics;  // valid topic filters, at least one
};

struct RelayConfig {
    config::AgentSection agent;
    config::TlsSection tls;
    std::vector<TunnelListenerSection> listeners;  // at least one
    std::vector<RouteSection> routes;
    std::optional<config::HttpSection> http;
    config::ControlSection control;
    config::LogSection log;
    config::Warnings warnings;
};

/// Throws config::ConfigFailure with everything that is wrong.
RelayConfig load_relay_config(const std::string& path);
RelayConfig read_relay_config(config::Document document);

/// Which routes let `topic` pass, a line each, for `check-config --topic`.
std::vector<std::string> explain_topic(const RelayConfig& config, std::string_view topic);

}  // namespace sallyport::dmz_relay
