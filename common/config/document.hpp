// One TOML file being read. Reading is typed and forgiving: what is wrong is noted with its line
// and reading goes on with the default, so that one run shows every mistake. finish() throws them
// together.
//
//     auto document = Document::load(path);              // throws: unreadable, or not TOML
//     auto agent = document.root().required_section("agent");
//     config.name = agent.required_text("name");
//     document.finish();                                 // throws: anything wrong, or never asked
//     for
//
// Every table remembers the keys it was asked for, present or not: what stands in the file beside
// them is an unknown key, and they are what a suggestion is chosen from. So a reader asks for all
// its keys, whatever it finds.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/time.hpp"
#include "common/config/config_error.hpp"

namespace sallyport::config {

namespace detail {
struct DocumentState;
struct TableState;
}  // namespace detail

constexpr std::size_t kConfigFileBytesMax = 1U << 20U;

/// A word a key may have. Without a value it is one that this version knows of but does not have.
template <class E>
struct Word {
    std::string_view text;
    std::optional<E> value;
};

/// One table of the file, or the absence of one: reading from an absent table gives the defaults. A
/// light handle, valid as long as its Document.
class Table {
public:
    bool present() const;
    bool has(std::string_view key) const;
    /// As people write it: "[agent]", "[[listener]]".
    const std::string& title() const;

    // Values. The wrong type, or a value out of range, is an error and gives `otherwise`; a
    // required key that is missing from a present table is an error and gives an empty value.
    std::string text(std::string_view key, std::string_view otherwise);
    std::string required_text(std::string_view key);
    bool flag(std::string_view key, bool otherwise);
    std::int64_t integer(std::string_view key, std::int64_t otherwise, std::int64_t min,
                         std::int64_t max);
    std::vector<std::string> texts(std::string_view key);
    std::vector<std::string> required_texts(std::string_view key);
    base::Duration duration(std::string_view key, base::Duration otherwise, base::Duration min,
                            base::Duration max);
    /// "off" gives nothing; so does an absent key.
    std::optional<base::Duration> duration_or_off(std::string_view key, base::Duration min,
                                                  base::Duration max);
    std::uint64_t size(std::string_view key, std::uint64_t otherwise, std::uint64_t min,
                       std::uint64_t max);
    template <class E>
    E word(std::string_view key, std::span<const Word<E>> words, E otherwise);
    /// A file's path, relative to the folder of the configuration file unless absolute. Empty where
    /// the key is absent or empty.
    std::string path(std::string_view key);
    std::string required_path(std::string_view key);

    // Tables within.
    Table section(std::string_view key);
    Table required_section(std::string_view key);
    std::vector<Table> sections(std::string_view key);

    /// A key or section of a later version: an error, unless its value is as good as absent (empty
    /// text or list, false, "off").
    void not_in_this_version(std::string_view key);

    /// Notes an error in the line of `key`, or of the table where the key is absent. The text is
    /// put behind "'key' in [section] ".
    void error(std::string_view key, std::string_view text);
    /// Notes an error in the table's own line, text as it is.
    void error(std::string_view text);

private:
    friend class Document;
    Table(detail::DocumentState& document, detail::TableState& table)
        : document_(&document), table_(&table) {}

    std::optional<std::string> maybe_text(std::string_view key);
    std::optional<std::size_t> word_index(std::string_view key,
                                          std::span<const std::string_view> all,
                                          std::span<const std::string_view> available);

    detail::DocumentState* document_;
    detail::TableState* table_;
};

/// The file. Not for use by several threads.
class Document {
public:
    /// Throws ConfigFailure where the file cannot be read (with errno's text) or is not TOML (with
    /// line and column).
    static Document load(const std::string& path);
    /// `file` names the text in errors, and its folder is where relative paths begin.
    static Document parse(std::string_view text, const std::string& file);
    Document(Document&&) noexcept;
    ~Document();

    Table root();
    /// `path` as seen from the folder of the file.
    std::string resolve(std::string_view path) const;
    /// Adds an error for whatever was never asked for, then throws ConfigFailure if there is any
    /// error, in the order of their lines.
    void finish();

private:
    explicit Document(std::unique_ptr<detail::DocumentState> state);
    std::unique_ptr<detail::DocumentState> state_;
};

template <class E>
E Table::word(std::string_view key, std::span<const Word<E>> words, E otherwise) {
    std::vector<std::string_view> all, available;
    for (const auto& one : words) {
        all.push_back(one.text);
        if (one.value) available.push_back(one.text);
    }
    const auto index = word_index(key, all, available);
    return index ? *words[*index].value : otherwise;
}

}  // namespace sallyport::config
