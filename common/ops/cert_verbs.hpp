// `cert request | install | inspect`: what an operator does with an agent's certificate. Keys are
// made where they are used and never leave: request, sign elsewhere, install.
#pragma once

#include <string>

#include "common/ops/command_line.hpp"

namespace sallyport::ops {

/// Each prints what it did and what to do next, and gives the exit code; throws pki::PkiError or
/// Failure.
int cert_request(const AgentProgram& program, const std::string& name, const std::string& key_path,
                 const std::string& request_path);
int cert_install(const AgentProgram& program, const std::string& config_path,
                 const std::string& cert_path, const std::string& ca_path);
int cert_inspect(const std::string& path);

}  // namespace sallyport::ops
