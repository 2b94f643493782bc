#include "deploy/ca/demo_configuration.hpp"

#include <string_view>

namespace sallyport::ca {
namespace {

// Offsets from the base port.
constexpr int kEdgeMqtt = 1, kRelay = 2, kItMqtt = 3;
constexpr int kEdgeHttp = 11, kRelayHttp = 12, kItHttp = 13;

std::string local(int port) {
    return "127.0.0.1:" + std::to_string(port);
}

std::string key(std::string_view name, std::string_view value) {
    return std::string(name) + " = \"" + std::string(value) + "\"\n";
}

std::string head(const std::string& folder, const std::string& name) {
    return "# Paths are relative to this file.\n\n[agent]\n" + key("name", name) +
           key("data_dir", "data/" + folder) +
           "\n# The agent's name must be the one in its certificate.\n[tls]\n" +
           key("ca", "pki/ca.crt") + key("cert", "pki/" + folder + ".crt") +
           key("key", "pki/" + folder + ".key");
}

std::string mqtt_listener(const std::string& address) {
    return "\n# No users are set, so anybody on this machine may connect.\n[[listener]]\n" +
           key("address", address) + key("transport", "tcp");
}

std::string tail(const std::string& folder, const std::string& http) {
    return "\n# Read only: /metrics /healthz /status\n[http]\n" + key("address", http) +
           "\n# What changes state goes here.\n[control]\n" +
           key("socket", "data/" + folder + "/control.sock") + "\n[log]\n" + key("level", "info") +
           key("format", "text");
}

}  // namespace

std::string demo_edge_toml(int base_port) {
    return head("edge", kDemoEdge) + "\n[relay]\nurls = [\"wss://" + local(base_port + kRelay) +
           "\"]\ndestinations = [\"" + kDemoIt + "\"]\n" +
           mqtt_listener(local(base_port + kEdgeMqtt)) +
           "\n# Every topic leaves, and every message of it is kept until it was delivered.\n"
           "[[forward]]\n" +
           key("filter", "#") + key("class", "history") + "\n[spool]\n" + key("max_bytes", "1GiB") +
           tail("edge", local(base_port + kEdgeHttp));
}

std::string demo_relay_toml(int base_port) {
    return head("relay", kDemoRelay) + "\n# Both sides dial in here.\n[[listener]]\n" +
           key("address", local(base_port + kRelay)) + key("role", "any") +
           "\n# Without a route nothing passes.\n[[route]]\n" + key("edge", kDemoEdge) +
           key("it", kDemoIt) + "topics = [\"#\"]\n" + tail("relay", local(base_port + kRelayHttp));
}

std::string demo_it_toml(int base_port) {
    return head("it", kDemoIt) + "\n[relay]\nurls = [\"wss://" + local(base_port + kRelay) +
           "\"]\n\n# Topics come out as they went in: no prefix.\n[[edge]]\n" +
           key("name", kDemoEdge) + key("prefix", "") + mqtt_listener(local(base_port + kItMqtt)) +
           "\n[sink]\n" + key("type", "broker") + key("format", "mirror") +
           tail("it", local(base_port + kItHttp));
}

}  // namespace sallyport::ca
