#include "common/base/identity.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace sallyport::base {
namespace {

constexpr std::string_view kScheme = "sallyport://";
constexpr std::size_t kNameLengthMax = 63;
constexpr std::array<std::pair<Role, std::string_view>, 5> kRoles{{{Role::edge, "edge"},
                                                                   {Role::relay, "relay"},
                                                                   {Role::it, "it"},
                                                                   {Role::server, "server"},
                                                                   {Role::client, "client"}}};

/// Iterative glob: linear in the text for each star, so a hostile pattern cannot blow up.
bool matches_glob(std::string_view pattern, std::string_view text) {
    std::size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            resume = t;
        } else if (p < pattern.size() && pattern[p] == text[t]) {
            ++p, ++t;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            t = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') ++p;
    return p == pattern.size();
}

}  // namespace

std::string_view to_string(Role role) {
    for (const auto& [value, text] : kRoles)
        if (value == role) return text;
    return "?";
}

std::optional<Role> parse_role(std::string_view text) {
    for (const auto& [value, name] : kRoles)
        if (name == text) return value;
    return std::nullopt;
}

bool is_valid_name(std::string_view name) {
    const auto alphanumeric = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    };
    if (name.empty() || name.size() > kNameLengthMax || !alphanumeric(name.front())) return false;
    return std::ranges::all_of(
        name, [&](char c) { return alphanumeric(c) || c == '.' || c == '_' || c == '-'; });
}

std::optional<Identity> parse_identity_uri(std::string_view uri) {
    if (!uri.starts_with(kScheme)) return std::nullopt;
    uri.remove_prefix(kScheme.size());
    const auto first = uri.find('/');
    const auto last = uri.rfind('/');
    if (first == std::string_view::npos || first == last) return std::nullopt;
    const auto plant = uri.substr(0, first);
    const auto role = parse_role(uri.substr(first + 1, last - first - 1));
    const auto name = uri.substr(last + 1);
    if (!is_valid_name(plant) || !role || !is_valid_name(name)) return std::nullopt;
    return Identity{std::string(plant), *role, std::string(name)};
}

std::string to_uri(const Identity& identity) {
    return std::string(kScheme) + identity.plant + '/' + std::string(to_string(identity.role)) +
           '/' + identity.name;
}

std::string qualified_name(const Identity& identity) {
    return identity.plant + '/' + identity.name;
}

bool matches_name_pattern(std::string_view pattern, std::string_view own_plant,
                          const Identity& identity) {
    const auto slash = pattern.find('/');
    if (slash == std::string_view::npos)
        return identity.plant == own_plant && matches_glob(pattern, identity.name);
    return matches_glob(pattern.substr(0, slash), identity.plant) &&
           matches_glob(pattern.substr(slash + 1), identity.name);
}

}  // namespace sallyport::base
