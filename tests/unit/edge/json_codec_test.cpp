#include "edge-agent/ingest/json_codec.hpp"

#include <gtest/gtest.h>

#include "tests/unit/edge/memory_in_use.hpp"

namespace sallyport::ingest {
namespace {

using record::Quality;
using namespace std::chrono_literals;

constexpr base::WallTime kArrival{1'700'000'000'000'000'000};  // 2023-11-14T22:13:20Z

record::JsonPointer pointer(std::string_view text) {
    return record::JsonPointer::parse(text).value();
}
JsonCodec standard_codec() {
    return JsonCodec(
        {pointer("/value"), pointer("/quality"), pointer("/timestamp"), TimeFormat::automatic});
}
Reading read(std::string_view payload, base::WallTime arrival = kArrival) {
    return standard_codec().read(base::as_bytes(payload), arrival);
}
Quality quality_of(const std::string& quality) {
    const auto reading = read(R"({"value":1,"quality":)" + quality + "}");
    EXPECT_TRUE(reading.is_readable) << quality;
    return reading.quality;
}
bool is_unreadable(std::string_view payload) {
    const auto reading = read(payload);
    return !reading.is_readable && reading.quality == Quality::uncertain;
}

TEST(JsonCodec, FindsQualityAndTime) {
    const auto reading = read(
        R"({"value":21.5,"quality":"Bad.SensorFailure","timestamp":"2023-11-14T22:13:19.5Z"})");
    EXPECT_TRUE(reading.is_readable);
    EXPECT_EQ(reading.quality, Quality::bad_sensor_failure);
    EXPECT_EQ(reading.source_time, kArrival + (-500ms));
}

TEST(JsonCodec, AValueAloneIsGoodAndOfNow) {
    for (const auto* payload :
         {R"({"value":1})", R"({"value":null,"quality":null,"timestamp":null})"}) {
        const auto reading = read(payload);
        EXPECT_TRUE(reading.is_readable) << payload;
        EXPECT_EQ(reading.quality, Quality::good);
        EXPECT_EQ(reading.source_time, std::nullopt);
    }
}

TEST(JsonCodec, LooksWhereItIsTold) {
    const JsonCodec codec({pointer("/d/0/v"), pointer("/d/0/q"), pointer("/ts"), TimeFormat::ms});
    const auto reading =
        codec.read(base::as_bytes(R"({"ts":1699999999999,"d":[{"v":1,"q":64}]})"), kArrival);
    EXPECT_EQ(reading.quality, Quality::uncertain);
    EXPECT_TRUE(reading.is_readable);
    EXPECT_EQ(reading.source_time, kArrival + (-1ms));
    const JsonCodec bare({pointer(""), pointer("/quality"), pointer("/timestamp"), {}});
    EXPECT_EQ(bare.read(base::as_bytes("21.5"), kArrival).quality, Quality::good);
}

TEST(JsonCodec, ReadsEveryWayToSayAQuality) {
    EXPECT_EQ(quality_of("192"), Quality::good);
    EXPECT_EQ(quality_of("0"), Quality::bad) << "OPC Classic, not OPC UA";
    EXPECT_EQ(quality_of("28"), Quality::bad_out_of_service);
    EXPECT_EQ(quality_of("\"216\""), Quality::good_local_override);
    EXPECT_EQ(quality_of("500"), Quality::uncertain_last_usable) << "Sparkplug's stale";
    EXPECT_EQ(quality_of("true"), Quality::good);
    EXPECT_EQ(quality_of("false"), Quality::bad);
    for (const auto* name : {"\"Good\"", "\"GOOD\"", "\"good\""})
        EXPECT_EQ(quality_of(name), Quality::good);
    for (const auto* name : {"\"Bad.SensorFailure\"", "\"bad_sensor_failure\"",
                             "\"BadSensorFailure\"", "2156658688", "-2138308608"})
        EXPECT_EQ(quality_of(name), Quality::bad_sensor_failure) << name;
    EXPECT_EQ(quality_of("2147483648"), Quality::bad);
    EXPECT_EQ(quality_of("1083179008"), Quality::uncertain_last_usable);
    EXPECT_EQ(quality_of("1073807360"), Quality::uncertain) << "a status without a row";
    EXPECT_EQ(quality_of("\"UncertainLastUsableValue\""), Quality::uncertain_last_usable);
}

TEST(JsonCodec, WhatItCannotReadIsUncertain) {
    for (const auto* payload :
         {"", "21.5", "not json", "{", R"({"v":1})", R"({"value":NaN})", R"({"value":1}x)",
          R"({"value":1,"quality":"fine"})", R"({"value":1,"quality":1.5})",
          R"({"value":1,"quality":{}})", R"({"value":1,"quality":99999999999})",
          R"({"value":1,"quality":"\u0047ood"})", R"({"value":1,"timestamp":"yesterday"})",
          R"({"value":1,"timestamp":true})", R"({"value":1,"timestamp":1e400})",
          R"({"value":1,"value":2})", R"({"value":1,"quality":192,"quality":0})"})
        EXPECT_TRUE(is_unreadable(payload)) << payload;
    EXPECT_TRUE(is_unreadable(std::string(100'000, '[')));
    EXPECT_TRUE(is_unreadable(R"({"value":")" + std::string(record::kJsonBytesMax, 'x') + "\"}"));
}

TEST(JsonCodec, WhatItCannotReadMakesNothingBetter) {
    const auto reading = read(R"({"value":1,"quality":"Bad.DeviceFailure","timestamp":"?"})");
    EXPECT_FALSE(reading.is_readable);
    EXPECT_EQ(reading.quality, Quality::bad_device_failure);
}

TEST(JsonCodec, ATimeThatCannotBeIsNotBelieved) {
    for (const auto* time : {"\"2023-11-16T00:00:00Z\"", "\"2199-01-01T00:00:00Z\"", "0", "3600",
                             "\"1970-01-01T00:00:00Z\""}) {
        const auto reading =
            read(R"({"value":1,"quality":"Good","timestamp":)" + std::string(time) + "}");
        EXPECT_FALSE(reading.is_time_believed) << time;
        EXPECT_EQ(reading.source_time, std::nullopt);
        EXPECT_EQ(reading.quality, Quality::good) << "the value is what it is";
    }
    const auto old = read(R"({"value":1,"timestamp":"2001-01-01T00:00:00Z"})");
    EXPECT_TRUE(old.source_time) << "buffered for however long";
    const auto ahead = read(R"({"value":1,"timestamp":"2023-11-15T22:13:20Z"})");
    EXPECT_TRUE(ahead.source_time) << "a day of difference may be the edge's";
    const base::WallTime just_booted{5'000'000'000};
    EXPECT_TRUE(read(R"({"value":1,"timestamp":1700000000})", just_booted).source_time)
        << "an edge whose clock was not set yet is no judge";
}

TEST(JsonCodec, AllocatesNothing) {
    const auto codec = standard_codec();
    const auto payload = R"({"value":{"deep":[1,2,[3]]},"quality":"Good","timestamp":1.7e9})";
    codec.read(base::as_bytes(payload), kArrival);
    const auto before = edge_core::memory_in_use();
    EXPECT_TRUE(codec.read(base::as_bytes(payload), kArrival).is_readable);
    EXPECT_EQ(edge_core::memory_in_use(), before);
}

}  // namespace
}  // namespace sallyport::ingest
