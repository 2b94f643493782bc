#include "it-agent/sinks/ledger.hpp"

#include <gtest/gtest.h>

namespace sallyport::sinks {
namespace {

using record::LedgerReason;

constexpr record::Epoch kEpoch = 7;

record::LedgerEntry range(record::Seq first, record::Seq last,
                          LedgerReason reason = LedgerReason::dropped,
                          record::Epoch epoch = kEpoch) {
    record::LedgerEntry entry;
    entry.peer = "acme/line3";
    entry.reason = reason;
    entry.epoch = epoch;
    entry.first = first;
    entry.last = last;
    entry.since = entry.until = {1000};
    return entry;
}

using Bounds = std::vector<std::pair<record::Seq, record::Seq>>;
Bounds bounds(const Ledger& ledger) {
    Bounds all;
    for (const auto& row : ledger.rows(0, 100)) {
        EXPECT_TRUE(row.settled);
        all.emplace_back(row.entry.first, row.entry.last);
    }
    return all;
}

/// What a table holds after all changes.
std::vector<record::LedgerRow> apply(Ledger& ledger, std::vector<record::LedgerRow> table = {}) {
    const auto change = ledger.take_change();
    for (const auto id : change.erased)
        std::erase_if(table, [&](const auto& row) { return row.id == id; });
    for (const auto& row : change.put) {
        std::erase_if(table, [&](const auto& other) { return other.id == row.id; });
        table.push_back(row);
    }
    return table;
}

TEST(ItLedger, HasARangeOnceHoweverOftenItIsNamed) {
    Ledger ledger;
    EXPECT_FALSE(ledger.is_changed());
    EXPECT_EQ(ledger.add_range(range(5, 9)), 5U);
    EXPECT_TRUE(ledger.is_changed());
    ledger.begin_pass();
    EXPECT_EQ(ledger.add_range(range(5, 9)), 0U);
    EXPECT_EQ(ledger.add_range(range(1, 12, LedgerReason::damaged)), 7U) << "around it";
    EXPECT_EQ(bounds(ledger), (Bounds{{5, 9}, {1, 4}, {10, 12}}));
    EXPECT_EQ(ledger.add_range(range(5, 9, LedgerReason::dropped, kEpoch + 1)), 5U);
    const auto& sums = ledger.sums();
    EXPECT_EQ(sums.at({"acme/line3", LedgerReason::dropped}), 10U);
    EXPECT_EQ(sums.at({"acme/line3", LedgerReason::damaged}), 7U);
}

TEST(ItLedger, KnowsARangeThatIsNamedUnderALaterRunOfTheSameLog) {
    const std::vector<tunnel::Run> log{{kEpoch, 10, 12}, {kEpoch + 1, 13, 30}};
    Ledger ledger;
    EXPECT_EQ(ledger.add_range(range(1, 9), log), 9U);
    ledger.begin_pass();
    EXPECT_EQ(ledger.add_range(range(1, 14, LedgerReason::dropped, kEpoch + 1), log), 5U);
    EXPECT_EQ(bounds(ledger), (Bounds{{1, 9}, {10, 14}}));
    EXPECT_EQ(ledger.add_range(range(5, 12), log), 0U) << "and under an earlier one";
}

TEST(ItLedger, TakesOtherRecordsAtTheSameSeqsForOthers) {
    Ledger ledger;
    EXPECT_EQ(ledger.add_range(range(1, 9), {{kEpoch, 1, 9}}), 9U);
    constexpr auto kOther = kEpoch + 1;
    const auto other = range(1, 9, LedgerReason::dropped, kOther);
    EXPECT_EQ(ledger.add_range(other, {{kOther, 1, 9}}), 9U) << "a log begun anew";
    Ledger restored;
    EXPECT_EQ(restored.add_range(range(4, 9), {{kEpoch, 1, 9}}), 6U);
    EXPECT_EQ(restored.add_range(range(1, 12, LedgerReason::dropped, kOther),
                                 {{kEpoch, 1, 6}, {kOther, 7, 12}}),
              9U)
        << "an older copy, which went on from 7";
}

TEST(ItLedger, JoinsRangesThatMeetWithinAPass) {
    Ledger ledger;
    ledger.add_range(range(1, 4));
    ledger.add_range(range(5, 9));
    ledger.add_range(range(10, 11, LedgerReason::damaged));
    EXPECT_EQ(bounds(ledger), (Bounds{{1, 9}, {10, 11}}));
    ledger.begin_pass();
    ledger.add_range(range(12, 12, LedgerReason::damaged));
    EXPECT_EQ(bounds(ledger), (Bounds{{1, 9}, {10, 11}, {12, 12}}));
}

TEST(ItLedger, ComesBackFromItsTableAsItWas) {
    Ledger ledger;
    ledger.add_range(range(1, 4));
    auto table = apply(ledger);
    ledger.add_range(range(5, 6));
    table = apply(ledger, table);
    EXPECT_FALSE(ledger.is_changed());
    Ledger again(table);
    EXPECT_FALSE(again.is_changed());
    EXPECT_EQ(again.sums(), ledger.sums());
    EXPECT_EQ(again.add_range(range(1, 7)), 1U);
    EXPECT_EQ(bounds(again), (Bounds{{1, 6}, {7, 7}})) << "another process, another pass";
}

TEST(ItLedger, IsBoundedAndKeepsItsSums) {
    constexpr std::size_t kRows = 10;
    Ledger ledger({}, kRows);
    std::vector<record::LedgerRow> table;
    for (record::Seq seq = 1; seq <= 100; ++seq) {
        ledger.add_range(range(seq * 10, seq * 10 + 1,
                               seq % 2 == 0 ? LedgerReason::dropped : LedgerReason::damaged));
        table = apply(ledger, table);
    }
    EXPECT_EQ(ledger.size(), kRows);
    EXPECT_EQ(ledger.sums().at({"acme/line3", LedgerReason::dropped}), 100U);
    EXPECT_EQ(ledger.sums().at({"acme/line3", LedgerReason::damaged}), 100U);
    Ledger again(table, kRows);
    EXPECT_EQ(again.sums(), ledger.sums());
    EXPECT_EQ(again.rows(0, 100), ledger.rows(0, 100));
    EXPECT_EQ(again.rows(0, 3).size(), 3U);
    EXPECT_EQ(again.rows(again.rows(0, 9).back().id, 100).size(), 1U) << "page by page";
}

TEST(ItLedger, TakesARangeToTheEndOfNumbers) {
    Ledger ledger;
    EXPECT_EQ(ledger.add_range(range(UINT64_MAX - 1, UINT64_MAX)), 2U);
    EXPECT_EQ(ledger.add_range(range(UINT64_MAX - 2, UINT64_MAX)), 1U);
}

}  // namespace
}  // namespace sallyport::sinks
