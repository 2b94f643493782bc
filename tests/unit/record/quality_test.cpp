#include "common/record/quality.hpp"

#include <cctype>
#include <limits>
#include <ostream>
#include <string>

#include <gtest/gtest.h>

#include "common/record/record.hpp"

namespace sallyport::record {
namespace {

struct Row {
    std::uint16_t code;
    std::string_view name;
    std::uint32_t opcua_status;  // OPC 10000-8, annex A.3.2.3, "Quality mapping"; OPC 10000-6, A.2
    std::uint32_t sparkplug;
};

std::ostream& operator<<(std::ostream& out, const Row& row) {
    return out << row.name;
}

constexpr Row kRows[] = {
    {0, "Bad", 0x80000000, 0},
    {4, "Bad.ConfigurationError", 0x80890000, 0},
    {8, "Bad.NotConnected", 0x808A0000, 0},
    {12, "Bad.DeviceFailure", 0x808B0000, 0},
    {16, "Bad.SensorFailure", 0x808C0000, 0},
    {20, "Bad.LastKnown", 0x808D0000, 500},  // Bad_OutOfService
    {24, "Bad.CommFailure", 0x80310000, 0},  // Bad_NoCommunication
    {28, "Bad.OutOfService", 0x808D0000, 0},
    {32, "Bad.WaitingForInitialData", 0x80320000, 0},
    {64, "Uncertain", 0x40000000, 500},
    {68, "Uncertain.LastUsable", 0x40900000, 500},
    {192, "Good", 0x00000000, 192},
    {216, "Good.LocalOverride", 0x00960000, 192},
};

class QualityTable : public testing::TestWithParam<Row> {};

TEST_P(QualityTable, NamesTheCode) {
    EXPECT_EQ(to_string(Quality{GetParam().code}), GetParam().name);
}
TEST_P(QualityTable, MapsToTheOpcUaStatusOfTheStandard) {
    EXPECT_EQ(to_opcua_status(Quality{GetParam().code}), GetParam().opcua_status);
}
TEST_P(QualityTable, MapsToSparkplug) {
    EXPECT_EQ(to_sparkplug_quality(Quality{GetParam().code}), GetParam().sparkplug);
}
INSTANTIATE_TEST_SUITE_P(Codes, QualityTable, testing::ValuesIn(kRows));

TEST(Quality, HasTheCodesOfItsEnumerators) {
    EXPECT_EQ(code(Quality::bad_last_known), 20);
    EXPECT_EQ(code(Quality::bad_waiting_for_initial_data), 32);
    EXPECT_EQ(code(Quality::uncertain_last_usable), 68);
    EXPECT_EQ(code(Quality::good), 192);
    EXPECT_EQ(code(Quality::good_local_override), 216);
}

bool is_listed(std::uint16_t code) {
    for (const auto& row : kRows)
        if (row.code == code) return true;
    return false;
}

TEST(Quality, OfAnUnlistedCodeIsItsTwoQualityBits) {
    for (std::uint32_t code = 0; code <= 0xFFFF; ++code) {
        const auto quality = Quality{static_cast<std::uint16_t>(code)};
        if (is_listed(static_cast<std::uint16_t>(code))) continue;
        const auto bits = code & 0xC0U;
        // 10 is reserved by OPC, and whoever sends it does not say that the value is any good.
        const auto plain = bits == 0xC0   ? Quality::good
                           : bits == 0x40 ? Quality::uncertain
                                          : Quality::bad;
        ASSERT_EQ(to_string(quality), to_string(plain)) << code;
        ASSERT_EQ(to_opcua_status(quality), to_opcua_status(plain)) << code;
        ASSERT_EQ(to_sparkplug_quality(quality), to_sparkplug_quality(plain)) << code;
        ASSERT_EQ(is_good(quality), bits == 0xC0) << code;
    }
}

TEST(Quality, SeverityIsTheSameInAllThree) {
    for (const auto& row : kRows) {
        const auto quality = Quality{row.code};
        EXPECT_EQ(is_good(quality), row.name.starts_with("Good")) << row.name;
        EXPECT_EQ(is_good(quality), to_opcua_status(quality) >> 30U == 0U) << row.name;
        EXPECT_EQ(is_good(quality), to_sparkplug_quality(quality) == 192) << row.name;
        EXPECT_EQ(row.name.starts_with("Bad"), to_opcua_status(quality) >> 30U == 2U) << row.name;
    }
}

TEST(RecordFlags, KeepTheQosApartFromTheRest) {
    constexpr unsigned kAll = kRetain | kHasValue | kClockUnsynchronised | kHistorical | kOverflow;
    for (unsigned qos = 0; qos <= 2; ++qos) {
        EXPECT_EQ(qos_of(qos_bits(qos)), qos);
        EXPECT_EQ(qos_bits(qos) & kAll, 0U);
        EXPECT_EQ(qos_of(static_cast<std::uint16_t>(kAll | qos_bits(qos))), qos);
    }
    EXPECT_EQ(qos_of(kAll), 0U);
}

TEST(Quality, EveryNameReadsBackInAnySpelling) {
    for (const auto& row : kRows) {
        const auto quality = static_cast<Quality>(row.code);
        EXPECT_EQ(quality_from_name(row.name), quality) << row;
        std::string loud;
        for (const char c : row.name)
            if (c != '.') loud += static_cast<char>(std::toupper(c));
        EXPECT_EQ(quality_from_name(loud), quality) << row;
    }
    for (const auto* other : {"", ".", "Goo", "Good.", "Goods", "Bad/SensorFailure", "192"})
        EXPECT_EQ(quality_from_name(other).has_value(), std::string_view(other) == "Good.")
            << other;
}

TEST(Quality, EveryNumberOfItReadsBack) {
    for (const auto& row : kRows) {
        const auto quality = static_cast<Quality>(row.code);
        EXPECT_EQ(quality_from_number(row.code), quality) << row;
        if (row.opcua_status == 0 || quality == Quality::bad_last_known) continue;
        EXPECT_EQ(quality_from_number(row.opcua_status), quality) << row;
        EXPECT_EQ(quality_from_number(static_cast<std::int32_t>(row.opcua_status)), quality);
        EXPECT_EQ(quality_from_number(row.opcua_status | 0x0408), quality) << "info bits";
    }
    EXPECT_EQ(quality_from_number(0xFFFF'FFFF), Quality::bad);
    EXPECT_EQ(quality_from_number(0x1'0000'0000), std::nullopt);
    EXPECT_EQ(quality_from_number(std::numeric_limits<std::int64_t>::min()), std::nullopt);
}

}  // namespace
}  // namespace sallyport::record
