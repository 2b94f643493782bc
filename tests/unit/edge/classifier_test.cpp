#include "edge-agent/ingest/classifier.hpp"

#include <gtest/gtest.h>

#include "tests/unit/edge/memory_in_use.hpp"

namespace sallyport::ingest {
namespace {

/// A spool that numbers topics and does nothing else.
class TagsOnly final : public spool::Spool {
public:
    const spool::RecoveryReport& report() const override { return report_; }
    record::TagId tag(std::string_view topic) override {
        ++asked_;
        if (is_full_) return 0;
        topics_.emplace_back(topic);
        return static_cast<record::TagId>(topics_.size());
    }
    std::optional<std::string_view> topic(record::TagId) const override { return std::nullopt; }
    std::size_t tag_count() const override { return topics_.size(); }
    record::TagId last_tag() const override { return static_cast<record::TagId>(topics_.size()); }
    bool has_room() const override { return false; }
    bool is_full() const override { return false; }
    bool refuses(const tunnel::BatchRecord&, bool) const override { return false; }
    std::optional<record::Seq> append(const tunnel::BatchRecord&, base::Now,
                                      const std::optional<spool::Receipt>&) override {
        return std::nullopt;
    }
    std::optional<spool::DiskJob> next_job(base::Now) override { return std::nullopt; }
    void complete(spool::DiskDone, base::Now) override {}
    std::optional<base::Instant> next_deadline() const override { return std::nullopt; }
    record::Seq synced() const override { return 0; }
    std::vector<spool::Receipt> receipts() const override { return {}; }
    std::uint64_t release(std::uint64_t, std::uint16_t) override { return 0; }
    bool is_released(std::uint64_t) const override { return true; }
    record::Seq delivered() const override { return 0; }
    bool is_left_out(record::Seq) const override { return false; }
    record::Epoch epoch() const override { return 1; }
    std::vector<tunnel::Run> runs() const override { return {}; }
    std::vector<spool::Cursor> cursors() const override { return {}; }
    const spool::SpoolStats& stats() const override { return stats_; }
    std::vector<spool::DestinationCounts> counts() const override { return {}; }
    std::vector<record::LedgerRow> ledger_rows() const override { return {}; }
    void open_reader(const std::string&, const tunnel::Resume&) override {}
    void close_reader(const std::string&) override {}
    spool::ReadResult read(const std::string&) override { return spool::NotYet{}; }
    void set_behind(const std::string&, bool) override {}
    const spool::Pass* pass(const std::string&) const override { return nullptr; }
    std::uint64_t leave_out(const std::string&, const spool::Entry&,
                            std::vector<record::LedgerEntry>) override {
        return 0;
    }
    bool is_ledgered(std::uint64_t) const override { return true; }
    bool may_leave_out(const std::string&) const override { return true; }
    std::optional<base::WallTime> oldest_unread(const std::string&) const override {
        return std::nullopt;
    }
    void advance_cursor(const std::string&, std::uint64_t, const tunnel::Position&) override {}

    std::size_t asked_ = 0;
    bool is_full_ = false;

private:
    std::vector<std::string> topics_;
    spool::RecoveryReport report_;
    spool::SpoolStats stats_;
};

TEST(Classifier, TheFirstRuleThatMatchesDecides) {
    TagsOnly spool;
    const Classifier classifier({{"plant/+/temp"}, {"plant/#"}, {"plant/3/temp"}}, spool);
    EXPECT_EQ(classifier.rule_of("plant/3/temp"), 0U);
    EXPECT_EQ(classifier.rule_of("plant/3/door"), 1U);
    EXPECT_EQ(classifier.rule_of("plant"), 1U);
    EXPECT_EQ(classifier.rule_of("office/3"), std::nullopt);
}

TEST(Classifier, ForwardsNothingWithoutARule) {
    TagsOnly spool;
    Classifier classifier({}, spool);
    EXPECT_EQ(classifier.classify("plant/a"), std::nullopt);
    EXPECT_EQ(spool.asked_, 0U) << "a topic that is not forwarded is no tag";
}

TEST(Classifier, NeverForwardsDollarTopicsOrTheAgentsOwn) {
    TagsOnly spool;
    Classifier classifier({{"#"}, {"$SYS/#"}, {"sallyport/#"}, {"sallyport/tunnel"}}, spool);
    for (const auto* topic : {"$SYS/uptime", "$share", "$", "sallyport/tunnel", "sallyport/"}) {
        EXPECT_EQ(classifier.rule_of(topic), std::nullopt) << topic;
        EXPECT_EQ(classifier.classify(topic), std::nullopt) << topic;
    }
    EXPECT_NE(classifier.classify("sallyports/a"), std::nullopt);
    EXPECT_NE(classifier.classify("plant/$SYS"), std::nullopt);
}

TEST(Classifier, ATopicKeepsItsTagAndIsLookedUpOnce) {
    TagsOnly spool;
    Classifier classifier({{"#"}}, spool);
    const auto a = classifier.classify("a");
    const auto b = classifier.classify("b");
    EXPECT_NE(a, b);
    EXPECT_EQ(classifier.classify("a"), a);
    EXPECT_EQ(classifier.classify("b"), b);
    EXPECT_EQ(spool.asked_, 2U);
}

TEST(Classifier, RemembersABoundedNumberOfTopicsThatAreNotForwarded) {
    TagsOnly spool;
    Classifier classifier({{"plant/#"}}, spool);
    const auto see = [&](std::size_t from, std::size_t to) {
        for (auto i = from; i < to; ++i) classifier.classify("office/" + std::to_string(i));
    };
    see(0, Classifier::kRememberedMax);
    const auto before = edge_core::memory_in_use();
    see(Classifier::kRememberedMax, Classifier::kRememberedMax + 20'000);
    EXPECT_LE(edge_core::memory_in_use(), before + 1024);
    EXPECT_EQ(classifier.classify("office/late"), std::nullopt);
    EXPECT_NE(classifier.classify("plant/a"), std::nullopt)
        << "a forwarded topic is never left out";
}

TEST(Classifier, TellsAFullTagTableFromATopicThatNoRuleMatches) {
    TagsOnly spool;
    spool.is_full_ = true;
    Classifier classifier({{"#"}}, spool);
    EXPECT_EQ(classifier.classify("a"), record::TagId{0});
}

}  // namespace
}  // namespace sallyport::ingest
