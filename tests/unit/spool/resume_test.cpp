#include <algorithm>

#include <gtest/gtest.h>

#include "edge-agent/spool/entry_format.hpp"
#include "tests/simulation/model_disk.hpp"
#include "tests/unit/spool/rig.hpp"

namespace sallyport::spool {
namespace {

using simulation::ModelDisk;
using tunnel::GapReason;

/// Three runs over several segments.
struct ThreeRuns {
    ModelDisk disk;
    Rig rig;
    Delivery all;

    explicit ThreeRuns(const SpoolOptions& options = small_options()) : rig(disk, options) {
        for (int run = 0; run < 3; ++run) {
            EXPECT_TRUE(rig.start());
            rig.append_many(150);
            rig.run_until_synced();
        }
        all = rig.deliver();
        EXPECT_TRUE(same(all.records, rig.accepted()));
    }
    std::vector<Given> behind(record::Seq seq) const {
        auto records = rig.accepted_up_to(UINT64_MAX);
        std::erase_if(records, [&](const Given& record) { return record.seq <= seq; });
        return records;
    }
};

TEST(Resume, GoesOnBehindEveryEntry) {
    for (const std::size_t cache : {0U, 2000U, 1U << 20U}) {
        auto options = small_options();
        options.cache_bytes_max = cache;
        ThreeRuns log(options);
        for (const auto& end : log.all.ends) {
            const auto delivery = log.rig.deliver(end);
            EXPECT_EQ(delivery.records, log.behind(end.seq)) << end.seq;
            EXPECT_TRUE(delivery.gaps.empty());
        }
    }
}

TEST(Resume, BeginsAtTheStartWhereTheChecksumDisagrees) {
    ThreeRuns log;
    for (auto end : log.all.ends) {
        end.checksum ^= 1U;
        const auto delivery = log.rig.deliver(end);
        EXPECT_TRUE(same(delivery.records, log.all.records));
        ASSERT_EQ(delivery.gaps.size(), 1U);
        EXPECT_EQ(delivery.gaps[0].why, GapReason::unknown_position);
        EXPECT_EQ(delivery.gaps[0].epoch, log.all.records.front().epoch);
        EXPECT_EQ(delivery.gaps[0].from, 1U);
        EXPECT_EQ(delivery.gaps[0].to, 0U);  // nothing is missing
    }
}

TEST(Resume, BeginsAtTheStartWhereThePositionIsNotInTheLog) {
    ThreeRuns log;
    const auto last = log.all.ends.back();
    for (const tunnel::Position position :
         {tunnel::Position{999, 20, 1}, tunnel::Position{last.epoch, last.seq + 1, 1},
          tunnel::Position{log.all.ends[3].epoch, log.all.ends[3].seq - 1, 1},
          tunnel::Position{last.epoch, 3, 1}}) {
        const auto delivery = log.rig.deliver(position);
        EXPECT_TRUE(same(delivery.records, log.all.records));
        ASSERT_EQ(delivery.gaps.size(), 1U);
        EXPECT_EQ(delivery.gaps[0].why, GapReason::unknown_position);
    }
}

TEST(Resume, GoesOnWithTheNextRunWhereTheLogIsAnOlderCopy) {
    ThreeRuns log;
    const auto runs = log.rig.spool().runs();
    ASSERT_EQ(runs.size(), 3U);
    const auto delivery = log.rig.deliver({runs[0].epoch, runs[0].last + 1000, 77});
    EXPECT_TRUE(same(delivery.records, log.behind(runs[0].last)));
    EXPECT_TRUE(delivery.gaps.empty());
}

TEST(Resume, TrustsTheCursorWhereTheEntryIsUnreadable) {
    ThreeRuns log;
    const auto end = log.all.ends[4];
    log.rig.spool().advance_cursor(kHq, 1, end);
    // The entry that ends there is damaged.
    for (const auto& file : *log.disk.list()) {
        if (!parse_segment_name(file.name)) continue;
        auto& contents = log.disk.contents(file.name);
        for (std::size_t at = kSegmentHeaderBytes; at + kEntryHeaderBytes < contents.size();
             at += 8) {
            const auto value = base::as_text(base::ByteView(contents).subspan(at, 8));
            const auto wanted = log.rig.accepted()[end.seq - 1].value.substr(0, 8);
            if (value.starts_with(wanted)) contents[at] ^= 1U;
        }
    }
    const auto delivery = log.rig.deliver(end);
    EXPECT_TRUE(same(delivery.records, log.behind(end.seq)));
    EXPECT_TRUE(delivery.gaps.empty());
    auto other = end;
    other.checksum ^= 1U;
    EXPECT_EQ(log.rig.deliver(other).gaps.front().why, GapReason::unknown_position);
}

TEST(Resume, OfATrimmedLogNamesWhatIsMissing) {
    ThreeRuns log;
    const auto middle = log.all.ends[log.all.ends.size() / 2];
    log.rig.spool().close_reader(kHq);
    log.rig.spool().advance_cursor(kHq, 1, middle);
    log.rig.wait(std::chrono::seconds(2));
    log.rig.run_jobs();
    const auto first = log.rig.spool().stats().first;
    ASSERT_GT(first, 1U);
    ASSERT_LE(first, middle.seq);

    // Another store, with nothing: the newest record of each of the eleven tags, then the log.
    constexpr std::size_t kTags = 11;
    log.rig.spool().open_reader(kHq, {2, {}, 0});
    auto delivery = log.rig.drain();
    EXPECT_TRUE(same(delivery.records, log.behind(first - 1 - kTags)));
    ASSERT_EQ(delivery.gaps.size(), 1U);
    EXPECT_EQ(delivery.gaps[0].why, GapReason::before_log);
    EXPECT_EQ(delivery.gaps[0].from, 1U);
    EXPECT_EQ(delivery.gaps[0].to, first - 1 - kTags);
    EXPECT_EQ(delivery.gaps[0].epoch, delivery.records.front().epoch);

    // A position that is trimmed, and not the cursor's.
    delivery = log.rig.deliver(log.all.ends[0]);
    EXPECT_TRUE(same(delivery.records, log.behind(first - 1 - kTags)));
    ASSERT_EQ(delivery.gaps.size(), 1U);
    EXPECT_EQ(delivery.gaps[0].why, GapReason::unknown_position);
    EXPECT_EQ(delivery.gaps[0].to, first - 1 - kTags);

    // The cursor's own.
    delivery = log.rig.deliver(middle);
    EXPECT_TRUE(same(delivery.records, log.behind(middle.seq)));
    EXPECT_TRUE(delivery.gaps.empty());
}

TEST(Resume, NamesNoGapToAFarSideThatHasAllThatIsGone) {
    ModelDisk disk;
    Rig rig(disk);
    ASSERT_TRUE(rig.start());
    rig.append_many(50);
    rig.run_until_synced();
    const auto end = rig.deliver().ends.back();
    rig.spool().advance_cursor(kHq, 7, end);
    rig.wait(std::chrono::seconds(2));
    rig.run_jobs();
    ASSERT_TRUE(rig.start());
    rig.run_jobs();
    ASSERT_EQ(rig.spool().stats().first, 51U);
    // The session names its run, though nothing of it is left.
    rig.spool().open_reader(kHq, {7, end, 0});
    EXPECT_TRUE(rig.drain().gaps.empty());
    // One that has no position in it lost what it had: another store, or an older copy of its own.
    for (const std::uint64_t store : {8U, 7U}) {
        rig.spool().open_reader(kHq, {store, {}, 0});
        const auto delivery = rig.drain();
        EXPECT_EQ(delivery.gaps.size(), 1U);
        EXPECT_EQ(delivery.records.size(), 11U) << "the newest of each tag";
    }
}

TEST(Resume, SurvivesARestartAndATornTail) {
    ThreeRuns log;
    const auto end = log.all.ends[log.all.ends.size() - 3];
    ASSERT_TRUE(log.rig.start());
    const auto delivery = log.rig.deliver(end);
    EXPECT_TRUE(same(delivery.records, log.behind(end.seq)));
}

TEST(Resume, ServesEachDestinationByItself) {
    auto options = small_options();
    options.destinations = {"hq", "lab"};
    ThreeRuns log(options);
    log.rig.open({}, "hq");
    log.rig.open(log.all.ends[5], "lab");
    EXPECT_TRUE(same(log.rig.drain("lab").records, log.behind(log.all.ends[5].seq)));
    EXPECT_TRUE(same(log.rig.drain("hq").records, log.all.records));
}

}  // namespace
}  // namespace sallyport::spool
