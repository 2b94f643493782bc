#include "common/config/units.hpp"

#include <gtest/gtest.h>

#include "common/config/suggestion.hpp"

namespace sallyport::config {
namespace {

using namespace std::chrono_literals;

TEST(Duration, ReadsWholeNumbersWithAUnit) {
    EXPECT_EQ(parse_duration("500ms"), 500ms);
    EXPECT_EQ(parse_duration("2s"), 2s);
    EXPECT_EQ(parse_duration("1m"), 1min);
    EXPECT_EQ(parse_duration("2h"), 2h);
    EXPECT_EQ(parse_duration("397d"), 397 * 24h);
}

TEST(Duration, RefusesAnythingElse) {
    for (const auto* text : {"", "2", "s", "-1s", "+1s", "1.5s", "1 s", " 1s", "1s ", "1S", "1us",
                             "99999999999999999999s", "10000000000h"})
        EXPECT_EQ(parse_duration(text), std::nullopt) << text;
}

TEST(Size, ReadsWholeNumbersWithAUnit) {
    EXPECT_EQ(parse_size("1000B"), 1000U);
    EXPECT_EQ(parse_size("32KiB"), 32768U);
    EXPECT_EQ(parse_size("64MiB"), 64U << 20U);
    EXPECT_EQ(parse_size("8GiB"), 8ULL << 30U);
    EXPECT_EQ(parse_size("2TiB"), 2ULL << 40U);
}

TEST(Size, RefusesAnythingElse) {
    for (const auto* text : {"", "8", "8GB", "8G", "-1B", "1.5GiB", "8 GiB", "8gib",
                             "18446744073709551616B", "16777216TiB"})
        EXPECT_EQ(parse_size(text), std::nullopt) << text;
}

TEST(Units, AreWrittenInTheLargestWholeUnit) {
    EXPECT_EQ(format_duration(120s), "2m");
    EXPECT_EQ(format_duration(1500ms), "1500ms");
    EXPECT_EQ(format_size(1U << 20U), "1MiB");
    EXPECT_EQ(format_size(1000), "1000B");
}

TEST(Suggestion, CountsEdits) {
    EXPECT_EQ(edit_distance("", "abc"), 3U);
    EXPECT_EQ(edit_distance("adress", "address"), 1U);
    EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
    EXPECT_EQ(edit_distance("same", "same"), 0U);
}

TEST(Suggestion, IsAtMostTwoEditsAwayAndNeverAnotherWord) {
    EXPECT_EQ(nearest("max_cleints", {"max_clients", "max_inflight"}), "max_clients");
    EXPECT_EQ(nearest("mx_clnts", {"max_clients"}), std::nullopt);
    EXPECT_EQ(nearest("ab", {"ca", "key"}), std::nullopt);
    EXPECT_EQ(nearest(std::string(100'000, 'x'), {"key"}), std::nullopt);
}

TEST(InQuotes, KeepsAnErrorOnOneLine) {
    EXPECT_EQ(in_quotes("a\nb"), "'a?b'");
    EXPECT_EQ(in_quotes(std::string(100, 'x')), "'" + std::string(64, 'x') + "...'");
}

}  // namespace
}  // namespace sallyport::config
