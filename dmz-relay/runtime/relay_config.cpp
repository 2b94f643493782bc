#include "dmz-relay/runtime/relay_config.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "common/config/suggestion.hpp"
#include "common/mqtt/topic.hpp"

namespace sallyport::dmz_relay {
namespace {

using config::Document;
using config::Table;
using config::Word;

constexpr std::array<Word<ListenerRole>, 3> kRoles{
    {{"any", ListenerRole::any}, {"edge", ListenerRole::edge}, {"it", ListenerRole::it}}};

TunnelListenerSection read_listener(Table& table) {
    TunnelListenerSection listener;
    const auto text = table.required_text("address");
    if (const auto address = config::parse_endpoint(text))
        listener.address = *address;
    else if (!text.empty())
        table.error("address",
                    "must be a numeric address and a port, such as \"10.20.0.5:8443\", not " +
                        config::in_quotes(text));
    listener.role = table.word<ListenerRole>("role", kRoles, ListenerRole::any);
    return listener;
}

std::vector<TunnelListenerSection> read_listeners(Document& document) {
    std::vector<TunnelListenerSection> listeners;
    for (auto& table : document.root().sections("listener")) {
        const auto listener = read_listener(table);
        for (const auto& other : listeners)
            if (listener.address.port != 0 && config::overlap(listener.address, other.address))
                table.error("address", "is taken by the [[listener]] " + other.address.text());
        listeners.push_back(listener);
    }
    if (!document.root().has("listener"))
        document.root().error("no [[listener]]: no agent could connect to this relay");
    return listeners;
}

std::string read_pattern(Table& table, std::string_view key) {
    auto pattern = table.required_text(key);
    if (!pattern.empty() && !config::is_agent_pattern(pattern))
        table.error(key, "must be a name or a pattern such as 'line*' or 'acme/line*', not " +
                             config::in_quotes(pattern));
    return pattern;
}

RouteSection read_route(Table& table) {
    RouteSection route;
    route.edge = read_pattern(table, "edge");
    route.it = read_pattern(table, "it");
    route.topics = table.required_texts("topics");
    for (const auto& filter : route.topics) {
        if (filter.starts_with('$'))
            table.error("topics", "holds " + config::in_quotes(filter) +
                                      ": topics that begin with '$' never pass");
        else if (!mqtt::is_valid_topic_filter(filter))
            table.error("topics", "holds " + config::in_quotes(filter) +
                                      ", which is not a valid topic filter");
    }
    table.not_in_this_version("commands");
    return route;
}

void refuse_shared_addresses(Document& document, const RelayConfig& relay) {
    if (!relay.http) return;
    for (const auto& listener : relay.listeners)
        if (config::overlap(listener.address, relay.http->address))
            document.root().section("http").error(
                "address", "is taken by the [[listener]] " + listener.address.text());
}

}  // namespace

RelayConfig load_relay_config(const std::string& path) {
    return read_relay_config(Document::load(path));
}

RelayConfig read_relay_config(Document document) {
    RelayConfig relay;
    relay.agent = config::read_agent(document);
    relay.tls = config::read_tls(document, true).value_or(config::TlsSection{});
    relay.listeners = read_listeners(document);
    for (auto& table : document.root().sections("route")) relay.routes.push_back(read_route(table));
    relay.http = config::read_http(document);
    relay.control = config::read_control(document, relay.agent);
    relay.log = config::read_log(document);
    refuse_shared_addresses(document, relay);
    if (relay.routes.empty())
        relay.warnings.emplace_back("no [[route]]: nothing passes this relay");
    document.finish();
    return relay;
}

std::vector<std::string> explain_topic(const RelayConfig& config, std::string_view topic) {
    if (!mqtt::is_valid_topic_name(topic)) return {"this is not a topic a client could publish to"};
    std::vector<std::string> lines;
    for (const auto& route : config.routes) {
        const auto filter = std::ranges::find_if(
            route.topics, [&](const auto& one) { return mqtt::matches(one, topic); });
        if (filter != route.topics.end())
            lines.push_back("passes: from " + config::in_quotes(route.edge) + " to " +
                            config::in_quotes(route.it) + ", topics " + config::in_quotes(*filter));
    }
    if (lines.empty()) lines.emplace_back("does not pass: no [[route]] has it in its topics");
    return lines;
}

}  // namespace sallyport::dmz_relay
