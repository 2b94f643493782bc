#include "common/record/json_text.hpp"

#include <charconv>

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/static_resource.hpp>
#include <boost/json/value.hpp>

#include "common/base/assert.hpp"

namespace sallyport::record {
namespace {

namespace json = boost::json;

/// Takes every event and keeps nothing: the parser alone judges.
struct Silent {
    static constexpr std::size_t max_object_size = kJsonBytesMax;
    static constexpr std::size_t max_array_size = kJsonBytesMax;
    static constexpr std::size_t max_key_size = kJsonBytesMax;
    static constexpr std::size_t max_string_size = kJsonBytesMax;
    using Error = json::error_code;
    using Text = json::string_view;

    bool on_document_begin(Error&) { return true; }
    bool on_document_end(Error&) { return true; }
    bool on_object_begin(Error&) { return true; }
    bool on_object_end(std::size_t, Error&) { return true; }
    bool on_array_begin(Error&) { return true; }
    bool on_array_end(std::size_t, Error&) { return true; }
    bool on_key_part(Text, std::size_t, Error&) { return true; }
    bool on_key(Text, std::size_t, Error&) { return true; }
    bool on_string_part(Text, std::size_t, Error&) { return true; }
    bool on_string(Text, std::size_t, Error&) { return true; }
    bool on_number_part(Text, Error&) { return true; }
    bool on_int64(std::int64_t, Text, Error&) { return true; }
    bool on_uint64(std::uint64_t, Text, Error&) { return true; }
    bool on_double(double, Text, Error&) { return true; }
    bool on_bool(bool, Error&) { return true; }
    bool on_null(Error&) { return true; }
    bool on_comment_part(Text, Error&) { return true; }
    bool on_comment(Text, Error&) { return true; }
};

constexpr std::string_view kSpace = " \t\r\n";

/// Walks a text that is known to be JSON. Pointers are bits of a set: those whose way leads here.
class Search {
public:
    using Set = std::uint32_t;

    Search(std::string_view json, std::span<const JsonPointer> pointers, std::span<JsonFound> found)
        : json_(json), pointers_(pointers), found_(found) {}

    void run() {
        skip_space();
        const auto count = pointers_.size();
        value(count == kMost ? ~Set{0} : (Set{1} << count) - 1, 0);
    }

    static constexpr std::size_t kMost = 32;

private:
    template <class Wanted>
    Set those_of(Set set, const Wanted& wanted) const {
        Set chosen = 0;
        for (std::size_t i = 0; i < pointers_.size(); ++i)
            if ((set >> i & 1U) != 0 && wanted(pointers_[i])) chosen |= Set{1} << i;
        return chosen;
    }

    /// `depth` tokens led here. Recursion ends where no pointer goes on, so at kTokensMax.
    void value(Set here, std::size_t depth) {
        const auto start = at_;
        const auto deeper =
            here == 0 ? 0 : those_of(here, [&](const auto& each) { return each.size() > depth; });
        if (deeper != 0 && json_[at_] == '{')
            object(deeper, depth);
        else if (deeper != 0 && json_[at_] == '[')
            array(deeper, depth);
        else
            skip_value();
        const auto ends = here & ~deeper;
        for (std::size_t i = 0; ends >> i != 0 && i < pointers_.size(); ++i)
            if ((ends >> i & 1U) != 0) found_[i].text = json_.substr(start, at_ - start);
    }

    void object(Set here, std::size_t depth) {
        Set seen = 0;
        for (++at_; next_is_not('}');) {
            const auto start = at_;
            skip_string();
            const auto on = named(here, depth, json_.substr(start + 1, at_ - start - 2));
            for (std::size_t i = 0; i < pointers_.size(); ++i)
                if ((on & seen) >> i & 1U) found_[i].is_ambiguous = true;
            seen |= on;
            skip_space();
            ++at_;  // ':'
            skip_space();
            value(on, depth + 1);
        }
    }

    void array(Set here, std::size_t depth) {
        std::size_t index = 0;
        for (++at_; next_is_not(']'); ++index)
            value(those_of(here, [&](const auto& each) { return each.names(depth, index); }),
                  depth + 1);
    }

    /// Goes to the next member or element, over a comma; at the end, over the bracket.
    bool next_is_not(char end) {
        skip_space();
        if (json_[at_] == ',') {
            ++at_;
            skip_space();
        }
        if (json_[at_] != end) return true;
        ++at_;
        return false;
    }

    Set named(Set here, std::size_t depth, std::string_view raw) const {
        const auto by = [&](std::string_view name) {
            return those_of(here, [&](const auto& each) { return each.names(depth, name); });
        };
        if (raw.find('\\') == std::string_view::npos) return by(raw);
        unsigned char memory[2048];
        json::static_resource resource(memory);
        try {  // a longer name than the memory holds is nobody's
            const auto name = json::parse({raw.data() - 1, raw.size() + 2}, &resource);
            const auto& text = name.get_string();
            return by({text.data(), text.size()});
        } catch (const std::bad_alloc&) {
            return 0;
        }
    }

    void skip_space() {
        const auto next = json_.find_first_not_of(kSpace, at_);
        at_ = next == std::string_view::npos ? json_.size() : next;
    }
    void skip_string() {
        for (++at_; json_[at_] != '"'; ++at_)
            if (json_[at_] == '\\') ++at_;
        ++at_;
    }
    void skip_value() {
        std::size_t open = 0;
        do {
            const char c = json_[at_];
            if (c == '"') {
                skip_string();
            } else if (c == '{' || c == '[') {
                ++open;
                ++at_;
            } else if (c == '}' || c == ']') {
                --open;
                ++at_;
            } else {
                // A number or a word; within brackets also what stands between values.
                const auto end = json_.find_first_of(open == 0 ? ",]} \t\r\n" : "\"[]{}", at_ + 1);
                at_ = end == std::string_view::npos ? json_.size() : end;
            }
        } while (open > 0);
    }

    std::string_view json_;
    std::span<const JsonPointer> pointers_;
    std::span<JsonFound> found_;
    std::size_t at_ = 0;
};

/// The token with ~1 as '/' and ~0 as '~' (RFC 6901, section 4); nothing for another '~'.
std::optional<std::string> unescaped(std::string_view token) {
    std::string name;
    for (std::size_t i = 0; i < token.size(); ++i) {
        if (token[i] != '~') {
            name += token[i];
            continue;
        }
        ++i;
        if (i == token.size() || (token[i] != '0' && token[i] != '1')) return std::nullopt;
        name += token[i] == '0' ? '~' : '/';
    }
    return name;
}

/// As section 4 has it: digits without leading zeros.
std::optional<std::size_t> index_of(std::string_view name) {
    std::size_t index = 0;
    const auto [rest, error] = std::from_chars(name.data(), name.data() + name.size(), index);
    if (error != std::errc{} || rest != name.data() + name.size() ||
        (name.size() > 1 && name[0] == '0'))
        return std::nullopt;
    return index;
}

}  // namespace

std::optional<JsonPointer> JsonPointer::parse(std::string_view text) {
    JsonPointer pointer;
    while (!text.empty()) {
        if (text[0] != '/' || pointer.tokens_.size() == kTokensMax) return std::nullopt;
        text.remove_prefix(1);
        const auto token = text.substr(0, text.find('/'));
        auto name = unescaped(token);
        if (!name) return std::nullopt;
        const auto index = index_of(*name);
        pointer.tokens_.push_back({std::move(*name), index});
        text.remove_prefix(token.size());
    }
    return pointer;
}

bool is_json(std::string_view text) {
    if (text.empty() || text.size() > kJsonBytesMax) return false;
    json::parse_options options;
    options.max_depth = kJsonDepthMax;
    json::basic_parser<Silent> parser(options);
    json::error_code error;
    const auto read = parser.write_some(false, text.data(), text.size(), error);
    return !error && read == text.size();
}

void find_in_json(std::string_view json, std::span<const JsonPointer> pointers,
                  std::span<JsonFound> found) {
    SALLYPORT_ASSERT(pointers.size() <= Search::kMost && pointers.size() == found.size());
    Search(json, pointers, found).run();
}

void append_json_string(std::string& out, std::string_view text) {
    constexpr std::string_view kHex = "0123456789abcdef";
    out += '"';
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (byte < 0x20) {
            out += "\\u00";
            out += kHex[byte >> 4U];
            out += kHex[byte & 0xFU];
        } else {
            out += c;
        }
    }
    out += '"';
}

}  // namespace sallyport::record
