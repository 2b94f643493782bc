#include "edge-agent/ingest/timestamp.hpp"

#include <gtest/gtest.h>

namespace sallyport::ingest {
namespace {

std::string iso(std::string_view text) {
    const auto time = parse_rfc3339(text);
    return time ? base::to_rfc3339(*time) : "none";
}
std::string number(std::string_view text, TimeFormat format) {
    const auto time = parse_time_number(text, format);
    return time ? base::to_rfc3339(*time) : "none";
}

TEST(Timestamp, ReadsRfc3339) {
    EXPECT_EQ(iso("2026-01-02T03:04:05Z"), "2026-01-02T03:04:05.000000000Z");
    EXPECT_EQ(iso("2026-01-02t03:04:05.5z"), "2026-01-02T03:04:05.500000000Z");
    EXPECT_EQ(iso("2026-01-02 03:04:05.123456789-00:00"), "2026-01-02T03:04:05.123456789Z");
    EXPECT_EQ(iso("2026-01-02T03:04:05.1234567899Z"), "2026-01-02T03:04:05.123456789Z");
    EXPECT_EQ(iso("2026-01-01T00:30:00+05:45"), "2025-12-31T18:45:00.000000000Z");
    EXPECT_EQ(iso("1969-12-31T19:00:01.5-05:00"), "1970-01-01T00:00:01.500000000Z");
    EXPECT_EQ(iso("2024-02-29T00:00:00Z"), "2024-02-29T00:00:00.000000000Z");
}

TEST(Timestamp, ALeapSecondIsTheSecondThatFollows) {
    EXPECT_EQ(iso("2016-12-31T23:59:60Z"), "2017-01-01T00:00:00.000000000Z");
    EXPECT_EQ(iso("2016-12-31T15:59:60.25-08:00"), "2017-01-01T00:00:00.250000000Z");
    EXPECT_EQ(iso("2016-12-31T23:58:60Z"), "none");
    EXPECT_EQ(iso("2016-12-31T23:59:61Z"), "none");
}

TEST(Timestamp, RefusesWhatIsNoTime) {
    for (const auto* bad :
         {"", "now", "2026-01-02", "2026-01-02T03:04:05", "2026-01-02T03:04Z",
          "2026-02-30T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-02T24:00:00Z",
          "2026-01-02T03:60:00Z", "2026-01-02T03:04:05.Z", "2026-01-02T03:04:05+1:00",
          "2026-01-02T03:04:05+24:00", "2026-01-02T03:04:05Zx", "20260102T030405Z",
          "1600-01-01T00:00:00Z", "2300-01-01T00:00:00Z", " 2026-01-02T03:04:05Z"})
        EXPECT_EQ(iso(bad), "none") << bad;
}

TEST(Timestamp, ReadsNumbersToTheNanosecond) {
    EXPECT_EQ(number("1700000000.123456789", TimeFormat::s), "2023-11-14T22:13:20.123456789Z");
    EXPECT_EQ(number("1700000000123.5", TimeFormat::ms), "2023-11-14T22:13:20.123500000Z");
    EXPECT_EQ(number("1700000000123456", TimeFormat::us), "2023-11-14T22:13:20.123456000Z");
    EXPECT_EQ(number("1700000000123456789", TimeFormat::ns), "2023-11-14T22:13:20.123456789Z");
    EXPECT_EQ(number("1.7E+9", TimeFormat::s), "2023-11-14T22:13:20.000000000Z");
    EXPECT_EQ(number("17000000000e-1", TimeFormat::s), "2023-11-14T22:13:20.000000000Z");
    EXPECT_EQ(number("-1", TimeFormat::s), "1969-12-31T23:59:59.000000000Z");
    EXPECT_EQ(number("0", TimeFormat::s), "1970-01-01T00:00:00.000000000Z");
}

TEST(Timestamp, TellsTheUnitByTheNumbersSize) {
    for (const auto* same : {"1700000000", "1700000000000", "1700000000000000",
                             "1700000000000000000", "1.7e9", "1.7e12"})
        EXPECT_EQ(number(same, TimeFormat::automatic), "2023-11-14T22:13:20.000000000Z") << same;
}

TEST(Timestamp, RefusesNumbersThatNoTimeHas) {
    for (const auto* bad : {"1e400", "1e99", "9223372036854775808", "99999999999999999999", "x", "",
                            "-", "1.2.3", "1e", ".5", "0x10", "1e-400"})
        EXPECT_EQ(number(bad, TimeFormat::ns), "none") << bad;
    EXPECT_EQ(number(std::string(100, '1'), TimeFormat::s), "none");
    EXPECT_EQ(number("9300000000", TimeFormat::s), "none") << "after 2262";
    EXPECT_EQ(number("1700000000", TimeFormat::iso), "none");
}

}  // namespace
}  // namespace sallyport::ingest
