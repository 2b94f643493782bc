// A disk that fails now and then: nothing is called synced that is not, and all goes on when it
// works again.
#include <cstdio>

#include <gtest/gtest.h>

#include "edge-agent/spool/entry_format.hpp"
#include "tests/simulation/model_disk.hpp"
#include "tests/unit/spool/rig.hpp"

namespace sallyport::spool {
namespace {

using simulation::ModelDisk;
using Kind = ModelDisk::Kind;

struct Fault {
    Kind kind;
    const char* name;
    DiskError error;
};

class EveryNth : public testing::TestWithParam<Fault> {};

TEST_P(EveryNth, OperationMayFail) {
    const auto fault = GetParam();
    std::uint64_t strikes = 0;
    for (std::uint64_t nth = 1; nth <= 60; ++nth) {
        for (const std::uint64_t count : {1U, 4U}) {
            SCOPED_TRACE("operation " + std::to_string(nth) + ", times " + std::to_string(count));
            ModelDisk disk(nth);
            Rig rig(disk);
            ASSERT_TRUE(rig.start());
            rig.append_many(30);
            rig.run_until_synced();
            disk.fail(fault.kind, nth, fault.error, count);
            int starts = 0;
            while (!rig.start()) ASSERT_LT(++starts, 10);
            for (int i = 0; i < 10; ++i) {
                rig.append_many(30);
                rig.run_until_synced();
            }
            const auto delivery = rig.deliver();
            // A file that cannot be read at all while the spool starts is back at the next start.
            if (fault.kind != Kind::read || count == 1) {
                EXPECT_TRUE(same(delivery.records, rig.accepted()));
                EXPECT_TRUE(delivery.gaps.empty());
            }
            for (int i = 0; i < 10; ++i) {
                rig.wait(std::chrono::seconds(2));
                rig.run_jobs();
            }
            EXPECT_FALSE(rig.spool().stats().failing);
            strikes += disk.strikes().failed[std::size_t(fault.kind)];
            disk.crash(nth);
            ASSERT_TRUE(rig.start());
            EXPECT_TRUE(same(rig.deliver().records, rig.accepted()));
            if (HasFailure()) return;
        }
    }
    EXPECT_GT(strikes, 0U);
    std::printf("%s struck %llu times\n", fault.name, static_cast<unsigned long long>(strikes));
}

INSTANTIATE_TEST_SUITE_P(DiskErrors, EveryNth,
                         testing::Values(Fault{Kind::create, "create", DiskError::no_space},
                                         Fault{Kind::write, "write", DiskError::io},
                                         Fault{Kind::sync, "sync", DiskError::io},
                                         Fault{Kind::sync_directory, "sync_directory",
                                               DiskError::io},
                                         Fault{Kind::read, "read", DiskError::io},
                                         Fault{Kind::remove, "remove", DiskError::io},
                                         Fault{Kind::rename, "rename", DiskError::io},
                                         Fault{Kind::save, "save", DiskError::no_space},
                                         Fault{Kind::load, "load", DiskError::io},
                                         Fault{Kind::list, "list", DiskError::io}),
                         [](const auto& each) { return each.param.name; });

TEST(DiskErrors, AFailedSyncIsNeverTriedAgainOnItsFile) {
    ModelDisk disk;
    Rig rig(disk);
    ASSERT_TRUE(rig.start());
    rig.append_many(5);
    rig.run_until_synced();
    rig.append_many(5);
    auto failing = rig.spool().next_job(rig.now());
    ASSERT_TRUE(failing);
    const auto name = std::get<SyncFile>(failing->ops.back()).name;
    disk.fail(Kind::sync, 1, DiskError::io);
    rig.spool().complete(run(disk, std::move(*failing)), rig.now());
    EXPECT_EQ(rig.spool().stats().failing, DiskError::io);
    EXPECT_EQ(rig.spool().synced(), 5U);
    rig.run_jobs();
    EXPECT_EQ(rig.spool().synced(), 5U);  // not before the pause is over
    ASSERT_TRUE(rig.spool().next_deadline());
    rig.wait(rig.options().retry_after_error);
    while (auto job = rig.spool().next_job(rig.now())) {
        for (const auto& op : job->ops) {
            if (const auto* sync = std::get_if<SyncFile>(&op)) {
                EXPECT_NE(sync->name, name);
            }
            if (const auto* write = std::get_if<WriteBytes>(&op)) {
                EXPECT_NE(write->name, name);
            }
        }
        rig.spool().complete(run(disk, std::move(*job)), rig.now());
    }
    EXPECT_EQ(rig.spool().synced(), 10U);
    EXPECT_FALSE(rig.spool().stats().failing);
    EXPECT_TRUE(same(rig.deliver().records, rig.accepted()));
    disk.crash(1);
    ASSERT_TRUE(rig.start());
    EXPECT_TRUE(same(rig.deliver().records, rig.accepted()));
}

TEST(DiskErrors, WhatAFailedSegmentHoldsIsVoidWhereItWasAppendedAgain) {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        ModelDisk disk(seed);
        Rig rig(disk);
        ASSERT_TRUE(rig.start());
        rig.append_many(5);
        rig.run_until_synced();
        rig.append_many(5);
        disk.fail(Kind::sync, 1, DiskError::io);  // part of it reaches the disk all the same
        rig.run_until_synced();
        ASSERT_EQ(rig.spool().synced(), 10U);
        rig.append_many(5);
        rig.run_until_synced();
        disk.crash(seed);
        ASSERT_TRUE(rig.start());
        const auto delivery = rig.deliver();
        EXPECT_TRUE(same(delivery.records, rig.accepted()));
        EXPECT_TRUE(delivery.gaps.empty());
        EXPECT_EQ(rig.spool().report().damaged_entries, 0U);
    }
}

TEST(DiskErrors, VoidEntriesAreNotTakenForThoseBehindADamagedOne) {
    ModelDisk disk;
    Rig rig(disk);
    ASSERT_TRUE(rig.start());
    rig.append_many(5);
    rig.run_until_synced();
    const auto failed = to_string(SegmentName{1, rig.epoch(), 1});
    rig.append_many(20);
    disk.fail(Kind::sync, 1, DiskError::io);
    rig.run_until_synced();
    // Seqs 1..5 can no longer be read, nor the first of the void entries behind them; the others
    // can.
    const auto starts = entries_in(disk.contents(failed));
    ASSERT_GT(starts.size(), 2U);
    disk.flip_bit(failed, starts[0], 0);
    disk.flip_bit(failed, starts[1], 0);
    ASSERT_TRUE(rig.start());
    const auto delivery = rig.deliver();
    ASSERT_EQ(delivery.gaps.size(), 1U);
    EXPECT_EQ(delivery.gaps[0].from, 1U);
    EXPECT_EQ(delivery.gaps[0].to, 5U);
    ASSERT_EQ(delivery.records.size(), 20U);
    EXPECT_EQ(delivery.records[0].seq, 6U);
}

TEST(DiskErrors, EntriesOfAFailedSyncDoNotCountWhereALaterSegmentBeganInTheirPlace) {
    ModelDisk disk;
    Rig rig(disk);
    ASSERT_TRUE(rig.start());
    rig.append_many(60);
    rig.run_until_synced();
    rig.append_many(5);
    const auto run_one = [&] {
        auto job = rig.spool().next_job(rig.now());
        ASSERT_TRUE(job);
        rig.spool().complete(run(disk, std::move(*job)), rig.now());
    };
    disk.fail(Kind::sync, 1, DiskError::io);
    run_one();
    rig.wait(rig.options().retry_after_error);
    disk.fail(Kind::write, 2,
              DiskError::io);  // the new segment's header is written, its entries not
    run_one();
    EXPECT_EQ(rig.spool().synced(), 60U);
    // The process ends. The failed entries are still in the page cache, and will never be anywhere
    // else.
    ASSERT_TRUE(rig.start());
    EXPECT_EQ(rig.spool().synced(), 60U);
}

TEST(DiskErrors, AFullDiskFillsMemoryToItsLimitAndNoFurther) {
    ModelDisk disk;
    Rig rig(disk);
    ASSERT_TRUE(rig.start());
    disk.fail(Kind::write, 1, DiskError::no_space, 1'000'000);
    std::size_t taken = 0;
    for (int i = 0; i < 1000; ++i) {
        if (rig.append("a", std::string(500, 'x'))) ++taken;
        rig.run_jobs();
        rig.wait(std::chrono::milliseconds(100));
    }
    EXPECT_FALSE(rig.spool().has_room());
    EXPECT_LT(taken, 200U);
    EXPECT_EQ(rig.spool().synced(), 0U);
    EXPECT_LE(disk.list()->size(), 3U);  // failed segments do not pile up
    disk.clear_faults();
    rig.run_until_synced();
    EXPECT_EQ(rig.spool().synced(), taken);
    EXPECT_TRUE(same(rig.deliver().records, rig.accepted()));
}

TEST(DiskErrors, ABlockThatCannotBeReadCostsItsEntryAlone) {
    ModelDisk disk;
    Rig rig(disk);
    ASSERT_TRUE(rig.start());
    rig.append_many(200);
    rig.run_until_synced();
    const auto all = rig.deliver();
    rig.open();
    disk.fail(Kind::read, 1, DiskError::io, 10);  // as often as it is tried
    const auto delivery = rig.drain();
    EXPECT_EQ(disk.strikes().failed[std::size_t(Kind::read)], 10U);
    ASSERT_EQ(delivery.gaps.size(), 1U);
    EXPECT_EQ(delivery.gaps[0].why, tunnel::GapReason::damaged);
    const auto lost = delivery.gaps[0].to - delivery.gaps[0].from + 1;
    EXPECT_EQ(delivery.records.size() + lost, all.records.size());
    EXPECT_LT(lost, 120U);
}

}  // namespace
}  // namespace sallyport::spool
