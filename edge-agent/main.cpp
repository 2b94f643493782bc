// edge-agent: the OT zone's process. See README.md.
#include "common/ops/command_line.hpp"
#include "edge-agent/runtime/edge_config.hpp"
#include "edge-agent/runtime/edge_runtime.hpp"
#include "edge-agent/runtime/spool_verbs.hpp"

namespace {

using namespace sallyport;

ops::CheckReport check(const std::string& path, const std::optional<std::string>& topic) {
    const auto config = edge_agent::load_edge_config(path);
    return {config.warnings,
            topic ? edge_agent::explain_topic(config, *topic) : std::vector<std::string>{}};
}

ops::AgentPaths paths(const std::string& path) {
    const auto config = edge_agent::load_edge_config(path);
    const auto tls = config.tls.value_or(config::TlsSection{});
    return {config.control.socket, tls.key, tls.cert, tls.ca, config.agent.name};
}

}  // namespace

int main(int argc, char** argv) {
    return ops::run_command_line({"edge-agent", base::Role::edge, edge_agent::run_edge_agent, check,
                                  paths, true, edge_agent::run_spool_verb},
                                 argc, argv);
}
