#include "tests/bench/report.hpp"

#include <array>

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

namespace sallyport::bench {
namespace {

using mqtt::Qos;

TEST(Report, IsNotGoodOnLossRepeatDisorderOrRefusalFromQos1On) {
    constexpr std::array<std::uint64_t Report::*, 4> kFaults{
        &Report::lost, &Report::repeated, &Report::out_of_order, &Report::refused};
    for (const auto fault : kFaults) {
        Report report;
        EXPECT_TRUE(report.is_good(Qos::at_least_once));
        report.*fault = 1;
        EXPECT_FALSE(report.is_good(Qos::at_least_once));
        EXPECT_FALSE(report.is_good(Qos::exactly_once));
        EXPECT_TRUE(report.is_good(Qos::at_most_once));
    }
}

TEST(Report, IsNeverGoodWhenTheRunWasCutShort) {
    Report report;
    report.error = "timeout";
    EXPECT_FALSE(report.is_good(Qos::at_most_once));
}

TEST(Report, SaysTheSameInJsonAsItCounted) {
    Report report;
    report.sent = 10;
    report.received = 9;
    report.lost = 1;
    report.error = "a \"quoted\" reason";
    report.latency.record(2'000'000);
    const auto json = boost::json::parse(to_json(Options{}, report));
    EXPECT_EQ(json.at("sent").as_int64(), 10);
    EXPECT_EQ(json.at("received").as_int64(), 9);
    EXPECT_EQ(json.at("lost").as_int64(), 1);
    EXPECT_EQ(json.at("error").as_string(), "a \"quoted\" reason");
    EXPECT_FALSE(json.at("good").as_bool());
    EXPECT_DOUBLE_EQ(json.at("latency_ms").at("p99").as_double(), 2.0);
}

}  // namespace
}  // namespace sallyport::bench
