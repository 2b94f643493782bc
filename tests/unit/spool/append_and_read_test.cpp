#include <chrono>
#include <cstdio>

#include <gtest/gtest.h>

#include "tests/simulation/model_disk.hpp"
#include "tests/unit/spool/rig.hpp"

namespace sallyport::spool {
namespace {

using simulation::ModelDisk;

TEST(Spool, GivesBackWhatWentInFromTheDisk) {
    ModelDisk disk;
    Rig rig(disk);
    ASSERT_TRUE(rig.start());
    rig.append_many(500);
    rig.run_until_synced();
    EXPECT_EQ(rig.spool().synced(), 500U);
    const auto delivery = rig.deliver();
    EXPECT_TRUE(same(delivery.records, rig.accepted()));
    EXPECT_TRUE(delivery.gaps.empty());
    EXPECT_GT(rig.spool().stats().segments, 2U);
}

TEST(Spool, GivesBackWhatWentInFromMemory) {
    ModelDisk disk;
    auto options = small_options();
    options.cache_bytes_max = 1U << 20U;
    Rig rig(disk, options);
    ASSERT_TRUE(rig.start());
    rig.append_many(500);
    rig.run_until_synced();
    disk.fail(ModelDisk::Kind::read, 1, DiskError::io, 1000);
    EXPECT_TRUE(same(rig.deliver().records, rig.accepted()));
    EXPECT_EQ(disk.strikes().failed[std::size_t(ModelDisk::Kind::read)], 0U);
}

TEST(Spool, KeepsEveryFieldOfARecord) {
    ModelDisk disk;
    Rig rig(disk);
    ASSERT_TRUE(rig.start());
    const base::Bytes value{1, 0, 2};
    const base::Bytes properties{9, 8, 7, 6, 5};
    tunnel::BatchRecord record;
    record.tag = rig.spool().tag("a/b");
    record.flags = record::kRetain | record::kClockUnsynchronised;
    record.quality = record::Quality::uncertain_last_usable;
    record.source_time = {-5};
    record.arrival_time = {77};
    record.value = value;
    record.properties = properties;
    record.also_tags = {rig.spool().tag("a/c"), rig.spool().tag("a/d")};
    ASSERT_EQ(rig.spool().append(record, rig.now()), record::Seq{1});
    rig.run_until_synced();

    rig.open();
    auto result = rig.spool().read(kHq);
    while (std::holds_alternative<NotYet>(result)) {
        ASSERT_GT(rig.run_jobs(), 0U);
        result = rig.spool().read(kHq);
    }
    const auto entry = std::get<Entry>(result);
    std::vector<tunnel::BatchRecord> records;
    ASSERT_TRUE(tunnel::decode_batch(*entry.body, records));
    ASSERT_EQ(records.size(), 1U);
    EXPECT_EQ(records[0].flags, record.flags);
    EXPECT_EQ(records[0].quality, record.quality);
    EXPECT_EQ(records[0].source_time.ns, -5);
    EXPECT_EQ(records[0].arrival_time.ns, 77);
    EXPECT_EQ(base::as_text(records[0].value), base::as_text(value));
    EXPECT_EQ(base::as_text(records[0].properties), base::as_text(properties));
    EXPECT_EQ(records[0].also_tags, record.also_tags);
}

TEST(Spool, GivesNothingBeforeItIsSynced) {
    ModelDisk disk;
    auto options = small_options();
    options.cache_bytes_max = 1U << 20U;
    Rig rig(disk, options);
    ASSERT_TRUE(rig.start());
    rig.run_jobs();
    rig.open();
    rig.append_many(3);
    EXPECT_TRUE(std::get<NotYet>(rig.spool().read(kHq)).at_end);
    auto job = rig.spool().next_job(rig.now());
    ASSERT_TRUE(job);
    EXPECT_TRUE(std::get<NotYet>(rig.spool().read(kHq)).at_end);
    auto done = run(disk, std::move(*job));
    EXPECT_TRUE(std::get<NotYet>(rig.spool().read(kHq)).at_end);
    EXPECT_EQ(rig.spool().synced(), 0U);
    rig.spool().complete(std::move(done), rig.now());
    EXPECT_EQ(rig.spool().synced(), 3U);
    EXPECT_TRUE(same(rig.drain().records, rig.accepted()));
}

TEST(Spool, FillsTheNextCommitWhileOneIsUnderWay) {
    ModelDisk disk;
    Rig rig(disk);
    ASSERT_TRUE(rig.start());
    rig.run_jobs();
    rig.append_many(1);
    auto first = rig.spool().next_job(rig.now());
    ASSERT_TRUE(first);
    rig.append_many(9);
    EXPECT_FALSE(rig.spool().next_job(rig.now()));  // one commit at a time
    rig.spool().complete(run(disk, std::move(*first)), rig.now());
    EXPECT_EQ(rig.spool().synced(), 1U);
    auto second = rig.spool().next_job(rig.now());
    ASSERT_TRUE(second);
    rig.spool().complete(run(disk, std::move(*second)), rig.now());
    EXPECT_EQ(rig.spool().synced(), 10U);
    EXPECT_EQ(rig.spool().stats().commits, 2U);
}

TEST(Spool, KeepsCommitsAndEntriesWithinTheirLimits) {
    ModelDisk disk;
    Rig rig(disk);
    rig.options().commit_records_max = 20;
    ASSERT_TRUE(rig.start());
    rig.append_many(300);
    while (auto job = rig.spool().next_job(rig.now())) {
        const auto before = rig.spool().synced();
        for (const auto& op : job->ops)
            if (const auto* write = std::get_if<WriteBytes>(&op)) {
                EXPECT_LE(write->bytes.size(), rig.options().commit_bytes_max);
            }
        rig.spool().complete(run(disk, std::move(*job)), rig.now());
        EXPECT_LE(rig.spool().synced() - before, 20U);
    }
    rig.open();
    for (const auto& entry : {rig.drain()}) EXPECT_EQ(entry.records.size(), 300U);
}

TEST(Spool, LetsALargeRecordStandAlone) {
    ModelDisk disk;
    Rig rig(disk);
    ASSERT_TRUE(rig.start());
    ASSERT_TRUE(rig.append("a", "before"));
    ASSERT_TRUE(rig.append("a", std::string(50'000, 'x')));  // larger than a segment
    ASSERT_TRUE(rig.append("a", "after"));
    rig.run_until_synced();
    const auto delivery = rig.deliver();
    EXPECT_TRUE(same(delivery.records, rig.accepted()));
    EXPECT_EQ(delivery.ends.size(), 3U);
    rig.stop();
    ASSERT_TRUE(rig.start());
    EXPECT_TRUE(same(rig.deliver().records, rig.accepted()));
}

TEST(Spool, HasNoRoomWhenTooMuchIsPending) {
    ModelDisk disk;
    Rig rig(disk);
    ASSERT_TRUE(rig.start());
    std::size_t taken = 0;
    while (rig.append("a", std::string(1000, 'x'))) ++taken;
    EXPECT_FALSE(rig.spool().has_room());
    EXPECT_EQ(taken, 62U);  // 64 KiB of records of 1064 bytes, rounded up
    rig.run_until_synced();
    EXPECT_TRUE(rig.append("a", "b"));
}

TEST(Spool, ResolvesTagsBothWays) {
    ModelDisk disk;
    Rig rig(disk);
    ASSERT_TRUE(rig.start());
    const auto a = rig.spool().tag("a");
    const auto b = rig.spool().tag("b");
    EXPECT_NE(a, b);
    EXPECT_EQ(rig.spool().tag("a"), a);
    EXPECT_EQ(rig.spool().topic(b), "b");
    EXPECT_FALSE(rig.spool().topic(0));
    EXPECT_FALSE(rig.spool().topic(b + 1));
    EXPECT_EQ(rig.spool().tag_count(), 2U);
}

TEST(Spool, SaysHowOldTheOldestUnreadRecordIs) {
    ModelDisk disk;
    Rig rig(disk);
    ASSERT_TRUE(rig.start());
    rig.open();
    EXPECT_FALSE(rig.spool().oldest_unread(kHq));
    const auto first = rig.now().wall;
    ASSERT_TRUE(rig.append("a", "1"));
    EXPECT_EQ(rig.spool().oldest_unread(kHq), first);  // accepted, not synced
    rig.run_until_synced();
    EXPECT_EQ(rig.spool().oldest_unread(kHq), first);
    rig.wait(std::chrono::seconds(5));
    const auto second = rig.now().wall;
    ASSERT_TRUE(rig.append("a", "2"));
    rig.run_until_synced();
    EXPECT_EQ(rig.spool().oldest_unread(kHq), first);
    EXPECT_EQ(rig.drain().records.size(), 2U);
    EXPECT_FALSE(rig.spool().oldest_unread(kHq));
    rig.open();
    EXPECT_EQ(rig.spool().oldest_unread(kHq), first);
    EXPECT_LT(first, second);
}

TEST(Spool, TakesManySmallRecordsQuickly) {
    ModelDisk disk;
    SpoolOptions options;
    options.edge = "acme/line3";
    Rig rig(disk, options);
    ASSERT_TRUE(rig.start());
    const std::string value(64, 'v');
    tunnel::BatchRecord record;
    record.tag = rig.spool().tag("plant/line3/pressure");
    record.value = base::as_bytes(value);
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 200'000; ++i) {
        ASSERT_TRUE(rig.spool().append(record, rig.now()));
        if (i % 1000 == 0) rig.run_jobs();
    }
    rig.run_until_synced();
    const auto took = std::chrono::steady_clock::now() - begin;
    EXPECT_EQ(rig.spool().synced(), 200'000U);
    std::printf(
        "200,000 records of 64 bytes in %lld ms, %llu commits, %llu entries\n",
        static_cast<long long>(std::chrono::duration_cast<std::chrono::milliseconds>(took).count()),
        static_cast<unsigned long long>(rig.spool().stats().commits),
        static_cast<unsigned long long>(rig.spool().stats().entries));
}

}  // namespace
}  // namespace sallyport::spool
