#include "it-agent/runtime/it_config.hpp"

#include <filesystem>

#include <gtest/gtest.h>

namespace sallyport::it_agent {
namespace {

constexpr std::string_view kHead =
    "[agent]\nname = \"hq\"\n[tls]\nca = \"a\"\ncert = \"b\"\nkey = \"c\"\n"
    "[relay]\nurls = [\"wss://10.30.0.5:8443\"]\n[[listener]]\naddress = \"127.0.0.1:1884\"\n";

ItConfig read(const std::string& text) {
    return read_it_config(config::Document::parse(text, "etc/it-agent.toml"));
}

/// All errors behind the head as one text; empty where there is none.
std::string errors_of(const std::string& text) {
    try {
        read(std::string(kHead) + text);
    } catch (const config::ConfigFailure& failure) {
        return failure.what();
    }
    return {};
}

bool mentions(std::string_view text, std::string_view what) {
    return text.find(what) != std::string_view::npos;
}
bool mentions(const std::vector<std::string>& lines, std::string_view what) {
    for (const auto& line : lines)
        if (mentions(line, what)) return true;
    return false;
}

std::string edge(const std::string& name, const std::string& prefix) {
    return "[[edge]]\nname = \"" + name + "\"\nprefix = \"" + prefix + "\"\n";
}

TEST(ItConfig, ReadsTheExample) {
    const auto path =
        std::filesystem::path(__FILE__).parent_path() / "../../../deploy/examples/it-agent.toml";
    const auto config = load_it_config(path.lexically_normal().string());
    EXPECT_EQ(config.agent.name, "hq");
    ASSERT_EQ(config.edges.size(), 1U);
    EXPECT_EQ(config.edges[0].name, "line*");
    EXPECT_EQ(config.edges[0].prefix, "{edge}/");
    EXPECT_TRUE(config.warnings.empty());
}

TEST(ItConfig, TakesOneEdgeWithoutPrefix) {
    const auto config = read(std::string(kHead) + "[[edge]]\nname = \"line3\"\n");
    EXPECT_EQ(config.edges.at(0).prefix, "");
}

TEST(ItConfig, WarnsWhereNothingEnters) {
    const auto config = read("[agent]\nname = \"hq\"\n");
    EXPECT_TRUE(mentions(config.warnings, "no [relay]"));
    EXPECT_TRUE(mentions(config.warnings, "no [[edge]]"));
    EXPECT_TRUE(mentions(config.warnings, "no [[listener]]"));
}

TEST(ItConfig, HasNoDestinations) {
    EXPECT_TRUE(mentions(errors_of("[extra]\n"), "unknown section [extra]"));
    try {
        read(
            "[agent]\nname = \"hq\"\n[tls]\nca = \"a\"\ncert = \"b\"\nkey = \"c\"\n"
            "[relay]\nurls = [\"wss://h:1\"]\ndestinations = [\"x\"]\n");
        FAIL() << "took destinations";
    } catch (const config::ConfigFailure& failure) {
        EXPECT_TRUE(mentions(failure.what(), "unknown key 'destinations' in [relay]"));
    }
}

TEST(ItConfig, RefusesTwoEdgesThatCanEmitOneTopic) {
    EXPECT_TRUE(mentions(errors_of(edge("line3", "") + edge("line4", "")), "can emit one topic"));
    EXPECT_TRUE(mentions(errors_of(edge("line*", "")), "could emit one topic"));
    EXPECT_TRUE(
        mentions(errors_of(edge("line3", "") + edge("line3", "x/")), "stands in an earlier"));
    EXPECT_EQ(errors_of(edge("line3", "a/") + edge("line4", "b/")), "");
    EXPECT_EQ(errors_of(edge("line*", "{edge}/") + edge("mill*", "{edge}/")), "");
}

TEST(ItConfig, RefusesPrefixesThatMakeNoTopic) {
    for (const auto* prefix : {"a/+/", "#", "{name}/", "{edge", "$SYS/", "sallyport/"})
        EXPECT_TRUE(mentions(errors_of(edge("line3", prefix)), "'prefix' in [[edge]]")) << prefix;
}

TEST(ItConfig, RefusesNamesThatNoEdgeCanHave) {
    EXPECT_TRUE(mentions(errors_of(edge("Line 3", "")), "'name' in [[edge]] must be a name"));
    EXPECT_TRUE(mentions(errors_of("[[edge]]\nprefix = \"\"\n"), "'name' in [[edge]] is missing"));
}

TEST(ItConfig, RefusesByNameWhatThisVersionLacks) {
    for (const std::string key : {"type = \"mqtt\"", "type = \"kafka\"", "format = \"sparkplug\""})
        EXPECT_TRUE(mentions(errors_of("[sink]\n" + key + "\n"), "not in this version")) << key;
    EXPECT_TRUE(mentions(errors_of("[sink]\nhistorical = \"other\"\n"), "must be \"same\""));
    EXPECT_EQ(errors_of("[sink]\ntype = \"broker\"\nformat = \"mirror\"\nhistorical = \"same\"\n"
                        "consumers = []\n"),
              "");
}

TEST(ItConfig, ReadsWhoseQueuesHoldTheEdges) {
    EXPECT_TRUE(read(std::string(kHead)).sink.consumers.empty());
    const auto config = read(std::string(kHead) + "[sink]\nconsumers = [\"historian\", \"mes\"]\n");
    EXPECT_EQ(config.sink.consumers, (std::vector<std::string>{"historian", "mes"}));
    EXPECT_TRUE(mentions(errors_of("[sink]\nconsumers = [\"a\", \"a\"]\n"), "names 'a' twice"));
    EXPECT_TRUE(mentions(errors_of("[sink]\nconsumers = [\"\"]\n"), "must hold MQTT client"));
    EXPECT_TRUE(mentions(errors_of("[sink]\nconsumers = \"a\"\n"), "must be a list of texts"));
}

TEST(ItConfig, ReadsTheFormatAndWhereABacklogGoes) {
    const auto config = read(std::string(kHead) +
                             "[sink]\nformat = \"vqt\"\nvqt_value = \"/value\"\n"
                             "historical = \"prefix:late/\"\n");
    EXPECT_EQ(config.sink.emission.format, emit::Format::vqt);
    EXPECT_EQ(config.sink.emission.vqt_value.size(), 1U);
    EXPECT_EQ(config.sink.emission.historical_prefix, "late/");
    EXPECT_EQ(read(std::string(kHead)).sink.emission.format, emit::Format::mirror);
    EXPECT_EQ(read(std::string(kHead)).sink.emission.historical_prefix, "");
}

TEST(ItConfig, RefusesAFormOfTheSinkThatCannotBe) {
    EXPECT_TRUE(mentions(errors_of("[sink]\nformat = \"vtq\"\n"), "did you mean 'vqt'?"));
    EXPECT_TRUE(mentions(errors_of("[sink]\nvqt_value = \"/v\"\n"),
                         "does nothing without format = \"vqt\""));
    EXPECT_TRUE(mentions(errors_of("[sink]\nformat = \"vqt\"\nvqt_value = \"v\"\n"),
                         "must be a JSON Pointer"));
    for (const auto* prefix : {"$old/", "sallyport/old/", "a/#/"})
        EXPECT_TRUE(
            mentions(errors_of("[sink]\nhistorical = \"prefix:" + std::string(prefix) + "\"\n"),
                     "no topic of values may have"))
            << prefix;
    EXPECT_TRUE(mentions(errors_of("[sink]\nhistorical = \"prefix:\"\n"), "must be \"same\""));
    EXPECT_TRUE(mentions(
        errors_of(edge("line3", "late/line3/") + "[sink]\nhistorical = \"prefix:late/\"\n"),
        "to the topics of the [[edge]] 'line3'"));
}

TEST(ItConfig, ExplainsWhereATopicComesOut) {
    const auto config = read(std::string(kHead) + edge("line*", "{edge}/"));
    EXPECT_EQ(explain_topic(config, "plant/t").at(0),
              "from <own plant>/line*: emitted on {edge}/plant/t");
}

}  // namespace
}  // namespace sallyport::it_agent
