#include "edge-agent/runtime/edge_config.hpp"

#include <filesystem>

#include <gtest/gtest.h>

namespace sallyport::edge_agent {
namespace {

constexpr std::string_view kHead =
    "[agent]\nname = \"line3\"\n[tls]\nca = \"a\"\ncert = \"b\"\nkey = \"c\"\n"
    "[relay]\nurls = [\"wss://10.20.0.5:8443\"]\ndestinations = [\"hq\"]\n"
    "[[listener]]\naddress = \"127.0.0.1:1883\"\n";

EdgeConfig read(std::string_view text) {
    return read_edge_config(config::Document::parse(text, "etc/edge-agent.toml"));
}

/// All errors as one text; empty where there is none.
std::string errors_of(std::string_view text) {
    try {
        read(text);
    } catch (const config::ConfigFailure& failure) {
        return failure.what();
    }
    return {};
}
std::string errors_behind_head(const std::string& text) {
    return errors_of(std::string(kHead) + text);
}

bool mentions(std::string_view text, std::string_view what) {
    return text.find(what) != std::string_view::npos;
}
bool mentions(const std::vector<std::string>& lines, std::string_view what) {
    for (const auto& line : lines)
        if (mentions(line, what)) return true;
    return false;
}

TEST(EdgeConfig, ReadsTheExample) {
    const auto path =
        std::filesystem::path(__FILE__).parent_path() / "../../../deploy/examples/edge-agent.toml";
    const auto config = load_edge_config(path.lexically_normal().string());
    EXPECT_EQ(config.agent.name, "line3");
    ASSERT_EQ(config.forwards.size(), 1U);
    EXPECT_EQ(config.forwards[0].filter, "plant/#");
    EXPECT_EQ(config.spool.max_bytes, 8ULL << 30U);
    EXPECT_EQ(config.relay.value().destinations, std::vector<std::string>{"hq"});
    EXPECT_TRUE(config.http);
    EXPECT_TRUE(config.warnings.empty());
}

TEST(EdgeConfig, IsALocalBrokerWithoutRelay) {
    const auto config =
        read("[agent]\nname = \"line3\"\n[[listener]]\naddress = \"127.0.0.1:1883\"\n");
    EXPECT_FALSE(config.relay);
    EXPECT_FALSE(config.tls);
    EXPECT_TRUE(mentions(config.warnings, "nothing leaves this edge"));
}

TEST(EdgeConfig, NeedsTlsWithARelay) {
    EXPECT_TRUE(mentions(errors_of("[agent]\nname = \"a\"\n[relay]\nurls = [\"wss://h:1\"]\n"),
                         "the section [tls] is missing"));
}

TEST(EdgeConfig, WarnsWhereNothingLeaves) {
    EXPECT_TRUE(mentions(read(kHead).warnings, "no [[forward]]"));
    const auto no_destination = read(
        "[agent]\nname = \"a\"\n[tls]\nca = \"a\"\ncert = \"b\"\nkey = \"c\"\n"
        "[relay]\nurls = [\"wss://h:1\"]\n[[forward]]\nfilter = \"#\"\n");
    EXPECT_TRUE(mentions(no_destination.warnings, "names no destinations"));
    EXPECT_TRUE(mentions(no_destination.warnings, "no [[listener]]"));
}

TEST(EdgeConfig, TakesEveryKeyWithItsDefaultWritten) {
    EXPECT_EQ(errors_behind_head("[[forward]]\nfilter = \"#\"\nclass = \"history\"\n"
                                 "payload = \"opaque\"\nack = \"spooled\"\nstale_after = \"off\"\n"
                                 "on_disconnect = \"stale\"\non_reconnect = \"stale\"\n"
                                 "[spool]\nmax_bytes = \"64MiB\"\nwhen_full = \"drop-oldest\"\n"
                                 "[broker]\nusers = \"\"\nacl = \"\"\n"),
              "");
    EXPECT_EQ(errors_behind_head("[spool]\nwhen_full = \"refuse\"\n"), "");
    EXPECT_TRUE(mentions(errors_behind_head("[spool]\nwhen_full = \"wait\"\n"), "refuse"));
}

TEST(EdgeConfig, RefusesByNameWhatThisVersionLacks) {
    for (const std::string key : {"payload = \"sparkplug\""})
        EXPECT_TRUE(mentions(errors_behind_head("[[forward]]\nfilter = \"#\"\n" + key + "\n"),
                             "not in this version"))
            << key;
    EXPECT_TRUE(mentions(errors_behind_head("[[command]]\nfilter = \"x\"\n"),
                         "[[command]] is not in this version"));
}

TEST(EdgeConfig, ReadsTheClassOfARule) {
    const auto config = read(std::string(kHead) +
                             "[[forward]]\nfilter = \"a\"\nclass = \"latest\"\n"
                             "[[forward]]\nfilter = \"b\"\n");
    EXPECT_EQ(config.forwards[0].delivery_class, ingest::DeliveryClass::latest);
    EXPECT_EQ(config.forwards[1].delivery_class, ingest::DeliveryClass::history);
    const auto told = explain_topic(config, "a");
    ASSERT_FALSE(told.empty());
    EXPECT_TRUE(mentions(told.front(), "class latest"));
    EXPECT_TRUE(mentions(errors_behind_head("[[forward]]\nfilter = \"#\"\nclass = \"newest\"\n"),
                         "latest"));
}

TEST(EdgeConfig, AnAckOfDeliveryNeedsHistoryAndSomebodyToDeliverTo) {
    const std::string rule = "[[forward]]\nfilter = \"a\"\nack = \"delivered\"\n";
    const std::string alone =
        "[agent]\nname = \"line3\"\n[[listener]]\naddress = \"127.0.0.1:1883\"\n";
    EXPECT_TRUE(mentions(errors_of(alone + rule), "needs destinations"));
    EXPECT_TRUE(mentions(errors_behind_head(rule + "class = \"latest\"\n"), "history"));
    const auto config = read(std::string(kHead) + rule);
    EXPECT_EQ(config.forwards.at(0).ack, Ack::delivered);
    EXPECT_TRUE(mentions(explain_topic(config, "a").at(0), "ack delivered"));
}

TEST(EdgeConfig, ReadsWhatARuleSaysOfQuality) {
    const auto config = read(std::string(kHead) +
                             "[[forward]]\nfilter = \"a\"\nstale_after = \"90s\"\n"
                             "on_disconnect = \"keep\"\non_reconnect = \"restore\"\n"
                             "[[forward]]\nfilter = \"b\"\n");
    EXPECT_EQ(config.forwards[0].quality.stale_after, std::chrono::seconds(90));
    EXPECT_TRUE(config.forwards[0].quality.keep_on_disconnect);
    EXPECT_TRUE(config.forwards[0].quality.restore_on_reconnect);
    EXPECT_EQ(config.forwards[1].quality.stale_after, std::nullopt);
    EXPECT_FALSE(config.forwards[1].quality.keep_on_disconnect);
    EXPECT_FALSE(config.forwards[1].quality.restore_on_reconnect);
    EXPECT_TRUE(mentions(errors_behind_head("[[forward]]\nfilter = \"#\"\n"
                                            "stale_after = \"0s\"\n"),
                         "must be \"off\" or a duration"));
    EXPECT_TRUE(mentions(errors_behind_head("[[forward]]\nfilter = \"#\"\n"
                                            "on_disconnect = \"kep\"\n"),
                         "did you mean 'keep'?"));
}

TEST(EdgeConfig, ReadsTheJsonCodec) {
    const auto config = read(std::string(kHead) +
                             "[[forward]]\nfilter = \"a\"\npayload = \"json\"\n"
                             "json_value = \"/d/0/v\"\njson_time_format = \"ms\"\n"
                             "[[forward]]\nfilter = \"b\"\n");
    ASSERT_TRUE(config.forwards[0].json);
    EXPECT_EQ(config.forwards[0].json->value.size(), 3U);
    EXPECT_TRUE(config.forwards[0].json->quality.names(0, "quality"));
    EXPECT_TRUE(config.forwards[0].json->time.names(0, "timestamp"));
    EXPECT_EQ(config.forwards[0].json->time_format, ingest::TimeFormat::ms);
    EXPECT_FALSE(config.forwards[1].json);
    EXPECT_TRUE(mentions(explain_topic(config, "a")[0], "payload json"));
}

TEST(EdgeConfig, RefusesJsonKeysThatDoNothingOrPointNowhere) {
    EXPECT_TRUE(mentions(errors_behind_head("[[forward]]\nfilter = \"#\"\n"
                                            "json_quality = \"/q\"\n"),
                         "'json_quality' in [[forward]] does nothing without payload = \"json\""));
    EXPECT_TRUE(mentions(errors_behind_head("[[forward]]\nfilter = \"#\"\npayload = \"json\"\n"
                                            "json_value = \"value\"\n"),
                         "'json_value' in [[forward]] must be a JSON Pointer"));
}

TEST(EdgeConfig, RefusesFiltersThatCannotLeave) {
    EXPECT_TRUE(mentions(errors_behind_head("[[forward]]\nfilter = \"$SYS/#\"\n"), "'$'"));
    EXPECT_TRUE(mentions(errors_behind_head("[[forward]]\nfilter = \"$share/g/#\"\n"), "'$'"));
    EXPECT_TRUE(mentions(errors_behind_head("[[forward]]\nfilter = \"a/#/b\"\n"),
                         "not a valid topic filter"));
    EXPECT_TRUE(mentions(errors_behind_head("[[forward]]\nclass = \"history\"\n"),
                         "'filter' in [[forward]] is missing"));
}

TEST(EdgeConfig, RefusesASpoolBelow64MiB) {
    EXPECT_TRUE(mentions(errors_behind_head("[spool]\nmax_bytes = \"63MiB\"\n"),
                         "'max_bytes' in [spool] must be a size"));
}

TEST(EdgeConfig, RefusesAnHttpAddressThatAListenerHas) {
    EXPECT_TRUE(mentions(errors_behind_head("[http]\naddress = \"127.0.0.1:1883\"\n"),
                         "'address' in [http] is taken by the [[listener]] 127.0.0.1:1883"));
}

TEST(EdgeConfig, RefusesSectionsOfOtherAgents) {
    EXPECT_TRUE(
        mentions(errors_behind_head("[[route]]\nedge = \"a\"\n"), "unknown section [[route]]"));
}

TEST(EdgeConfig, WarnsOfARuleThatNeverDecides) {
    const auto config =
        read(std::string(kHead) + "[[forward]]\nfilter = \"a\"\n[[forward]]\nfilter = \"a\"\n");
    EXPECT_TRUE(mentions(config.warnings, "the second never does"));
}

TEST(EdgeConfig, ExplainsTheFirstRuleThatMatches) {
    const auto config =
        read(std::string(kHead) + "[[forward]]\nfilter = \"a/+\"\n[[forward]]\nfilter = \"a/#\"\n");
    const auto lines = explain_topic(config, "a/b");
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_TRUE(mentions(lines[0], "number 1, filter 'a/+'")) << lines[0];
    EXPECT_TRUE(mentions(lines[1], "'hq'")) << lines[1];
    EXPECT_TRUE(mentions(explain_topic(config, "a/b/c"), "number 2"));
    EXPECT_TRUE(mentions(explain_topic(config, "b"), "no [[forward]] matches"));
    EXPECT_TRUE(mentions(explain_topic(config, "$SYS/x"), "stays here"));
    EXPECT_TRUE(mentions(explain_topic(config, "sallyport/tunnel"), "stays here"));
}

}  // namespace
}  // namespace sallyport::edge_agent
