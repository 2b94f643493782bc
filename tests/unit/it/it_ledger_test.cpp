// What edges name missing stands in the it-agent's ledger before a position passes it, once.
#include <algorithm>

#include "it-agent/runtime/it_status.hpp"
#include "it-agent/runtime/ledger_verb.hpp"
#include "tests/unit/it/it_fixture.hpp"

namespace sallyport::it_core {
namespace {

using record::LedgerReason;

constexpr record::Epoch kEpoch = 0xABC;

class LedgeredGapTest : public ItTest {
protected:
    LedgeredGapTest() {
        start();
        for (int i = 1; i <= 12; ++i) log_.add("plant/a", std::to_string(i));
    }
    EdgeSession& connect_and_name(record::Seq from, record::Seq to, tunnel::GapReason why) {
        auto& session = connect_edge(log_);
        session.sender.send_gap({kEpoch, from, to, why});
        drain();
        return session;
    }
    EdgeSession& open_log(const tunnel::Log& log) {
        auto& session = edges().open(++session_, "acme/line3", log, now_);
        drain();
        return session;
    }
    std::uint64_t ledgered() {
        std::uint64_t records = 0;
        for (const auto& sum : core().status().ledger) records += sum.records;
        return records;
    }

    EdgeLog log_{kEpoch};
    std::uint64_t session_ = 900;
};

TEST_F(LedgeredGapTest, IsOneTransactionWithThePositionThatPassesIt) {
    hold_store();
    deliver(connect_and_name(1, 10, tunnel::GapReason::dropped), log_, 11);
    start();  // killed before the commit: neither is there
    release_store();
    EXPECT_TRUE(store_.ledger.empty());
    EXPECT_TRUE(store_.positions.empty());
    deliver(connect_and_name(1, 10, tunnel::GapReason::dropped), log_, 11);
    ASSERT_EQ(store_.ledger.size(), 1U);
    const auto& row = store_.ledger.begin()->second;
    EXPECT_TRUE(row.settled);
    EXPECT_EQ(row.entry.peer, "acme/line3");
    EXPECT_EQ(row.entry.reason, LedgerReason::dropped);
    EXPECT_EQ(row.entry.epoch, kEpoch);
    EXPECT_EQ(row.entry.first, 1U);
    EXPECT_EQ(row.entry.last, 10U);
    EXPECT_EQ(row.entry.records, 10U);
    EXPECT_EQ(store_.positions.at({"acme/line3", kEpoch}).seq, 11U);
}

TEST_F(LedgeredGapTest, IsThereOnceHoweverOftenItIsNamed) {
    connect_and_name(1, 10, tunnel::GapReason::damaged);
    EXPECT_EQ(ledgered(), 10U) << "though nothing has come behind it";
    start();
    EXPECT_EQ(ledgered(), 10U);
    deliver(connect_and_name(1, 10, tunnel::GapReason::damaged), log_, 11);
    EXPECT_EQ(ledgered(), 10U);
    EXPECT_EQ(core().status().missing_records, 0U) << "since this start";
    EXPECT_EQ(store_.ledger.size(), 1U);
}

TEST_F(LedgeredGapTest, IsThereOnceUnderWhicheverRunOfItsLogItIsNamed) {
    const tunnel::Log log{{{kEpoch, 1, 12}, {kEpoch + 1, 13, 20}}};
    connect_relay();
    auto& first = open_log(log);
    first.sender.send_gap({kEpoch, 1, 10, tunnel::GapReason::dropped});
    drain();
    EXPECT_EQ(ledgered(), 10U);
    lose_link();
    connect_relay();
    auto& second = open_log(log);
    second.sender.send_gap({kEpoch + 1, 1, 14, tunnel::GapReason::dropped});
    drain();
    EXPECT_EQ(ledgered(), 14U);
}

TEST_F(LedgeredGapTest, DoesNotCountWhatAnEarlierRunHasDelivered) {
    deliver(connect_edge(log_), log_, 1);
    deliver(open(log_), log_, 2);
    lose_link();
    connect_relay();
    EdgeSession& session = open_log({{{kEpoch, 1, 12}, {kEpoch + 1, 13, 20}}});
    session.sender.send_gap({kEpoch + 1, 1, 14, tunnel::GapReason::unknown_position});
    drain();
    EXPECT_EQ(ledgered(), 12U) << "1 and 2 were delivered";
}

TEST_F(LedgeredGapTest, IsTriedAgainWithATransactionThatFailed) {
    store_.failures_left = 1;
    connect_and_name(1, 10, tunnel::GapReason::before_log);
    EXPECT_TRUE(store_.ledger.empty());
    pass(std::chrono::seconds(2));
    EXPECT_EQ(store_.ledger.size(), 1U);
}

TEST_F(LedgeredGapTest, IsShown) {
    connect_and_name(1, 10, tunnel::GapReason::before_log);
    const auto contains = [](const std::string& text, std::string_view what) {
        return text.find(what) != std::string::npos;
    };
    EXPECT_TRUE(contains(it_agent::status_json(core().status(), "acme/hq", now_),
                         R"("ledger":{"rows":1,"records":[{"edge":"acme/line3",)"
                         R"("reason":"before-log","records":10}]})"));
    EXPECT_TRUE(contains(it_agent::metrics_text(core().status(), "acme/hq", now_),
                         R"(sallyport_ledger_records_total{reason="before-log"} 10)"));
    const auto answer = it_agent::ledger_answer(core().ledger_rows(0, 1000));
    EXPECT_TRUE(contains(answer, R"("first_seq":1,"last_seq":10,"records":10)"));
    EXPECT_FALSE(contains(answer, "next"));
}

TEST(LedgerQuestion, IsReadAsItIsWritten) {
    EXPECT_EQ(it_agent::parse_ledger_question("ledger 12"), 12U);
    for (const auto* bad : {"ledger", "ledger ", "ledger x", "ledger 1 2", "tags 1"})
        EXPECT_FALSE(it_agent::parse_ledger_question(bad)) << bad;
    std::vector<record::LedgerRow> page(it_agent::kLedgerPageRowsMax);
    page.back().id = 4711;
    EXPECT_NE(it_agent::ledger_answer(page).find(R"("next":4711)"), std::string::npos);
}

}  // namespace
}  // namespace sallyport::it_core
