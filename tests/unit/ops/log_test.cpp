#include "common/ops/log.hpp"

#include <sstream>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <gtest/gtest.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/ostream_sink.h>

namespace sallyport::ops {
namespace {

/// What the log writes of `text`, at level warn.
std::string written(const config::LogSection& section, const std::string& text) {
    std::ostringstream out;
    {
        Log log(section, "edge-agent", std::make_shared<spdlog::sinks::ostream_sink_mt>(out));
        log.logger().debug("not shown");
        log.logger().warn(text);
    }
    return out.str();
}

TEST(Log, WritesOneLineOfText) {
    const auto line = written({}, "ready: mqtt");
    EXPECT_EQ(line.size(),
              std::string("2026-01-02T03:04:05.678Z warn edge-agent: ready: mqtt\n").size());
    EXPECT_EQ(line.substr(23), "Z warn edge-agent: ready: mqtt\n");
}

TEST(Log, KeepsAnEventOnOneLineWhateverItHolds) {
    const auto line = written({}, "a\nb\x1b[31m");
    EXPECT_TRUE(line.ends_with("edge-agent: a\\x0ab\\x1b[31m\n")) << line;
    const auto json = written({config::LogLevel::info, config::LogFormat::json}, "a\nb");
    EXPECT_EQ(json.find('\n'), json.size() - 1) << json;
}

TEST(Log, WritesJsonThatGivesTheTextBack) {
    const std::string text = "a \"quoted\"\nline\\ \x01";
    const auto line = written({config::LogLevel::info, config::LogFormat::json}, text);
    const auto event = boost::json::parse(line);
    EXPECT_EQ(event.at("text").as_string(), text);
    EXPECT_EQ(event.at("level").as_string(), "warn");
    EXPECT_EQ(event.at("agent").as_string(), "edge-agent");
    EXPECT_EQ(event.at("time").as_string().size(), 24U);
}

TEST(Log, LeavesOutWhatIsBelowItsLevel) {
    EXPECT_EQ(written({config::LogLevel::error, config::LogFormat::text}, "x"), "");
}

TEST(Escape, PassesPrintableAsciiAndEscapesTheRest) {
    EXPECT_EQ(escape("plant/line 3"), "plant/line 3");
    EXPECT_EQ(escape("a\nb\tc"), "a\\x0ab\\x09c");
    EXPECT_EQ(escape("say \"x\" \\ it's"), "say \\\"x\\\" \\\\ it's");
    EXPECT_EQ(escape("\xc3\xa9\x7f"), "\\xc3\\xa9\\x7f");
    EXPECT_EQ(escape(std::string_view("\0", 1)), "\\x00");
}

TEST(Escape, IsBoundedAndNeverCutsAnEscape) {
    EXPECT_EQ(escape(std::string(10, 'x'), 10), std::string(10, 'x'));
    EXPECT_EQ(escape(std::string(11, 'x'), 10), std::string(7, 'x') + "...");
    EXPECT_EQ(escape("xxxx\n\n", 10), "xxxx...");
    for (std::size_t max = 0; max < 12; ++max)
        EXPECT_LE(escape("\n\"x\n\n\"\xff", max).size(), max) << max;
    EXPECT_EQ(escape(std::string(100'000, '\n')).size(), 255U);
}

}  // namespace
}  // namespace sallyport::ops
