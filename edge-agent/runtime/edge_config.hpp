// edge-agent.toml as plain data. The runtime turns it into the options of the cores.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/sections.hpp"
#include "edge-agent/ingest/classifier.hpp"

namespace sallyport::edge_agent {

/// When a device's publish is acknowledged: when it is on disk, or when every destination has it.
enum class Ack { spooled, delivered };

/// [[forward]]: the first whose filter matches a topic decides on it; what none matches stays here.
struct ForwardSection {
    std::string filter;  // a valid MQTT topic filter that does not begin with '$'
    ingest::DeliveryClass delivery_class = ingest::DeliveryClass::history;
    ingest::QualityPolicy quality{};
    std::optional<ingest::JsonPlaces> json{};  // nothing: payloads are opaque
    Ack ack = Ack::spooled;
};

/// `drop-oldest`: whole segments go, through the ledger. `refuse`: publishers are refused, or wait.
enum class WhenFull { drop_oldest, refuse };

/// [spool]
struct SpoolSection {
    std::uint64_t max_bytes = 8ULL << 30U;  // at least 64 MiB
    WhenFull when_full = WhenFull::drop_oldest;
};

struct EdgeConfig {
    config::AgentSection agent;
    std::optional<config::TlsSection> tls;      // never absent where `relay` is there
    std::optional<config::RelaySection> relay;  // absent: a local broker only
    std::vector<config::MqttListenerSection> listeners;
    config::BrokerSection broker;
    std::vector<ForwardSection> forwards;
    SpoolSection spool;
    std::optional<config::HttpSection> http;
    config::ControlSection control;
    config::LogSection log;
    config::Warnings warnings;
};

/// Throws config::ConfigFailure with everything that is wrong.
EdgeConfig load_edge_config(const std::string& path);
EdgeConfig read_edge_config(config::Document document);

/// Which rules decide on `topic`, a line each, for `check-config --topic`.
std::vector<std::string> explain_topic(const EdgeConfig& config, std::string_view topic);

}  // namespace sallyport::edge_agent
