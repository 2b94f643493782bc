// How a program ends, the same for all agents, so that scripts can rely on it; and the error that
// says so at start-up.
#pragma once

#include <stdexcept>
#include <string>

namespace sallyport::ops {

enum class ExitCode : int {
    ok = 0,
    failure = 1,
    usage = 2,
    configuration = 3,
    identity = 4,
    unreachable = 5,
    denied = 6,
    storage = 7,
};
constexpr int to_int(ExitCode code) {
    return static_cast<int>(code);
}

/// What ends a program: what went wrong, where, and what to do. Thrown at start-up and by command
/// line verbs only; run_command_line() prints it and ends with its code.
class Failure : public std::runtime_error {
public:
    Failure(ExitCode code, const std::string& text) : std::runtime_error(text), code_(code) {}
    ExitCode code() const { return code_; }

private:
    ExitCode code_;
};

}  // namespace sallyport::ops
