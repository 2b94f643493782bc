#include "common/ops/page.hpp"

#include <gtest/gtest.h>

#include "common/ops/page_views.hpp"

namespace sallyport::ops {
namespace {

constexpr base::WallTime kThen{1'767'323'045'000'000'000};  // 2026-01-02T03:04:05Z

Page page() {
    return {"edge-agent acme/line3",
            kThen + std::chrono::seconds(126),
            {{"edge → relay", "lost", false, kThen, "no byte for 6 s", "dialling again"},
             {"spool", "live", true, std::nullopt, {}, "64.0 MiB of 8.0 GiB"},
             {"hq", "behind", false, kThen, "2 min behind", {}}}};
}

TEST(Page, TellsWhatIsWrongFirst) {
    EXPECT_EQ(to_text(page()),
              "edge-agent acme/line3   2026-01-02 03:06:11 UTC   NOT LIVE: 2 of 3 hops\n"
              "! edge → relay    lost         since 03:04:05 (2 min 6 s)      "
              "no byte for 6 s; dialling again\n"
              "! hq              behind       since 03:04:05 (2 min 6 s)      2 min behind\n"
              "  spool           live                                         "
              "64.0 MiB of 8.0 GiB\n");
}

TEST(Page, IsLiveWhereEveryHopIs) {
    auto all = page();
    EXPECT_FALSE(all.live());
    EXPECT_EQ(wrong(all),
              (std::vector<std::string>{
                  "edge → relay lost since 03:04:05 (2 min 6 s): no byte for 6 s; dialling again",
                  "hq behind since 03:04:05 (2 min 6 s): 2 min behind"}));
    for (auto& hop : all.hops) hop.live = true;
    EXPECT_TRUE(all.live());
    EXPECT_TRUE(wrong(all).empty());
    EXPECT_NE(to_text(all).find("UTC   live\n"), std::string::npos);
}

TEST(Page, ColumnsStandStillWhileTimeGoesOn) {
    auto later = page();
    later.now = kThen + std::chrono::hours(5) + std::chrono::minutes(59);
    const auto column = [](const Page& each) {
        return to_text(each).find("2 min behind") - to_text(each).find("! hq");
    };
    EXPECT_EQ(column(page()), column(later));
}

TEST(Page, LetsNoControlCharacterThrough) {
    auto bad = page();
    bad.hops[0].name = "edge\x1b[2J";
    bad.hops[0].reason = "line\nbreak";
    const auto text = to_text(bad) + wrong(bad).front();
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
    EXPECT_NE(text.find("edge\\x1b[2J"), std::string::npos) << text;
    EXPECT_NE(text.find("line\\x0abreak"), std::string::npos) << text;
}

TEST(Page, BecomesJsonAndMetricsOfTheSameFacts) {
    boost::json::object status;
    add_page(status, page());
    EXPECT_FALSE(status.at("live").as_bool());
    const auto& hop = status.at("hops").as_array().at(0).as_object();
    EXPECT_EQ(hop.at("state"), "lost");
    EXPECT_EQ(hop.at("since"), "2026-01-02T03:04:05.000000000Z");
    EXPECT_EQ(hop.at("reason"), "no byte for 6 s");
    EXPECT_TRUE(status.at("hops").as_array().at(1).at("since").is_null());

    Metrics metrics;
    add_page(metrics, page());
    const auto text = std::move(metrics).text();
    EXPECT_NE(text.find("\nsallyport_live 0\n"), std::string::npos) << text;
    EXPECT_NE(text.find("\nsallyport_hop_live{hop=\"edge → relay\"} 0\n"), std::string::npos);
    EXPECT_NE(text.find("\nsallyport_hop_live{hop=\"spool\"} 1\n"), std::string::npos);
    EXPECT_NE(text.find("_timestamp_seconds{hop=\"hq\"} 1767323045\n"), std::string::npos) << text;
}

}  // namespace
}  // namespace sallyport::ops
