// it-agent: the IT zone's process. See README.md.
#include "common/ops/command_line.hpp"
#include "it-agent/runtime/it_config.hpp"
#include "it-agent/runtime/it_runtime.hpp"
#include "it-agent/runtime/ledger_verb.hpp"

namespace {

using namespace sallyport;

ops::CheckReport check(const std::string& path, const std::optional<std::string>& topic) {
    const auto config = it_agent::load_it_config(path);
    return {config.warnings,
            topic ? it_agent::explain_topic(config, *topic) : std::vector<std::string>{}};
}

ops::AgentPaths paths(const std::string& path) {
    const auto config = it_agent::load_it_config(path);
    const auto tls = config.tls.value_or(config::TlsSection{});
    return {config.control.socket, tls.key, tls.cert, tls.ca, config.agent.name};
}

}  // namespace

int main(int argc, char** argv) {
    return ops::run_command_line({"it-agent",
                                  base::Role::it,
                                  it_agent::run_it_agent,
                                  check,
                                  paths,
                                  true,
                                  {},
                                  it_agent::show_ledger},
                                 argc, argv);
}
