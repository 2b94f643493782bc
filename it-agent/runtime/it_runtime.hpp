// Runs the it core: sockets, the storage thread, the service around it. Decides nothing.
#pragma once

#include <string>

namespace sallyport::it_agent {

/// Until SIGTERM; gives the exit code. Throws config::ConfigFailure, pki::PkiError and ops::Failure
/// when it cannot start.
int run_it_agent(const std::string& config_path);

}  // namespace sallyport::it_agent
