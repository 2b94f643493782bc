#include <array>
#include <filesystem>
#include <fstream>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/unit/config/reading.hpp"

namespace sallyport::config {
namespace {

using namespace std::chrono_literals;
using Lines = std::vector<std::string>;

enum class Colour { red, green };
constexpr std::array<Word<Colour>, 3> kColours{
    {{"red", Colour::red}, {"green", Colour::green}, {"blue", std::nullopt}}};

TEST(Document, NamesPathAndReasonOfAnUnreadableFile) {
    try {
        Document::load("/nonexistent/agent.toml");
        FAIL() << "loaded a file that is not there";
    } catch (const ConfigFailure& failure) {
        ASSERT_EQ(failure.errors().size(), 1U);
        EXPECT_STREQ(failure.what(),
                     "/nonexistent/agent.toml: cannot read the configuration file: No such file or "
                     "directory");
    }
}

TEST(Document, RefusesADirectoryWithItsReason) {
    try {
        Document::load("/tmp");
        FAIL() << "loaded a directory";
    } catch (const ConfigFailure& failure) {
        EXPECT_NE(std::string(failure.what()).find("Is a directory"), std::string::npos);
    }
}

TEST(Document, RefusesAFileOfMoreThanOneMebibyte) {
    const auto path = std::filesystem::temp_directory_path() /
                      ("sallyport-large-" + std::to_string(::getpid()) + ".toml");
    std::ofstream(path) << "# " << std::string(kConfigFileBytesMax, 'x') << "\n";
    EXPECT_THROW(Document::load(path.string()), ConfigFailure);
    std::filesystem::remove(path);
}

TEST(Document, GivesLineAndColumnOfASyntaxError) {
    try {
        parsed("[agent]\nname = \n");
        FAIL() << "parsed what is not TOML";
    } catch (const ConfigFailure& failure) {
        EXPECT_TRUE(std::string(failure.what()).starts_with("etc/test.toml:2:")) << failure.what();
        EXPECT_EQ(failure.errors().front().line, 2U);
        EXPECT_NE(failure.errors().front().column, 0U);
    }
}

TEST(Document, RefusesAKeyGivenTwice) {
    EXPECT_THROW(parsed("[agent]\nname = \"a\"\nname = \"b\"\n"), ConfigFailure);
}

TEST(Document, SuggestsTheKeyThatWasMeant) {
    auto document = parsed("[[listener]]\naddress = \"a\"\n[[listener]]\nadress = \"b\"\n");
    for (auto& table : document.root().sections("listener")) table.text("address", "");
    EXPECT_EQ(
        findings(document),
        Lines{"etc/test.toml:4: unknown key 'adress' in [[listener]]: did you mean 'address'?"});
}

TEST(Document, SuggestsTheSectionThatWasMeant) {
    auto document = parsed("[[lisener]]\nx = 1\n[agnt]\ny = 2\n");
    document.root().sections("listener");
    document.root().section("agent");
    EXPECT_EQ(findings(document),
              (Lines{"etc/test.toml:1: unknown section [[lisener]]: did you mean [[listener]]?",
                     "etc/test.toml:3: unknown section [agnt]: did you mean [agent]?"}));
}

TEST(Document, SuggestsNothingWhereNothingIsNear) {
    auto document = parsed("[agent]\ncolour = 1\n[tls]\n");
    document.root().section("agent").text("name", "");
    document.root().section("tls");
    EXPECT_EQ(findings(document), Lines{"etc/test.toml:2: unknown key 'colour' in [agent]"});
}

TEST(Document, ReportsAKeyOutsideOfAnySection) {
    auto document = parsed("name = \"x\"\n");
    document.root().section("agent").text("name", "");
    EXPECT_EQ(findings(document),
              Lines{"etc/test.toml:1: unknown key 'name' outside of any section"});
}

TEST(Document, ReportsEveryErrorAtOnceInTheOrderOfTheLines) {
    auto document = parsed("[agent]\na = 1\nb = 2\nc = 3\n");
    auto table = document.root().section("agent");
    table.flag("c", false);
    table.text("a", "");
    EXPECT_EQ(findings(document), (Lines{"etc/test.toml:2: 'a' in [agent] must be a text in quotes",
                                         "etc/test.toml:3: unknown key 'b' in [agent]",
                                         "etc/test.toml:4: 'c' in [agent] must be true or false"}));
}

TEST(Document, ASectionReadTwiceKnowsTheKeysOfBothReadings) {
    auto document = parsed("[agent]\nname = \"x\"\nage = 3\n");
    EXPECT_EQ(document.root().section("agent").text("name", ""), "x");
    EXPECT_EQ(document.root().section("agent").integer("age", 0, 0, 10), 3);
    EXPECT_TRUE(findings(document).empty());
}

TEST(Document, ResolvesPathsFromTheFolderOfTheFile) {
    auto document = parsed("[tls]\nca = \"pki/ca.crt\"\nkey = \"/etc/key\"\ncert = \"../c\"\n");
    auto table = document.root().section("tls");
    EXPECT_EQ(table.path("ca"), "etc/pki/ca.crt");
    EXPECT_EQ(table.path("key"), "/etc/key");
    EXPECT_EQ(table.path("cert"), "c");
    EXPECT_EQ(table.path("crl"), "");
}

TEST(Table, GivesDefaultsWhereTheSectionIsAbsent) {
    auto document = parsed("");
    auto table = document.root().section("relay");
    EXPECT_FALSE(table.present());
    EXPECT_EQ(table.text("a", "x"), "x");
    EXPECT_EQ(table.required_text("b"), "");
    EXPECT_TRUE(table.flag("c", true));
    EXPECT_EQ(table.integer("d", 7, 0, 10), 7);
    EXPECT_EQ(table.duration("e", 2s, 1s, 3s), 2s);
    EXPECT_EQ(table.size("f", 9, 0, 10), 9U);
    EXPECT_TRUE(table.required_texts("g").empty());
    EXPECT_EQ(table.word<Colour>("h", kColours, Colour::green), Colour::green);
    EXPECT_TRUE(findings(document).empty());
}

TEST(Table, ReportsARequiredSectionAndARequiredKeyThatAreMissing) {
    auto document = parsed("[tls]\nca = \"\"\n");
    document.root().required_section("agent");
    auto tls = document.root().section("tls");
    tls.required_text("ca");
    tls.required_text("key");
    EXPECT_EQ(findings(document), (Lines{"etc/test.toml: the section [agent] is missing",
                                         "etc/test.toml:1: 'key' in [tls] is missing",
                                         "etc/test.toml:2: 'ca' in [tls] is missing"}));
}

TEST(Table, ReadsValuesOfEveryType) {
    auto document = parsed(
        "[x]\nt = \"text\"\nf = true\ni = 7\nl = [\"a\", \"b\"]\nd = \"500ms\"\no = \"off\"\n"
        "s = \"64MiB\"\nw = \"green\"\n");
    auto table = document.root().section("x");
    EXPECT_EQ(table.required_text("t"), "text");
    EXPECT_TRUE(table.flag("f", false));
    EXPECT_EQ(table.integer("i", 0, 7, 7), 7);
    EXPECT_EQ(table.texts("l"), (Lines{"a", "b"}));
    EXPECT_EQ(table.duration("d", 1s, 1ms, 1h), 500ms);
    EXPECT_EQ(table.duration_or_off("o", 1s, 1h), std::nullopt);
    EXPECT_EQ(table.size("s", 0, 0, 1U << 30U), 64U << 20U);
    EXPECT_EQ(table.word<Colour>("w", kColours, Colour::red), Colour::green);
    EXPECT_TRUE(findings(document).empty());
}

TEST(Table, RefusesWrongTypesAndValuesOutOfRange) {
    auto document = parsed(
        "[x]\nt = 1\nf = \"yes\"\ni = 8\nl = [\"a\", 2]\nd = \"5\"\no = \"never\"\ns = \"1TiB\"\n"
        "i2 = \"3\"\n");
    auto table = document.root().section("x");
    table.text("t", "");
    table.flag("f", false);
    EXPECT_EQ(table.integer("i", 3, 0, 7), 3);
    EXPECT_TRUE(table.texts("l").empty());
    EXPECT_EQ(table.duration("d", 1s, 1ms, 1h), 1s);
    EXPECT_EQ(table.duration_or_off("o", 1s, 1h), std::nullopt);
    EXPECT_EQ(table.size("s", 5, 0, 1U << 30U), 5U);
    EXPECT_EQ(table.integer("i2", 4, 0, 7), 4);
    const auto lines = findings(document);
    ASSERT_EQ(lines.size(), 8U);
    EXPECT_EQ(lines[2], "etc/test.toml:4: 'i' in [x] must be a whole number from 0 to 7");
    EXPECT_EQ(lines[4],
              "etc/test.toml:6: 'd' in [x] must be a duration such as \"500ms\", \"2s\", \"1m\" or "
              "\"2h\", from 1ms to 1h, not '5'");
    EXPECT_EQ(
        lines[6],
        "etc/test.toml:8: 's' in [x] must be a size such as \"1000B\", \"32KiB\", \"64MiB\" or "
        "\"8GiB\", from 0B to 1GiB, not '1TiB'");
}

TEST(Table, TellsAWordOfALaterVersionFromAnUnknownOne) {
    auto document = parsed("[x]\na = \"blue\"\nb = \"gren\"\n");
    auto table = document.root().section("x");
    EXPECT_EQ(table.word<Colour>("a", kColours, Colour::red), Colour::red);
    EXPECT_EQ(table.word<Colour>("b", kColours, Colour::red), Colour::red);
    EXPECT_EQ(
        findings(document),
        (Lines{"etc/test.toml:2: 'a' in [x] = 'blue' is not in this version, which has red, green",
               "etc/test.toml:3: 'b' in [x] must be one of red, green, blue, not 'gren': did you "
               "mean 'green'?"}));
}

TEST(Table, KeysOfALaterVersionMayStandWhereTheySayNothing) {
    auto document =
        parsed("[tls]\ncrl = \"\"\nlist = []\noff = \"off\"\nproxy = \"x\"\n[[command]]\n");
    auto table = document.root().section("tls");
    for (const auto* key : {"crl", "list", "off", "proxy", "absent"})
        table.not_in_this_version(key);
    document.root().not_in_this_version("command");
    EXPECT_EQ(findings(document), (Lines{"etc/test.toml:5: 'proxy' in [tls] is not in this version",
                                         "etc/test.toml:6: [[command]] is not in this version"}));
}

TEST(Table, RefusesOneSectionWhereSeveralMayStandAndTheReverse) {
    auto document = parsed("[listener]\n[[agent]]\n");
    EXPECT_TRUE(document.root().sections("listener").empty());
    EXPECT_FALSE(document.root().section("agent").present());
    EXPECT_EQ(
        findings(document),
        (Lines{"etc/test.toml:1: 'listener' may stand several times, so it is written [[listener]]",
               "etc/test.toml:2: 'agent' must be one section, written [agent]"}));
}

}  // namespace
}  // namespace sallyport::config
