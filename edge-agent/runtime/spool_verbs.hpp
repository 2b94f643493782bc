// `edge-agent spool stats|ledger|cursors|verify|export`. None changes anything. The first three ask
// the running agent, or read its database where it does not run; the others read the segment files.
#pragma once

#include "common/ops/command_line.hpp"

namespace sallyport::edge_agent {

/// Gives the exit code: `verify` says storage where the log has holes that the ledger does not
/// explain. Throws config::ConfigFailure and ops::Failure.
int run_spool_verb(const ops::SpoolArguments& arguments);

}  // namespace sallyport::edge_agent
