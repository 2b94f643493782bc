// Runs the relay core: sockets and the service around it. Decides nothing, stores nothing.
#pragma once

#include <string>

namespace sallyport::dmz_relay {

/// Until SIGTERM; gives the exit code. Throws config::ConfigFailure, pki::PkiError and ops::Failure
/// when it cannot start.
int run_dmz_relay(const std::string& config_path);

}  // namespace sallyport::dmz_relay
