// What a JSON text (RFC 8259) holds at the places that JSON Pointers (RFC 6901) name, as it stands
// there: no value is made of it, so nothing is allocated and no number loses a digit.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::record {

/// Longer or deeper texts count as no JSON.
constexpr std::size_t kJsonBytesMax = 256U << 10U;
constexpr std::size_t kJsonDepthMax = 32;

/// The names and indices from the whole text to a value in it: "/data/0/value"; "" is the whole.
class JsonPointer {
public:
    static constexpr std::size_t kTokensMax = kJsonDepthMax;

    /// Nothing where it neither is empty nor begins with '/', a '~' is not followed by 0 or 1, or
    /// it is longer than any text may be deep.
    static std::optional<JsonPointer> parse(std::string_view text);

    std::size_t size() const { return tokens_.size(); }
    /// Whether the `depth`-th token (from 0) is this name of an object's member, unescaped.
    bool names(std::size_t depth, std::string_view member) const {
        return tokens_[depth].name == member;
    }
    bool names(std::size_t depth, std::size_t element) const {
        return tokens_[depth].index == element;
    }

private:
    struct Token {
        std::string name;
        std::optional<std::size_t> index;  // the name as an array's index, where it is one
    };
    std::vector<Token> tokens_;
};

/// Whether the text is JSON, all of it, in UTF-8 and within the limits above.
bool is_json(std::string_view text);

/// The value at one place: empty where there is none. Strings with their quotes.
struct JsonFound {
    std::string_view text;
    /// A name on the way stands twice in its object: which value is meant, nobody can say.
    bool is_ambiguous = false;
};

/// Looks for all places at once, at most 32. `json` must be JSON (is_json); `found` has the
/// pointers' order and size.
void find_in_json(std::string_view json, std::span<const JsonPointer> pointers,
                  std::span<JsonFound> found);

/// Text, number or what else a piece of JSON is, by its first character.
constexpr bool is_json_string(std::string_view piece) {
    return piece.starts_with('"');
}
constexpr bool is_json_number(std::string_view piece) {
    return !piece.empty() && (piece[0] == '-' || (piece[0] >= '0' && piece[0] <= '9'));
}

/// Appends `text`, which must be UTF-8, as a JSON string with its quotes.
void append_json_string(std::string& out, std::string_view text);

}  // namespace sallyport::record
