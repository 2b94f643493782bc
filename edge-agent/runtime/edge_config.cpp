#include "edge-agent/runtime/edge_config.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "common/config/suggestion.hpp"
#include "common/mqtt/topic.hpp"

namespace sallyport::edge_agent {
namespace {

using config::Document;
using config::Table;
using config::Word;
using ingest::DeliveryClass;
using namespace std::chrono_literals;

constexpr std::uint64_t kSpoolBytesMin = 64ULL << 20U;
constexpr std::uint64_t kSpoolBytesMax = 64ULL << 40U;

// Words of later versions stand without a value, so that a file written for one is refused by name
// rather than misread.
constexpr std::array<Word<DeliveryClass>, 2> kClasses{
    {{"history", DeliveryClass::history}, {"latest", DeliveryClass::latest}}};
enum class Payload { opaque, json };
constexpr std::array<Word<Payload>, 3> kPayloads{
    {{"opaque", Payload::opaque}, {"json", Payload::json}, {"sparkplug", std::nullopt}}};
constexpr std::array<Word<ingest::TimeFormat>, 6> kTimeFormats{
    {{"auto", ingest::TimeFormat::automatic},
     {"iso", ingest::TimeFormat::iso},
     {"s", ingest::TimeFormat::s},
     {"ms", ingest::TimeFormat::ms},
     {"us", ingest::TimeFormat::us},
     {"ns", ingest::TimeFormat::ns}}};
constexpr std::array<std::string_view, 4> kJsonKeys{"json_value", "json_quality", "json_time",
                                                    "json_time_format"};
constexpr std::array<Word<Ack>, 2> kAcks{
    {{"spooled", Ack::spooled}, {"delivered", Ack::delivered}}};
// The words as flags of ingest::QualityPolicy.
constexpr std::array<Word<bool>, 2> kKeepOnDisconnect{{{"stale", false}, {"keep", true}}};
constexpr std::array<Word<bool>, 2> kRestoreOnReconnect{{{"stale", false}, {"restore", true}}};
constexpr std::array<Word<WhenFull>, 2> kWhenFull{
    {{"drop-oldest", WhenFull::drop_oldest}, {"refuse", WhenFull::refuse}}};

record::JsonPointer read_pointer(Table& table, std::string_view key, std::string_view otherwise) {
    const auto text = table.text(key, otherwise);
    auto pointer = record::JsonPointer::parse(text);
    if (!pointer)
        table.error(key, R"(must be a JSON Pointer such as "/value" or "/data/0/v", not )" +
                             config::in_quotes(text));
    return pointer.value_or(record::JsonPointer{});
}

std::optional<ingest::JsonPlaces> read_codec(Table& table) {
    const auto payload = table.word<Payload>("payload", kPayloads, Payload::opaque);
    ingest::JsonPlaces places;
    places.value = read_pointer(table, "json_value", "/value");
    places.quality = read_pointer(table, "json_quality", "/quality");
    places.time = read_pointer(table, "json_time", "/timestamp");
    places.time_format = table.word<ingest::TimeFormat>("json_time_format", kTimeFormats,
                                                        ingest::TimeFormat::automatic);
    if (payload == Payload::json) return places;
    for (const auto key : kJsonKeys)
        if (table.has(key)) table.error(key, "does nothing without payload = \"json\"");
    return std::nullopt;
}

ForwardSection read_forward(Table& table, bool has_destinations) {
    ForwardSection forward;
    forward.filter = table.required_text("filter");
    if (forward.filter.starts_with('$'))
        table.error("filter", "begins with '$': such topics never leave the edge");
    else if (!forward.filter.empty() && !mqtt::is_valid_topic_filter(forward.filter))
        table.error("filter", "is not a valid topic filter: " + config::in_quotes(forward.filter));
    forward.delivery_class = table.word<DeliveryClass>("class", kClasses, DeliveryClass::history);
    forward.json = read_codec(table);
    forward.ack = table.word<Ack>("ack", kAcks, Ack::spooled);
    if (forward.ack == Ack::delivered && forward.delivery_class != DeliveryClass::history)
        table.error("ack", R"("delivered" needs class = "history")");
    if (forward.ack == Ack::delivered && !has_destinations)
        table.error("ack", R"("delivered" needs destinations in [relay]: nothing would ever be)");
    auto& quality = forward.quality;
    quality.stale_after = table.duration_or_off("stale_after", 1s, 24h * 365);
    quality.keep_on_disconnect = table.word<bool>("on_disconnect", kKeepOnDisconnect, false);
    quality.restore_on_reconnect = table.word<bool>("on_reconnect", kRestoreOnReconnect, false);
    return forward;
}

std::vector<ForwardSection> read_forwards(Document& document, bool has_destinations,
                                          config::Warnings& warnings) {
    std::vector<ForwardSection> forwards;
    for (auto& table : document.root().sections("forward")) {
        auto forward = read_forward(table, has_destinations);
        if (std::ranges::find(forwards, forward.filter, &ForwardSection::filter) != forwards.end())
            warnings.push_back("[[forward]] " + config::in_quotes(forward.filter) +
                               " stands twice: the first decides, the second never does");
        forwards.push_back(std::move(forward));
    }
    return forwards;
}

SpoolSection read_spool(Document& document) {
    auto table = document.root().section("spool");
    SpoolSection spool;
    spool.max_bytes = table.size("max_bytes", spool.max_bytes, kSpoolBytesMin, kSpoolBytesMax);
    spool.when_full = table.word<WhenFull>("when_full", kWhenFull, spool.when_full);
    return spool;
}

void warn_of_what_does_not_leave(EdgeConfig& edge) {
    const bool rules = !edge.forwards.empty();
    const bool destinations = edge.relay && !edge.relay->destinations.empty();
    if (edge.listeners.empty())
        edge.warnings.emplace_back("no [[listener]]: no device can connect");
    if (!edge.relay)
        edge.warnings.emplace_back(
            rules ? "[[forward]] without [relay]: nothing leaves this edge"
                  : "no [relay]: a local broker only, nothing leaves this edge");
    else if (!rules)
        edge.warnings.emplace_back("no [[forward]]: nothing leaves this edge");
    else if (!destinations)
        edge.warnings.emplace_back("[relay] names no destinations: nothing leaves this edge");
}

void refuse_shared_addresses(Document& document, const EdgeConfig& edge) {
    if (!edge.http) return;
    for (const auto& listener : edge.listeners)
        if (config::overlap(listener.address, edge.http->address))
            document.root().section("http").error(
                "address", "is taken by the [[listener]] " + listener.address.text());
}

}  // namespace

EdgeConfig load_edge_config(const std::string& path) {
    return read_edge_config(Document::load(path));
}

EdgeConfig read_edge_config(Document document) {
    EdgeConfig edge;
    edge.agent = config::read_agent(document);
    edge.relay = config::read_relay(document, config::Destinations::allowed);
    edge.tls = config::read_tls(document, edge.relay.has_value());
    edge.listeners = config::read_mqtt_listeners(document, edge.warnings);
    edge.broker = config::read_broker(document);
    const bool has_destinations = edge.relay && !edge.relay->destinations.empty();
    edge.forwards = read_forwards(document, has_destinations, edge.warnings);
    edge.spool = read_spool(document);
    edge.http = config::read_http(document);
    edge.control = config::read_control(document, edge.agent);
    edge.log = config::read_log(document);
    document.root().not_in_this_version("command");
    refuse_shared_addresses(document, edge);
    warn_of_what_does_not_leave(edge);
    document.finish();
    return edge;
}

std::vector<std::string> explain_topic(const EdgeConfig& config, std::string_view topic) {
    if (!mqtt::is_valid_topic_name(topic)) return {"this is not a topic a client could publish to"};
    if (topic.starts_with('$'))
        return {"stays here: topics that begin with '$' never leave the edge"};
    if (topic.starts_with("sallyport/"))
        return {"stays here: topics under 'sallyport/' are the agent's own"};
    std::vector<std::string> lines;
    const auto rule = std::ranges::find_if(config.forwards, [&](const ForwardSection& forward) {
        return mqtt::matches(forward.filter, topic);
    });
    if (rule == config.forwards.end()) return {"stays here: no [[forward]] matches it"};
    lines.push_back("forwarded: by [[forward]] number " +
                    std::to_string(rule - config.forwards.begin() + 1) + ", filter " +
                    config::in_quotes(rule->filter) + ", class " +
                    (rule->delivery_class == DeliveryClass::latest ? "latest" : "history") +
                    (rule->json ? ", payload json" : "") +
                    (rule->ack == Ack::delivered ? ", ack delivered" : ""));
    if (!config.relay || config.relay->destinations.empty()) {
        lines.emplace_back("to nobody: [relay] names no destinations");
        return lines;
    }
    for (const auto& destination : config.relay->destinations)
        lines.push_back("to the it-agent " + config::in_quotes(destination) + " by " +
                        config.relay->urls.front().url);
    return lines;
}

}  // namespace sallyport::edge_agent
