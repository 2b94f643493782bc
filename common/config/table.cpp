// Typed reading: every function remembers the key, checks type and range, and notes what is wrong.
#include <algorithm>
#include <utility>

#include "common/config/document.hpp"
#include "common/config/document_state.hpp"
#include "common/config/suggestion.hpp"
#include "common/config/units.hpp"

namespace sallyport::config {
namespace {

using detail::Asked;

const toml::node* ask(detail::TableState& table, std::string_view key, Asked kind) {
    table.asked.emplace(key, kind);
    return table.node == nullptr ? nullptr : table.node->get(key);
}

std::string join(std::span<const std::string_view> words) {
    std::string text;
    for (const auto word : words) text += (text.empty() ? "" : ", ") + std::string(word);
    return text;
}

/// True for what says "I do not use this".
bool is_as_good_as_absent(const toml::node& node) {
    if (const auto* text = node.as_string()) return text->get().empty() || text->get() == "off";
    if (const auto* flag = node.as_boolean()) return !flag->get();
    if (const auto* list = node.as_array()) return list->empty();
    return false;
}

}  // namespace

bool Table::present() const {
    return table_->node != nullptr;
}

bool Table::has(std::string_view key) const {
    return table_->node != nullptr && table_->node->contains(key);
}

const std::string& Table::title() const {
    return table_->title;
}

void Table::error(std::string_view key, std::string_view text) {
    const auto line = table_->node == nullptr ? 0 : detail::line_of(*table_->node, key);
    document_->add_error(line == 0 ? table_->line : line,
                         in_quotes(key) + " in " + table_->title + " " + std::string(text));
}

void Table::error(std::string_view text) {
    document_->add_error(table_->line, std::string(text));
}

std::optional<std::string> Table::maybe_text(std::string_view key) {
    const auto* node = ask(*table_, key, Asked::value);
    if (node == nullptr) return std::nullopt;
    if (const auto* value = node->as_string()) return value->get();
    error(key, "must be a text in quotes");
    return std::nullopt;
}

std::string Table::text(std::string_view key, std::string_view otherwise) {
    return maybe_text(key).value_or(std::string(otherwise));
}

std::string Table::required_text(std::string_view key) {
    auto value = maybe_text(key);
    if (present() && (!has(key) || (value && value->empty()))) error(key, "is missing");
    return value.value_or("");
}

bool Table::flag(std::string_view key, bool otherwise) {
    const auto* node = ask(*table_, key, Asked::value);
    if (node == nullptr) return otherwise;
    if (const auto* value = node->as_boolean()) return value->get();
    error(key, "must be true or false");
    return otherwise;
}

std::int64_t Table::integer(std::string_view key, std::int64_t otherwise, std::int64_t min,
                            std::int64_t max) {
    const auto* node = ask(*table_, key, Asked::value);
    if (node == nullptr) return otherwise;
    const auto* value = node->as_integer();
    if (value != nullptr && value->get() >= min && value->get() <= max) return value->get();
    error(key, "must be a whole number from " + std::to_string(min) + " to " + std::to_string(max));
    return otherwise;
}

std::vector<std::string> Table::texts(std::string_view key) {
    const auto* node = ask(*table_, key, Asked::value);
    if (node == nullptr) return {};
    std::vector<std::string> values;
    const auto* list = node->as_array();
    const bool good = list != nullptr && std::ranges::all_of(*list, [&](const toml::node& element) {
                          if (const auto* one = element.as_string()) values.push_back(one->get());
                          return element.is_string();
                      });
    if (good) return values;
    error(key, R"(must be a list of texts, such as ["one", "two"])");
    return {};
}

std::vector<std::string> Table::required_texts(std::string_view key) {
    auto values = texts(key);
    if (!present() || !values.empty()) return values;
    const auto* list = table_->node->get_as<toml::array>(key);
    if (!has(key) || (list != nullptr && list->empty())) error(key, "is missing or empty");
    return values;
}

base::Duration Table::duration(std::string_view key, base::Duration otherwise, base::Duration min,
                               base::Duration max) {
    const auto value = maybe_text(key);
    if (!value) return otherwise;
    const auto parsed = parse_duration(*value);
    if (parsed && *parsed >= min && *parsed <= max) return *parsed;
    error(key, R"(must be a duration such as "500ms", "2s", "1m" or "2h", from )" +
                   format_duration(min) + " to " + format_duration(max) + ", not " +
                   in_quotes(*value));
    return otherwise;
}

std::optional<base::Duration> Table::duration_or_off(std::string_view key, base::Duration min,
                                                     base::Duration max) {
    const auto value = maybe_text(key);
    if (!value || *value == "off") return std::nullopt;
    const auto parsed = parse_duration(*value);
    if (parsed && *parsed >= min && *parsed <= max) return parsed;
    error(key, R"(must be "off" or a duration such as "500ms", "2s", "1m" or "2h", from )" +
                   format_duration(min) + " to " + format_duration(max) + ", not " +
                   in_quotes(*value));
    return std::nullopt;
}

std::uint64_t Table::size(std::string_view key, std::uint64_t otherwise, std::uint64_t min,
                          std::uint64_t max) {
    const auto value = maybe_text(key);
    if (!value) return otherwise;
    const auto parsed = parse_size(*value);
    if (parsed && *parsed >= min && *parsed <= max) return *parsed;
    error(key, R"(must be a size such as "1000B", "32KiB", "64MiB" or "8GiB", from )" +
                   format_size(min) + " to " + format_size(max) + ", not " + in_quotes(*value));
    return otherwise;
}

std::optional<std::size_t> Table::word_index(std::string_view key,
                                             std::span<const std::string_view> all,
                                             std::span<const std::string_view> available) {
    const auto value = maybe_text(key);
    if (!value) return std::nullopt;
    const auto found = std::ranges::find(all, std::string_view(*value));
    if (found == all.end()) {
        std::string text = "must be one of " + join(all) + ", not " + in_quotes(*value);
        if (const auto guess = nearest(*value, {all.begin(), all.end()}))
            text += ": did you mean " + in_quotes(*guess) + "?";
        error(key, text);
        return std::nullopt;
    }
    if (std::ranges::find(available, *found) == available.end()) {
        error(key,
              "= " + in_quotes(*value) + " is not in this version, which has " + join(available));
        return std::nullopt;
    }
    return static_cast<std::size_t>(found - all.begin());
}

std::string Table::path(std::string_view key) {
    const auto value = maybe_text(key);
    return !value || value->empty() ? std::string() : document_->resolve(*value);
}

std::string Table::required_path(std::string_view key) {
    const auto value = required_text(key);
    return value.empty() ? std::string() : document_->resolve(value);
}

Table Table::section(std::string_view key) {
    const auto* node = ask(*table_, key, Asked::section);
    const auto title = detail::title_of(key, Asked::section);
    const auto line = node == nullptr ? 0 : detail::line_of(*table_->node, key);
    if (node != nullptr && !node->is_table())
        document_->add_error(line, in_quotes(key) + " must be one section, written " + title);
    return {*document_,
            document_->add_table(node == nullptr ? nullptr : node->as_table(), title, line)};
}

Table Table::required_section(std::string_view key) {
    auto table = section(key);
    if (!has(key))
        document_->add_error(table_->line, "the section " + table.title() + " is missing");
    return table;
}

std::vector<Table> Table::sections(std::string_view key) {
    const auto* node = ask(*table_, key, Asked::sections);
    if (node == nullptr) return {};
    const auto title = detail::title_of(key, Asked::sections);
    const auto* list = node->as_array();
    if (list == nullptr || (!list->empty() && !node->is_array_of_tables())) {
        document_->add_error(
            detail::line_of(*table_->node, key),
            in_quotes(key) + " may stand several times, so it is written " + title);
        return {};
    }
    std::vector<Table> tables;
    for (const auto& element : *list)
        tables.push_back(Table(*document_, document_->add_table(element.as_table(), title,
                                                                element.source().begin.line)));
    return tables;
}

void Table::not_in_this_version(std::string_view key) {
    const auto* node = ask(*table_, key, Asked::value);
    if (node == nullptr || is_as_good_as_absent(*node)) return;
    if (!table_->is_root) return error(key, "is not in this version");
    document_->add_error(detail::line_of(*table_->node, key),
                         detail::title_of(key, detail::kind_of(*node)) + " is not in this version");
}

}  // namespace sallyport::config
