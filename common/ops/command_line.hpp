// The command line that the three agents share. An agent's main() fills an AgentProgram and returns
// run_command_line(). Verbs:
//
//     run -c FILE                              until SIGTERM
//     check-config -c FILE [--topic T]         the file's errors and warnings; the rules on T
//     status -c FILE [--watch] [--json | --numbers]     asks the running agent by its socket
//     tags -c FILE [FILTER] [--limit N] [--json]   likewise, of its tags
//     cert request --name N --key K --out CSR
//     cert install -c FILE --cert C --ca CA
//     cert inspect FILE
//     version
//     ledger -c FILE [--json]                  where an agent without a spool has one
//     spool stats|ledger|cursors|verify -c FILE [--json]   where the agent has a spool
//     spool export -c FILE [--from-seq N] [--to-seq N] [--since TIME] [--until TIME]
#pragma once

#include <cstdint>
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

/// `spool VERB`. Numbers and texts that were not given are 0 and empty.
struct SpoolArguments {
    std::string verb;  // stats, ledger, cursors, verify, export
    std::string config;
    bool json = false;
    std::uint64_t from_seq = 0, to_seq = 0;  // of `export`, inclusive
    std::string since, until;                // of `export`, RFC 3339 in UTC
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
    bool has_tags = false;                                        // answers to `tags`
    std::function<int(const SpoolArguments& arguments)> spool{};  // empty: it has none
    /// `ledger`, of an agent without a spool; empty: it has none.
    std::function<int(const std::string& config_path, bool as_json)> ledger{};
};

/// "/etc/sallyport/edge-agent.toml"
std::string default_config_path(const AgentProgram& program);

/// Runs one verb and gives the exit code. Nothing is thrown out of it: ConfigFailure is printed an
/// error a line (3), pki::PkiError (4), storage errors (7) and Failure (its own code) likewise, to
/// stderr.
int run_command_line(const AgentProgram& program, int argc, const char* const* argv);

}  // namespace sallyport::ops
