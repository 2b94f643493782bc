#include "it-agent/runtime/it_config.hpp"

#include <array>
#include <set>
#include <utility>

#include "common/config/suggestion.hpp"
#include "common/mqtt/topic.hpp"
#include "it-agent/runtime/edge_overlap.hpp"

namespace sallyport::it_agent {
namespace {

using config::Document;
using config::Table;
using config::Word;

constexpr std::size_t kPrefixBytesMax = 512;
constexpr std::size_t kConsumersMax = 64;
constexpr std::size_t kClientIdBytesMax = 512;
constexpr std::string_view kReservedPrefix = "sallyport/";  // the agent's own topics
constexpr std::array<std::string_view, 2> kPlaceholders{"{plant}", "{edge}"};

constexpr std::array<Word<SinkType>, 3> kTypes{
    {{"broker", SinkType::broker}, {"mqtt", std::nullopt}, {"kafka", std::nullopt}}};
constexpr std::array<Word<emit::Format>, 3> kFormats{
    {{"mirror", emit::Format::mirror}, {"vqt", emit::Format::vqt}, {"sparkplug", std::nullopt}}};
constexpr std::string_view kPrefixMark = "prefix:";

/// The prefix as a topic: names in the place of the placeholders. Other braces stay and are
/// refused.
std::string with_names(std::string_view prefix) {
    std::string text(prefix);
    for (const auto placeholder : kPlaceholders)
        for (auto at = text.find(placeholder); at != std::string::npos; at = text.find(placeholder))
            text.replace(at, placeholder.size(), "x");
    return text;
}

void check_prefix(Table& table, std::string_view prefix) {
    const auto topic = with_names(prefix) + "x";
    if (prefix.size() > kPrefixBytesMax)
        table.error("prefix", "is longer than 512 bytes");
    else if (topic.find_first_of("{}") != std::string::npos)
        table.error("prefix", "may hold {plant} and {edge}, and no other braces: " +
                                  config::in_quotes(prefix));
    else if (!mqtt::is_valid_topic_name(topic))
        table.error("prefix", "holds what no topic may hold: " + config::in_quotes(prefix));
    else if (prefix.starts_with('$') || topic.starts_with(kReservedPrefix))
        table.error("prefix", "may not begin with '$' or 'sallyport/', which are not for values");
}

EdgeSection read_edge(Table& table) {
    EdgeSection edge;
    edge.name = table.required_text("name");
    if (!edge.name.empty() && !config::is_agent_pattern(edge.name))
        table.error("name", "must be a name or a pattern such as 'line*' or 'acme/line*', not " +
                                config::in_quotes(edge.name));
    edge.prefix = table.text("prefix", "");
    check_prefix(table, edge.prefix);
    return edge;
}

/// Records of two edges on one topic could not be told apart, nor their quality and order kept.
void refuse_mixing(Table& table, const EdgeSection& edge, const std::vector<EdgeSection>& earlier) {
    if (edge.name.empty()) return;
    if (can_emit_one_topic(edge, edge))
        table.error("prefix",
                    "must hold {edge} (and {plant}, where several plants match): two edges that "
                    "match " +
                        config::in_quotes(edge.name) + " could emit one topic");
    for (const auto& other : earlier) {
        if (other.name == edge.name)
            table.error("name",
                        "= " + config::in_quotes(edge.name) + " stands in an earlier [[edge]]");
        else if (can_emit_one_topic(edge, other))
            table.error("prefix",
                        "leads to the topics of another edge: " + config::in_quotes(edge.name) +
                            " and " + config::in_quotes(other.name) +
                            " can emit one topic; give each its own prefix, such as "
                            "\"{edge}/\"");
    }
}

std::vector<EdgeSection> read_edges(Document& document) {
    std::vector<EdgeSection> edges;
    for (auto& table : document.root().sections("edge")) {
        auto edge = read_edge(table);
        refuse_mixing(table, edge, edges);
        edges.push_back(std::move(edge));
    }
    return edges;
}

/// Where a backlog goes; empty: to the topics of live values.
std::string read_historical(Table& table, const std::vector<EdgeSection>& edges) {
    const auto text = table.text("historical", "same");
    if (text == "same") return {};
    auto prefix = text.starts_with(kPrefixMark) ? text.substr(kPrefixMark.size()) : std::string();
    if (prefix.empty()) {
        table.error("historical", R"(must be "same" or such as "prefix:historical/", not )" +
                                      config::in_quotes(text));
        return {};
    }
    if (prefix.size() > kPrefixBytesMax || !mqtt::is_valid_topic_name(prefix + "x") ||
        prefix.starts_with('$') || prefix.starts_with(kReservedPrefix))
        table.error("historical",
                    "has a prefix that no topic of values may have: " + config::in_quotes(prefix));
    for (const auto& edge : edges)
        if (edge.prefix.starts_with(prefix))
            table.error("historical", "leads a backlog to the topics of the [[edge]] " +
                                          config::in_quotes(edge.name) + ", whose prefix is " +
                                          config::in_quotes(edge.prefix));
    return prefix;
}

/// Whose full queues hold the edges.
std::vector<std::string> read_consumers(Table& table) {
    auto consumers = table.texts("consumers");
    if (consumers.size() > kConsumersMax) table.error("consumers", "names more than 64 clients");
    std::set<std::string_view> seen;
    for (const auto& client_id : consumers) {
        if (client_id.empty() || client_id.size() > kClientIdBytesMax)
            table.error("consumers", "must hold MQTT client identifiers of 1 to 512 bytes, not " +
                                         config::in_quotes(client_id));
        else if (!seen.insert(client_id).second)
            table.error("consumers", "names " + config::in_quotes(client_id) + " twice");
    }
    return consumers;
}

SinkSection read_sink(Document& document, const std::vector<EdgeSection>& edges) {
    auto table = document.root().section("sink");
    SinkSection sink;
    sink.type = table.word<SinkType>("type", kTypes, SinkType::broker);
    auto& emission = sink.emission;
    emission.format = table.word<emit::Format>("format", kFormats, emit::Format::mirror);
    const auto place = table.text("vqt_value", "");
    if (const auto pointer = record::JsonPointer::parse(place))
        emission.vqt_value = *pointer;
    else
        table.error("vqt_value", R"(must be a JSON Pointer such as "/value", or empty, not )" +
                                     config::in_quotes(place));
    if (emission.format != emit::Format::vqt && table.has("vqt_value"))
        table.error("vqt_value", "does nothing without format = \"vqt\"");
    emission.historical_prefix = read_historical(table, edges);
    sink.consumers = read_consumers(table);
    return sink;
}

void refuse_shared_addresses(Document& document, const ItConfig& it) {
    if (!it.http) return;
    for (const auto& listener : it.listeners)
        if (config::overlap(listener.address, it.http->address))
            document.root().section("http").error(
                "address", "is taken by the [[listener]] " + listener.address.text());
}

void warn_of_what_does_not_arrive(ItConfig& it) {
    if (!it.relay)
        it.warnings.emplace_back("no [relay]: a local broker only, nothing enters this it-agent");
    if (it.edges.empty()) it.warnings.emplace_back("no [[edge]]: nothing enters this it-agent");
    if (it.listeners.empty())
        it.warnings.emplace_back("no [[listener]]: no application can subscribe");
}

std::string plant_and_name(std::string_view pattern) {
    return pattern.find('/') == std::string_view::npos ? "<own plant>/" + std::string(pattern)
                                                       : std::string(pattern);
}

}  // namespace

ItConfig load_it_config(const std::string& path) {
    return read_it_config(Document::load(path));
}

ItConfig read_it_config(Document document) {
    ItConfig it;
    it.agent = config::read_agent(document);
    it.relay = config::read_relay(document, config::Destinations::none);
    it.tls = config::read_tls(document, it.relay.has_value());
    it.edges = read_edges(document);
    it.listeners = config::read_mqtt_listeners(document, it.warnings);
    it.broker = config::read_broker(document);
    it.sink = read_sink(document, it.edges);
    it.http = config::read_http(document);
    it.control = config::read_control(document, it.agent);
    it.log = config::read_log(document);
    refuse_shared_addresses(document, it);
    warn_of_what_does_not_arrive(it);
    document.finish();
    return it;
}

std::vector<std::string> explain_topic(const ItConfig& config, std::string_view topic) {
    if (!mqtt::is_valid_topic_name(topic)) return {"this is not a topic an edge could send"};
    std::vector<std::string> lines;
    lines.reserve(config.edges.size());
    for (const auto& edge : config.edges)
        lines.push_back("from " + plant_and_name(edge.name) + ": emitted on " + edge.prefix +
                        std::string(topic));
    if (lines.empty()) lines.emplace_back("does not enter: no [[edge]]");
    return lines;
}

}  // namespace sallyport::it_agent
