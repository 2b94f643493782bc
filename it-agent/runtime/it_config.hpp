// it-agent.toml as plain data. The runtime turns it into the options of the cores.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/sections.hpp"
#include "it-agent/emit/value_topic.hpp"

namespace sallyport::it_agent {

/// [[edge]]: whose records are taken, and what is put before their topics. The first that matches
/// decides.
struct EdgeSection {
    std::string name;    // a name pattern, "line*" or "acme/line*"
    std::string prefix;  // put before the topic as it stands; may hold {plant} and {edge}
};

enum class SinkType { broker };

/// [sink]
struct SinkSection {
    SinkType type = SinkType::broker;
    emit::EmissionOptions emission;
    std::vector<std::string> consumers;  // client identifiers
};

struct ItConfig {
    config::AgentSection agent;
    std::optional<config::TlsSection> tls;  // never absent where `relay` is there
    std::optional<config::RelaySection>
        relay;  // absent: a local broker only; its destinations are empty
    std::vector<EdgeSection> edges;
    std::vector<config::MqttListenerSection> listeners;
    config::BrokerSection broker;
    SinkSection sink;
    std::optional<config::HttpSection> http;
    config::ControlSection control;
    config::LogSection log;
    config::Warnings warnings;
};

/// Throws config::ConfigFailure with everything that is wrong.
ItConfig load_it_config(const std::string& path);
ItConfig read_it_config(config::Document document);

/// Whose `topic` is emitted where, a line each, for `check-config --topic`.
std::vector<std::string> explain_topic(const ItConfig& config, std::string_view topic);

}  // namespace sallyport::it_agent
