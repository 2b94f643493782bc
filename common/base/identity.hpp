// Who an agent is: the one URI SAN of its certificate, `sallyport://<plant>/<role>/<name>`.
// Common names and fingerprints are never identities.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sallyport::base {

/// What a certificate may be used for. The tunnel accepts edge, relay and it; `server` is a
/// listener's certificate, `client` a device's.
enum class Role { edge, relay, it, server, client };

std::string_view to_string(Role role);
std::optional<Role> parse_role(std::string_view text);

/// True for `[a-z0-9][a-z0-9._-]{0,62}`, the form of plants and names.
bool is_valid_name(std::string_view name);

struct Identity {
    std::string plant;
    Role role = Role::client;
    std::string name;

    friend bool operator==(const Identity&, const Identity&) = default;
};

/// "sallyport://acme/edge/line3". Nothing where the text is not exactly of that form.
std::optional<Identity> parse_identity_uri(std::string_view uri);
std::string to_uri(const Identity& identity);

/// "acme/line3": how an edge is named in topics, routes and logs.
std::string qualified_name(const Identity& identity);

/// Matches `<plant>/<name>` against a pattern in which `*` stands for any run of characters but
/// '/'. A pattern without '/' means `own_plant`.
bool matches_name_pattern(std::string_view pattern, std::string_view own_plant,
                          const Identity& identity);

}  // namespace sallyport::base
