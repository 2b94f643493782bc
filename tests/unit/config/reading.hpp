// Helpers of these tests: a document from text, and what finish() has to say.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/config/document.hpp"

namespace sallyport::config {

inline Document parsed(std::string_view text) {
    return Document::parse(text, "etc/test.toml");
}

/// The errors as people see them; empty where finish() is content.
inline std::vector<std::string> findings(Document& document) {
    std::vector<std::string> lines;
    try {
        document.finish();
    } catch (const ConfigFailure& failure) {
        for (const auto& error : failure.errors()) lines.push_back(to_string(error));
    }
    return lines;
}

}  // namespace sallyport::config
