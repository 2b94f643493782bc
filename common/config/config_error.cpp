#include "common/config/config_error.hpp"

#include "common/base/assert.hpp"

namespace sallyport::config {
namespace {

std::string join(const std::vector<ConfigError>& errors) {
    SALLYPORT_ASSERT(!errors.empty());
    std::string text;
    for (const auto& error : errors) {
        if (!text.empty()) text += '\n';
        text += to_string(error);
    }
    return text;
}

}  // namespace

std::string to_string(const ConfigError& error) {
    std::string place = error.file;
    if (error.line != 0) place += ':' + std::to_string(error.line);
    if (error.column != 0) place += ':' + std::to_string(error.column);
    return place + ": " + error.text;
}

ConfigFailure::ConfigFailure(std::vector<ConfigError> errors)
    : std::runtime_error(join(errors)), errors_(std::move(errors)) {}

}  // namespace sallyport::config
