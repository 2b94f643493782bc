#include "dmz-relay/runtime/relay_config.hpp"

#include <filesystem>

#include <gtest/gtest.h>

namespace sallyport::dmz_relay {
namespace {

constexpr std::string_view kHead =
    "[agent]\nname = \"dmz1\"\n[tls]\nca = \"a\"\ncert = \"b\"\nkey = \"c\"\n";
constexpr std::string_view kListener = "[[listener]]\naddress = \"10.20.0.5:8443\"\n";

RelayConfig read(std::string_view text) {
    return read_relay_config(config::Document::parse(text, "etc/dmz-relay.toml"));
}

/// All errors as one text; empty where there is none.
std::string errors_of(const std::string& text) {
    try {
        read(std::string(kHead) + text);
    } catch (const config::ConfigFailure& failure) {
        return failure.what();
    }
    return {};
}
std::string errors_behind_listener(const std::string& text) {
    return errors_of(std::string(kListener) + text);
}

bool mentions(std::string_view text, std::string_view what) {
    return text.find(what) != std::string_view::npos;
}

TEST(RelayConfig, ReadsTheExample) {
    const auto path =
        std::filesystem::path(__FILE__).parent_path() / "../../../deploy/examples/dmz-relay.toml";
    const auto config = load_relay_config(path.lexically_normal().string());
    ASSERT_EQ(config.listeners.size(), 2U);
    EXPECT_EQ(config.listeners[0].role, ListenerRole::edge);
    EXPECT_EQ(config.listeners[1].role, ListenerRole::it);
    ASSERT_EQ(config.routes.size(), 1U);
    EXPECT_EQ(config.routes[0].edge, "line*");
    EXPECT_EQ(config.routes[0].topics, std::vector<std::string>{"plant/#"});
    EXPECT_TRUE(config.warnings.empty());
}

TEST(RelayConfig, AdmitsAnyRoleByDefault) {
    const auto config = read(std::string(kHead) + std::string(kListener));
    EXPECT_EQ(config.listeners.at(0).role, ListenerRole::any);
    ASSERT_EQ(config.warnings.size(), 1U);
    EXPECT_TRUE(mentions(config.warnings[0], "nothing passes"));
}

TEST(RelayConfig, NeedsAListenerAndTls) {
    EXPECT_TRUE(mentions(errors_of(""), "no [[listener]]"));
    try {
        read("[agent]\nname = \"a\"\n" + std::string(kListener));
        FAIL() << "read a relay without [tls]";
    } catch (const config::ConfigFailure& failure) {
        EXPECT_TRUE(mentions(failure.what(), "the section [tls] is missing"));
    }
}

TEST(RelayConfig, RefusesTheSameAddressTwice) {
    EXPECT_TRUE(mentions(errors_behind_listener(std::string(kListener)),
                         "'address' in [[listener]] is taken by"));
}

TEST(RelayConfig, RefusesAnUnknownRole) {
    EXPECT_TRUE(
        mentions(errors_behind_listener("role = \"relay\"\n"), "must be one of any, edge, it"));
}

TEST(RelayConfig, RefusesRoutesThatAreNotWhole) {
    const auto errors = errors_behind_listener("[[route]]\nedge = \"Line\"\ntopics = []\n");
    EXPECT_TRUE(mentions(errors, "'edge' in [[route]] must be a name or a pattern"));
    EXPECT_TRUE(mentions(errors, "'it' in [[route]] is missing"));
    EXPECT_TRUE(mentions(errors, "'topics' in [[route]] is missing or empty"));
}

TEST(RelayConfig, RefusesFiltersThatAreNotValidOrNeverPass) {
    const auto errors = errors_behind_listener(
        "[[route]]\nedge = \"a\"\nit = \"b\"\ntopics = [\"a#\", \"$SYS/#\"]\n");
    EXPECT_TRUE(mentions(errors, "'a#', which is not a valid topic filter"));
    EXPECT_TRUE(mentions(errors, "'$SYS/#': topics that begin with '$' never pass"));
}

TEST(RelayConfig, RefusesCommandsByName) {
    const std::string route = "[[route]]\nedge = \"a\"\nit = \"b\"\ntopics = [\"#\"]\n";
    EXPECT_TRUE(mentions(errors_behind_listener(route + "commands = [\"x\"]\n"),
                         "'commands' in [[route]] is not in this version"));
    EXPECT_EQ(errors_behind_listener(route + "commands = []\n"), "");
}

TEST(RelayConfig, RefusesAnHttpAddressThatAListenerHas) {
    EXPECT_TRUE(mentions(errors_of("[[listener]]\naddress = \"0.0.0.0:9102\"\n"
                                   "[http]\naddress = \"127.0.0.1:9102\"\n"),
                         "'address' in [http] is taken by"));
}

TEST(RelayConfig, ExplainsEveryRouteThatLetsATopicPass) {
    const auto config = read(std::string(kHead) + std::string(kListener) +
                             "[[route]]\nedge = \"a\"\nit = \"b\"\ntopics = [\"x/#\"]\n"
                             "[[route]]\nedge = \"a\"\nit = \"c\"\ntopics = [\"y\", \"x/+\"]\n");
    EXPECT_EQ(explain_topic(config, "x/1").size(), 2U);
    EXPECT_TRUE(mentions(explain_topic(config, "y").at(0), "from 'a' to 'c'"));
    EXPECT_TRUE(mentions(explain_topic(config, "z").at(0), "does not pass"));
}

}  // namespace
}  // namespace sallyport::dmz_relay
