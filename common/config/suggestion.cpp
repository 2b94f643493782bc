#include "common/config/suggestion.hpp"

#include <algorithm>
#include <numeric>

namespace sallyport::config {
namespace {

constexpr std::size_t kDistanceMax = 2;
constexpr std::size_t kQuotedBytesMax = 64;
constexpr std::size_t kWordBytesMax = 64;  // no key is longer; keeps the table small

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i + 1;
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t substituted = diagonal + (a[i] == b[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({substituted, row[j] + 1, row[j + 1] + 1});
        }
    }
    return row[b.size()];
}

std::optional<std::string> nearest(std::string_view word,
                                   const std::vector<std::string>& candidates) {
    if (word.size() > kWordBytesMax) return std::nullopt;
    std::optional<std::string> best;
    std::size_t best_distance = kDistanceMax + 1;
    for (const auto& candidate : candidates) {
        const auto distance = edit_distance(word, candidate);
        // As many edits as letters is another word, not a slip of the finger.
        if (distance >= best_distance || distance >= std::min(word.size(), candidate.size()))
            continue;
        best = candidate;
        best_distance = distance;
    }
    return best;
}

std::string in_quotes(std::string_view text) {
    std::string out = "'";
    for (const char c : text.substr(0, kQuotedBytesMax)) {
        const auto byte = static_cast<unsigned char>(c);
        out += byte < 0x20U || byte == 0x7FU ? '?' : c;
    }
    if (text.size() > kQuotedBytesMax) out += "...";
    return out + "'";
}

}  // namespace sallyport::config
