// What is wrong with a configuration file: every finding of one reading, thrown once.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace sallyport::config {

struct ConfigError {
    std::string file;
    std::uint32_t line = 0;    // 1 is the first; 0: the file as a whole
    std::string text;          // one line: what, and what to do
    std::uint32_t column = 0;  // syntax errors only
};

/// "edge-agent.toml:12: unknown key 'adress' in [[listener]]: did you mean 'address'?"
std::string to_string(const ConfigError& error);

/// Thrown by Document::load() and Document::finish(), at start-up only. Never without an error in
/// it.
class ConfigFailure : public std::runtime_error {
public:
    explicit ConfigFailure(std::vector<ConfigError> errors);
    const std::vector<ConfigError>& errors() const { return errors_; }

private:
    std::vector<ConfigError> errors_;
};

}  // namespace sallyport::config
