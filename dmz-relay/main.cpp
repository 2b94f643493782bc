// dmz-relay: the DMZ zone's process. See README.md.
#include "common/ops/command_line.hpp"
#include "dmz-relay/runtime/relay_config.hpp"
#include "dmz-relay/runtime/relay_runtime.hpp"

namespace {

using namespace sallyport;

ops::CheckReport check(const std::string& path, const std::optional<std::string>& topic) {
    const auto config = dmz_relay::load_relay_config(path);
    return {config.warnings,
            topic ? dmz_relay::explain_topic(config, *topic) : std::vector<std::string>{}};
}

ops::AgentPaths paths(const std::string& path) {
    const auto config = dmz_relay::load_relay_config(path);
    return {config.control.socket, config.tls.key, config.tls.cert, config.tls.ca,
            config.agent.name};
}

}  // namespace

int main(int argc, char** argv) {
    return ops::run_command_line(
        {"dmz-relay", base::Role::relay, dmz_relay::run_dmz_relay, check, paths}, argc, argv);
}
