#include "common/ops/metrics.hpp"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::ops {
namespace {

TEST(Metrics, AFamilyIsToldOnceWithASeriesForEachLabel) {
    Metrics metrics;
    const std::vector<std::string> names{"hq", "archive"};
    metrics.gauges(
        "live", "1 while live.", "destination", names, [](const std::string& name) { return name; },
        [](const std::string& name) { return name.size(); });
    EXPECT_TRUE(std::move(metrics).text().starts_with(
        "# HELP sallyport_live 1 while live.\n# TYPE sallyport_live gauge\n"
        "sallyport_live{destination=\"hq\"} 2\nsallyport_live{destination=\"archive\"} 7\n"));
}

TEST(Metrics, EscapesLabelValues) {
    EXPECT_EQ(escape_label("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
}

TEST(Metrics, WhatIsNotKnownHasNoSample) {
    Metrics metrics;
    metrics.gauge("age_seconds", "Age.", std::optional<double>());
    EXPECT_EQ(std::move(metrics).text().find("\nsallyport_age_seconds"), std::string::npos);
}

TEST(Metrics, AFamilyIsBoundedAndTheRestIsCounted) {
    Metrics metrics;
    const std::vector<int> items(Metrics::kSeriesMax + 5, 1);
    metrics.counters(
        "n_total", "N.", "item", items, [](int) { return "x"; }, [](int item) { return item; });
    const auto text = std::move(metrics).text();
    EXPECT_NE(text.find("\nsallyport_metrics_left_out 5\n"), std::string::npos);
    const auto lines = static_cast<std::size_t>(std::ranges::count(text, '\n'));
    EXPECT_EQ(lines, 2 + Metrics::kSeriesMax + 3);
}

}  // namespace
}  // namespace sallyport::ops
