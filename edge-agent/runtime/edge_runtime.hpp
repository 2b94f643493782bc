// Runs the edge core: sockets, the storage thread, the service around it. Decides nothing.
#pragma once

#include <string>

namespace sallyport::edge_agent {

/// Until SIGTERM; gives the exit code. Throws config::ConfigFailure, pki::PkiError and ops::Failure
/// when it cannot start.
int run_edge_agent(const std::string& config_path);

}  // namespace sallyport::edge_agent
