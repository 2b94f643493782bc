#include "common/config/sections.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "common/base/identity.hpp"
#include "common/config/suggestion.hpp"

namespace sallyport::config {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kSocketPathBytesMax = 107;  // unix(7): sun_path with its final zero is 108
constexpr std::size_t kDestinationsMax = 16;
constexpr std::size_t kPatternBytesMax = 128;

constexpr std::array<Word<LogLevel>, 5> kLevels{{{"trace", LogLevel::trace},
                                                 {"debug", LogLevel::debug},
                                                 {"info", LogLevel::info},
                                                 {"warn", LogLevel::warn},
                                                 {"error", LogLevel::error}}};
constexpr std::array<Word<LogFormat>, 2> kFormats{
    {{"text", LogFormat::text}, {"json", LogFormat::json}}};

void read_destinations(Table& table, RelaySection& relay) {
    for (auto& name : table.texts("destinations")) {
        if (!is_agent_name(name))
            table.error("destinations", "holds " + in_quotes(name) +
                                            ", which is not the name of an it-agent, such as 'hq'");
        else if (std::ranges::find(relay.destinations, name) != relay.destinations.end())
            table.error("destinations", "names " + in_quotes(name) + " twice");
        else
            relay.destinations.push_back(std::move(name));
    }
    if (relay.destinations.size() > kDestinationsMax)
        table.error("destinations", "names more than " + std::to_string(kDestinationsMax));
}

void read_urls(Table& table, RelaySection& relay) {
    const auto urls = table.required_texts("urls");
    for (const auto& url : urls) {
        if (auto parsed = parse_relay_url(url))
            relay.urls.push_back(*std::move(parsed));
        else
            table.error("urls",
                        "holds " + in_quotes(url) + ", which is not of the form wss://host:port");
    }
    if (urls.size() > 1)
        table.error("urls", "names several relays: more than one relay url is not in this version");
}

bool is_agent_part(std::string_view text, bool wildcards) {
    std::string plain(text);
    if (wildcards) std::ranges::replace(plain, '*', 'x');
    // Runs of '*' may make a pattern longer than any name it matches.
    return base::is_valid_name(std::string_view(plain).substr(0, wildcards ? 63 : plain.size()));
}

bool is_agent_text(std::string_view text, bool wildcards) {
    if (text.size() > kPatternBytesMax) return false;
    const auto slash = text.find('/');
    if (slash == std::string_view::npos) return is_agent_part(text, wildcards);
    return is_agent_part(text.substr(0, slash), wildcards) &&
           is_agent_part(text.substr(slash + 1), wildcards);
}

}  // namespace

bool is_agent_name(std::string_view name) {
    return is_agent_text(name, false);
}
bool is_agent_pattern(std::string_view pattern) {
    return is_agent_text(pattern, true);
}

AgentSection read_agent(Document& document) {
    auto table = document.root().required_section("agent");
    AgentSection agent;
    agent.name = table.required_text("name");
    if (!agent.name.empty() && !base::is_valid_name(agent.name))
        table.error("name",
                    "must be of the form [a-z0-9][a-z0-9._-]{0,62}, not " + in_quotes(agent.name));
    const auto data_dir = table.text("data_dir", "data");
    if (data_dir.empty()) table.error("data_dir", "must not be empty");
    agent.data_dir = document.resolve(data_dir);
    return agent;
}

std::optional<TlsSection> read_tls(Document& document, bool required) {
    auto root = document.root();
    auto table = required ? root.required_section("tls") : root.section("tls");
    TlsSection tls;
    tls.ca = table.required_path("ca");
    tls.cert = table.required_path("cert");
    tls.key = table.required_path("key");
    table.not_in_this_version("crl");
    if (!table.present()) return std::nullopt;
    return tls;
}

std::optional<RelaySection> read_relay(Document& document, Destinations destinations) {
    auto table = document.root().section("relay");
    RelaySection relay;
    read_urls(table, relay);
    if (destinations == Destinations::allowed) read_destinations(table, relay);
    table.not_in_this_version("proxy");
    relay.ping = table.duration("ping", relay.ping, 100ms, 1h);
    relay.lost_after = table.duration("lost_after", relay.lost_after, 200ms, 24h);
    if (relay.lost_after < 2 * relay.ping)
        table.error("lost_after", "must be at least twice 'ping', or a quiet line counts as lost");
    if (!table.present()) return std::nullopt;
    return relay;
}

BrokerSection read_broker(Document& document) {
    auto table = document.root().section("broker");
    BrokerSection broker;
    const auto count = [&](std::string_view key, std::uint32_t& value, std::int64_t max) {
        value = static_cast<std::uint32_t>(table.integer(key, value, 1, max));
    };
    const auto bytes = [&](std::string_view key, std::uint32_t& value, std::uint64_t max) {
        value = static_cast<std::uint32_t>(table.size(key, value, 1U << 10U, max));
    };
    count("max_clients", broker.max_clients, 1'000'000);
    count("max_inflight", broker.max_inflight, 65'535);
    count("session_queue_messages", broker.session_queue_messages, 100'000'000);
    bytes("max_packet_bytes", broker.max_packet_bytes, 2U << 20U);
    bytes("session_queue_bytes", broker.session_queue_bytes, 1U << 30U);
    broker.retained_bytes =
        table.size("retained_bytes", broker.retained_bytes, 1U << 10U, 1ULL << 40U);
    // 65,535 s is what MQTT can say.
    const auto keep_alive = table.duration_or_off("max_keep_alive", 1s, 18h);
    if (table.has("max_keep_alive")) broker.max_keep_alive = keep_alive;
    if (broker.session_queue_bytes < broker.max_packet_bytes)
        table.error("session_queue_bytes", "must hold at least one packet of max_packet_bytes");
    table.not_in_this_version("users");
    table.not_in_this_version("acl");
    return broker;
}

std::optional<HttpSection> read_http(Document& document) {
    auto table = document.root().section("http");
    const auto text = table.required_text("address");
    for (const auto* key : {"token_file", "cert", "key"}) table.not_in_this_version(key);
    if (!table.present()) return std::nullopt;
    HttpSection http;
    if (const auto address = parse_endpoint(text))
        http.address = *address;
    else if (!text.empty())
        table.error("address",
                    "must be a numeric address and a port, such as \"127.0.0.1:9101\", not " +
                        in_quotes(text));
    if (http.address.port != 0 && !http.address.is_loopback)
        table.error(
            "address",
            "must be a loopback address: beyond loopback it would need token_file or TLS, which "
            "is not in this version");
    return http;
}

ControlSection read_control(Document& document, const AgentSection& agent) {
    auto table = document.root().section("control");
    ControlSection control;
    control.socket = table.path("socket");
    if (control.socket.empty()) control.socket = agent.data_dir + "/control.sock";
    if (control.socket.size() > kSocketPathBytesMax)
        table.error("socket",
                    "leads to a path longer than 107 bytes, which unix sockets cannot have: " +
                        control.socket);
    return control;
}

LogSection read_log(Document& document) {
    auto table = document.root().section("log");
    LogSection log;
    log.level = table.word<LogLevel>("level", kLevels, log.level);
    log.format = table.word<LogFormat>("format", kFormats, log.format);
    return log;
}

}  // namespace sallyport::config
