// The command line that the three agents share. An agent's main() fills an AgentProgram and returns
// run_command_line(). Verbs:
//
//     run -c FILE                              until SIGTERM
//     check-config -c FILE [--topic T]         the file's errors and warnings; the rules that
//     decide on T status -c FILE [--json]                  asks the running agent by its control
//     socket cert request --name N --key K --out CSR | cert install -c FILE --cert C --ca CA | cert
//     inspect FILE version
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/base/identity.hpp"
#include "common/ops/exit_codes.hpp"

namespace sallyport::ops {

struct CheckReport {
    std::vector<std::string> warnings;
    std::vector<std::string> decisions;  // with a topic: which rules decide on it, a line each
};

/// What verbs besides `run` need to know of a configuration. Empty TLS paths: it has no [tls].
struct AgentPaths {
    std::string control_socket;
    std::string key, cert, ca;
    std::string name;
};

/// The callbacks read the file at the path they are given, and throw config::ConfigFailure where it
/// is wrong.
struct AgentProgram {
    std::string name;  // "edge-agent"
    base::Role role = base::Role::edge;
    std::function<int(const std::string& config_path)> run;  // gives the exit code
    std::function<CheckReport(const std::string& config_path,
                              const std::optional<std::string>& topic)>
        check;
    std::function<AgentPaths(const std::string& config_path)> paths;
};

/// "/etc/sallyport/edge-agent.toml"
std::string default_config_path(const AgentProgram& program);

/// Runs one verb and gives the exit code. Nothing is thrown out of it: ConfigFailure is printed an
/// error a line (3), pki::PkiError (4), storage errors (7) and Failure (its own code) likewise, to
/// stderr.
int run_command_line(const AgentProgram& program, int argc, const char* const* argv);

}  // namespace sallyport::ops
