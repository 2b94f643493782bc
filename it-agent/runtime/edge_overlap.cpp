#include "it-agent/runtime/edge_overlap.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace sallyport::it_agent {
namespace {

/// The agent's own plant, whose name only its certificate tells: it may be any plant that a file
/// names.
constexpr std::string_view kOwnPlant = "*";
constexpr std::string_view kPlant = "{plant}";
constexpr std::string_view kEdge = "{edge}";

struct NamePattern {
    std::string_view plant, edge;
    bool own_plant = false;
};

NamePattern split(std::string_view name) {
    const auto slash = name.find('/');
    if (slash == std::string_view::npos) return {kOwnPlant, name, true};
    return {name.substr(0, slash), name.substr(slash + 1), false};
}

bool contains(std::string_view text, std::string_view what) {
    return text.find(what) != std::string_view::npos;
}

/// One and the same name, not a pattern of several.
bool is_same_literal(std::string_view a, std::string_view b) {
    return a == b && !contains(a, "*");
}

bool is_same_plant(const NamePattern& a, const NamePattern& b) {
    return (a.own_plant && b.own_plant) ||
           (!a.own_plant && !b.own_plant && is_same_literal(a.plant, b.plant));
}

/// Names hold no '/', so only that between two placeholders says where one ends.
bool are_placeholders_apart(std::string_view prefix) {
    const auto plant = prefix.find(kPlant);
    const auto edge = prefix.find(kEdge);
    const auto first = std::min(plant, edge);
    const auto second = std::max(plant, edge);
    return contains(prefix.substr(first, second - first), "/");
}

std::string replaced(std::string text, std::string_view what, std::string_view by) {
    for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
        text.replace(at, what.size(), by);
    return text;
}

/// All expansions of a prefix as one pattern.
std::string expansions(const EdgeSection& section) {
    const auto name = split(section.name);
    return replaced(replaced(section.prefix, kPlant, name.plant), kEdge, name.edge);
}

}  // namespace

bool patterns_intersect(std::string_view a, std::string_view b) {
    // reachable[j]: the first i characters of `a` and the first j of `b` can match one text.
    std::vector<bool> reachable(b.size() + 1, false);
    reachable[0] = true;
    for (std::size_t j = 0; j < b.size() && b[j] == '*'; ++j) reachable[j + 1] = true;
    for (const char c : a) {
        std::vector<bool> next(b.size() + 1, false);
        next[0] = c == '*' && reachable[0];
        for (std::size_t j = 0; j < b.size(); ++j) {
            const bool both_end = reachable[j] && c == b[j];
            const bool star_in_a = c == '*' && (reachable[j + 1] || (next[j] && b[j] != '/'));
            const bool star_in_b = b[j] == '*' && (next[j] || (reachable[j + 1] && c != '/'));
            next[j + 1] = both_end || star_in_a || star_in_b;
        }
        reachable = std::move(next);
    }
    return reachable[b.size()];
}

bool can_emit_one_topic(const EdgeSection& a, const EdgeSection& b) {
    const auto first = split(a.name);
    const auto second = split(b.name);
    const bool same_plant = is_same_plant(first, second);
    const bool same_name = is_same_literal(first.edge, second.edge);
    if (same_plant && same_name) return false;  // one edge; the earlier section decides on it
    if (a.prefix == b.prefix) {
        const bool tells_plant = same_plant || contains(a.prefix, kPlant);
        const bool tells_name = same_name || contains(a.prefix, kEdge);
        const bool unambiguous = same_plant || same_name || are_placeholders_apart(a.prefix);
        // Equal expansions then come from equal names, which is one edge again.
        if (tells_plant && tells_name && unambiguous) return false;
    }
    return patterns_intersect(expansions(a), expansions(b));
}

}  // namespace sallyport::it_agent
