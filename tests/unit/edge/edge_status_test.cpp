// The page, the JSON and the metrics of an edge tell the same facts.
#include "edge-agent/runtime/edge_status.hpp"

#include <set>

#include <boost/json.hpp>

#include "tests/unit/edge/edge_fixture.hpp"

namespace sallyport::edge_core {
namespace {

using namespace std::chrono_literals;

class EdgeStatusTest : public EdgeTest {
protected:
    std::string page() { return to_text(edge_agent::page(status(), "acme/line3", now_)); }
    std::vector<std::string> wrong() {
        return ops::wrong(edge_agent::page(status(), "acme/line3", now_));
    }
    boost::json::object json() {
        return boost::json::parse(edge_agent::status_json(status(), "acme/line3", now_))
            .as_object();
    }
    std::string metrics() { return edge_agent::metrics_text(status(), "acme/line3", now_); }
    static bool holds(const std::string& text, const std::string& part) {
        return text.find(part) != std::string::npos;
    }
};

TEST_F(EdgeStatusTest, ALostPathIsToldTheSameEverywhere) {
    start();
    auto& plc = join("plc");
    connect_far();
    publish(plc, "plant/a", "1", 1);
    EXPECT_EQ(wrong(), Lines{});
    EXPECT_TRUE(json().at("live").as_bool());
    EXPECT_TRUE(holds(metrics(), "\nsallyport_destination_live{destination=\"hq\"} 1\n"));

    lose_link();
    pass(1s);
    publish(plc, "plant/a", "2", 2);
    pass(3s);
    ASSERT_EQ(wrong().size(), 2U);
    EXPECT_TRUE(holds(wrong()[0], "edge → relay lost since 00:16:")) << wrong()[0];
    EXPECT_TRUE(holds(wrong()[1], "hq lost")) << wrong()[1];
    EXPECT_TRUE(holds(wrong()[1], "reset; 1 record waits, the oldest 3 s old")) << wrong()[1];
    EXPECT_TRUE(holds(page(), "NOT LIVE: 2 of 4 hops")) << page();

    const auto told = json();
    EXPECT_FALSE(told.at("live").as_bool());
    const auto& hq = told.at("destinations").as_array().at(0).as_object();
    EXPECT_EQ(hq.at("state"), "lost");
    EXPECT_EQ(hq.at("reason"), "reset");
    EXPECT_DOUBLE_EQ(hq.at("oldest_unacknowledged_s").as_double(), 3.0);
    EXPECT_EQ(hq.at("waiting_records").to_number<int>(), 1);
    EXPECT_EQ(told.at("relay").as_object().at("last_failure"), "reset");

    const auto text = metrics();
    EXPECT_TRUE(holds(text, "\nsallyport_destination_live{destination=\"hq\"} 0\n")) << text;
    EXPECT_TRUE(holds(text, "_oldest_unacknowledged_seconds{destination=\"hq\"} 3\n")) << text;
    EXPECT_TRUE(holds(text, "\nsallyport_live 0\n")) << text;
}

TEST_F(EdgeStatusTest, ABacklogThatGrowsTellsWhenTheSpoolIsFull) {
    start();
    auto& plc = join("plc");
    for (std::uint16_t i = 1; i <= 100; ++i) {
        publish(plc, "plant/a", std::string(1000, 'x'), i);
        pass(100ms);
    }
    const auto outlook = status().outlook;
    EXPECT_NEAR(*outlook.bytes_per_s, 11'000, 1'500);
    ASSERT_TRUE(outlook.until_full);
    const auto told = json().at("spool").as_object();
    EXPECT_NEAR(told.at("seconds_until_full").as_double(), 8.6e9 / 11'000, 1.5e5);
    EXPECT_TRUE(holds(page(), "full in ")) << page();
    const auto tight = core_->status(now_, 300'000);  // what the file system has left
    EXPECT_LT(*tight.outlook.until_full, 60s);
}

TEST_F(EdgeStatusTest, WithoutDestinationsTheSpoolsDiskDecides) {
    options_.destinations = {};
    start();
    auto& plc = join("plc");
    EXPECT_EQ(wrong(), Lines{});
    disk_.fail(simulation::ModelDisk::Kind::sync, 1, spool::DiskError::no_space);
    publish(plc, "plant/a", "1", 1);
    const auto failed = now_.wall;
    pass(500ms);
    ASSERT_EQ(wrong().size(), 1U);
    EXPECT_TRUE(holds(wrong()[0], "local spool failing since")) << wrong()[0];
    EXPECT_TRUE(holds(wrong()[0], std::string(to_string(spool::DiskError::no_space))))
        << wrong()[0];
    EXPECT_EQ(status().spool_since, failed);
    pass(1s);
    EXPECT_EQ(wrong(), Lines{});
}

TEST_F(EdgeStatusTest, NoTwoHopsAreCalledTheSameWhateverADestinationIsCalled) {
    options_.destinations = {"spool", "broker", "relay"};
    start();
    std::set<std::string> names;
    const auto all = edge_agent::page(status(), "acme/line3", now_);
    for (const auto& hop : all.hops) names.insert(hop.name);
    EXPECT_EQ(names.size(), all.hops.size());
}

TEST_F(EdgeStatusTest, AfterARestartTheAgeOfWhatWaitsIsNotKnown) {
    start();
    auto& plc = join("plc");
    publish(plc, "plant/a", "1", 1);
    clients_.clear();
    start();
    pass(5s);
    EXPECT_EQ(status().uplink.destinations.at(0).oldest_unacknowledged, std::nullopt);
    EXPECT_TRUE(json()
                    .at("destinations")
                    .as_array()
                    .at(0)
                    .as_object()
                    .at("oldest_unacknowledged_s")
                    .is_null());
    connect_far();
    EXPECT_EQ(wrong(), Lines{});
}

}  // namespace
}  // namespace sallyport::edge_core
