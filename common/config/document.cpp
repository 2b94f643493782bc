#include "common/config/document.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <map>
#include <system_error>
#include <unistd.h>
#include <utility>

#include "common/config/document_state.hpp"
#include "common/config/suggestion.hpp"

namespace sallyport::config {
namespace detail {

TableState& DocumentState::add_table(const toml::table* node, std::string title,
                                     std::uint32_t line) {
    if (const auto known = by_node.find(node); known != by_node.end()) return *known->second;
    tables.push_back(std::make_unique<TableState>());
    auto& table = *tables.back();
    table.node = node;
    table.title = std::move(title);
    table.line = line;
    if (node != nullptr) by_node.emplace(node, &table);
    return table;
}

void DocumentState::add_error(std::uint32_t line, std::string text) {
    errors.push_back({file, line, std::move(text)});
}

std::string DocumentState::resolve(std::string_view path) const {
    return (std::filesystem::path(file).parent_path() / path).lexically_normal().string();
}

std::uint32_t line_of(const toml::table& table, std::string_view key) {
    const auto found = table.find(key);
    return found == table.end() ? 0 : found->first.source().begin.line;
}

std::string title_of(std::string_view name, Asked kind) {
    switch (kind) {
        case Asked::value: return in_quotes(name);
        case Asked::section: return "[" + std::string(name) + "]";
        case Asked::sections: return "[[" + std::string(name) + "]]";
    }
    return {};
}

Asked kind_of(const toml::node& node) {
    if (node.is_table()) return Asked::section;
    return node.is_array_of_tables() ? Asked::sections : Asked::value;
}

}  // namespace detail

namespace {

/// Closes the descriptor; nothing else owns it.
class OpenFile {
public:
    explicit OpenFile(const std::string& path)
        : descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
    OpenFile(const OpenFile&) = delete;
    OpenFile& operator=(const OpenFile&) = delete;
    ~OpenFile() {
        if (descriptor_ >= 0) ::close(descriptor_);
    }
    int descriptor() const { return descriptor_; }

private:
    int descriptor_;
};

[[noreturn]] void fail(const std::string& file, std::string text) {
    throw ConfigFailure({{file, 0, std::move(text)}});
}

[[noreturn]] void fail_to_read(const std::string& path, int error) {
    fail(path, "cannot read the configuration file: " + std::generic_category().message(error));
}

std::string read_file(const std::string& path) {
    const OpenFile file(path);
    if (file.descriptor() < 0) fail_to_read(path, errno);
    std::string text;
    std::array<char, 16384> chunk{};
    while (text.size() <= kConfigFileBytesMax) {
        const auto got = ::read(file.descriptor(), chunk.data(), chunk.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) fail_to_read(path, errno);
        if (got == 0) return text;
        text.append(chunk.data(), static_cast<std::size_t>(got));
    }
    fail(path, "the configuration file is larger than 1 MiB");
}

/// What stands in `table` but was never asked for.
void report_unknown(detail::DocumentState& document, const detail::TableState& table) {
    std::vector<std::string> candidates;
    candidates.reserve(table.asked.size());
    for (const auto& [key, kind] : table.asked) candidates.push_back(key);
    for (const auto& [key, node] : *table.node) {
        if (table.asked.contains(key.str())) continue;
        const auto kind = detail::kind_of(node);
        std::string text = "unknown ";
        if (!table.is_root)
            text += "key " + in_quotes(key.str()) + " in " + table.title;
        else if (kind == detail::Asked::value)
            text += "key " + in_quotes(key.str()) + " outside of any section";
        else
            text += "section " + detail::title_of(key.str(), kind);
        if (const auto guess = nearest(key.str(), candidates))
            text += ": did you mean " + detail::title_of(*guess, table.asked.at(*guess)) + "?";
        document.add_error(key.source().begin.line, std::move(text));
    }
}

}  // namespace

Document::Document(std::unique_ptr<detail::DocumentState> state) : state_(std::move(state)) {}
Document::Document(Document&&) noexcept = default;
Document::~Document() = default;

Document Document::load(const std::string& path) {
    return parse(read_file(path), path);
}

Document Document::parse(std::string_view text, const std::string& file) {
    auto state = std::make_unique<detail::DocumentState>();
    state->file = file;
    try {
        state->root = toml::parse(text, std::string_view(file));
    } catch (const toml::parse_error& error) {
        const auto& at = error.source().begin;
        throw ConfigFailure({{file, at.line, std::string(error.description()), at.column}});
    }
    state->add_table(&state->root, "the file", 0).is_root = true;
    return Document(std::move(state));
}

Table Document::root() {
    return {*state_, *state_->tables.front()};
}

std::string Document::resolve(std::string_view path) const {
    return state_->resolve(path);
}

void Document::finish() {
    for (const auto& table : state_->tables)
        if (table->node != nullptr) report_unknown(*state_, *table);
    if (state_->errors.empty()) return;
    // Errors of one line stay in the order in which they were found.
    std::multimap<std::uint32_t, ConfigError> by_line;
    for (auto& error : std::exchange(state_->errors, {})) by_line.emplace(error.line, error);
    std::vector<ConfigError> errors;
    errors.reserve(by_line.size());
    for (auto& [line, error] : by_line) errors.push_back(std::move(error));
    throw ConfigFailure(std::move(errors));
}

}  // namespace sallyport::config
