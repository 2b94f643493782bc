// What a Document holds, for document.cpp and table.cpp alone: toml++ stays behind these two.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <toml++/toml.h>

#include "common/config/config_error.hpp"

namespace sallyport::config::detail {

/// How a key was asked for, which is how a suggestion writes it.
enum class Asked { value, section, sections };

struct TableState {
    const toml::table* node = nullptr;  // null: absent from the file
    std::string title;
    std::uint32_t line = 0;
    bool is_root = false;
    std::map<std::string, Asked, std::less<>> asked;
};

struct DocumentState {
    std::string file;
    toml::table root;
    std::vector<std::unique_ptr<TableState>> tables;  // the first is the root
    std::map<const toml::table*, TableState*> by_node;
    std::vector<ConfigError> errors;

    /// A table that was asked for before is the same table, with the keys asked for then.
    TableState& add_table(const toml::table* node, std::string title, std::uint32_t line);
    void add_error(std::uint32_t line, std::string text);
    std::string resolve(std::string_view path) const;
};

/// The line on which `key` stands in `table`; 0 where it does not.
std::uint32_t line_of(const toml::table& table, std::string_view key);
/// "[name]", "[[name]]" or "'name'".
std::string title_of(std::string_view name, Asked kind);
Asked kind_of(const toml::node& node);

}  // namespace sallyport::config::detail
