#include "edge-agent/runtime/file_disk.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "tests/unit/spool/rig.hpp"

namespace sallyport::spool {
namespace {

using edge_agent::FileDisk;

class FileDiskTest : public testing::Test {
public:
    FileDiskTest() {
        std::string pattern = (std::filesystem::temp_directory_path() / "spool-XXXXXX").string();
        directory_ = ::mkdtemp(pattern.data());
        disk_ = open();
    }
    ~FileDiskTest() override { std::filesystem::remove_all(directory_); }

protected:
    std::unique_ptr<FileDisk> open() {
        auto disk = FileDisk::open(directory_);
        EXPECT_TRUE(disk);
        return disk ? std::move(*disk) : nullptr;
    }

    std::filesystem::path directory_;
    std::unique_ptr<FileDisk> disk_;
};

TEST_F(FileDiskTest, CarriesASpoolOverRestarts) {
    auto options = small_options();
    options.destinations = {kHq};
    record::Seq synced = 0;
    std::vector<Given> accepted;
    for (record::Epoch start = 1; start <= 3; ++start) {
        disk_ = open();
        auto spool = Spool::recover(options, *disk_, start, start, {});
        ASSERT_TRUE(spool);
        EXPECT_EQ((*spool)->synced(), synced);
        for (int i = 0; i < 300; ++i) {
            const auto value = std::to_string(start * 1000 + static_cast<unsigned>(i));
            tunnel::BatchRecord record;
            record.tag = (*spool)->tag("tag" + std::to_string(i % 5));
            record.value = base::as_bytes(value);
            const auto seq = (*spool)->append(record, {});
            ASSERT_TRUE(seq);
            accepted.push_back({start, *seq, "tag" + std::to_string(i % 5), value});
        }
        while (auto job = (*spool)->next_job({})) {
            const auto done = run(*disk_, std::move(*job));
            ASSERT_FALSE(done.error) << to_string(*done.error);
            (*spool)->complete(done, {});
        }
        synced = (*spool)->synced();
        EXPECT_EQ(synced, 300 * start);
    }
    Rig rig(*disk_);
    ASSERT_TRUE(rig.start());
    EXPECT_TRUE(same(rig.deliver().records, accepted));
}

TEST_F(FileDiskTest, KeepsTheCheckpoint) {
    ASSERT_TRUE(disk_->load());
    EXPECT_EQ(disk_->load()->tags_complete_below, 1U);
    ASSERT_TRUE(
        disk_->save({{{1, "a"}, {2, "b"}}, {{"hq", UINT64_MAX, {5, 6, UINT64_MAX - 1}}}, 7}));
    ASSERT_TRUE(disk_->save({{{3, std::string("c\0d", 3)}}, {{"lab", 1, {2, 3, 4}}}, 9}));
    disk_ = open();
    const auto checkpoint = disk_->load();
    ASSERT_TRUE(checkpoint);
    ASSERT_EQ(checkpoint->tags.size(), 3U);
    EXPECT_EQ(checkpoint->tags[0].topic, "a");
    EXPECT_EQ(checkpoint->tags[2].id, 3U);
    EXPECT_EQ(checkpoint->tags[2].topic, std::string("c\0d", 3));
    ASSERT_EQ(checkpoint->cursors.size(), 1U);
    EXPECT_EQ(checkpoint->cursors[0].destination, "lab");
    EXPECT_EQ(checkpoint->cursors[0].position, (tunnel::Position{2, 3, 4}));
    EXPECT_EQ(checkpoint->tags_complete_below, 9U);
}

TEST_F(FileDiskTest, MovesADamagedCheckpointAside) {
    ASSERT_TRUE(disk_->save({{{1, "a"}}, {}, 7}));
    disk_.reset();
    for (const auto* part : {"state.db-wal", "state.db-shm"})
        std::filesystem::remove(directory_ / part);
    std::ofstream(directory_ / "state.db", std::ios::trunc) << std::string(8192, 'x');
    disk_ = open();
    ASSERT_TRUE(disk_);
    EXPECT_EQ(disk_->load()->tags_complete_below, 1U);
    EXPECT_TRUE(std::filesystem::exists(directory_ / "state.db.damaged"));
}

TEST_F(FileDiskTest, ReadsWritesRenamesAndRemoves) {
    ASSERT_TRUE(disk_->create("a", 10'000));
    EXPECT_FALSE(disk_->create("a", 10));
    const base::Bytes bytes{1, 2, 3, 4, 5, 6, 7, 8};
    ASSERT_TRUE(disk_->write("a", 4096, bytes));
    ASSERT_TRUE(disk_->sync("a"));
    ASSERT_TRUE(disk_->rename("a", "b"));
    ASSERT_TRUE(disk_->sync_directory());
    EXPECT_EQ(*disk_->read("b", 4096, 8), bytes);
    EXPECT_EQ(*disk_->read("b", 0, 8), base::Bytes(8));
    EXPECT_EQ(disk_->read("b", 9992, 4096)->size(), 8U);
    EXPECT_EQ(disk_->read("b", 20'000, 8)->size(), 0U);
    EXPECT_EQ(disk_->read("a", 0, 8).error(), DiskError::not_found);
    bool listed = false;
    for (const auto& file : *disk_->list())
        listed = listed || (file.name == "b" && file.size == 10'000);
    EXPECT_TRUE(listed);
    ASSERT_TRUE(disk_->remove("b"));
    EXPECT_EQ(disk_->remove("b").error(), DiskError::not_found);
}

TEST_F(FileDiskTest, KeepsFewDescriptorsOpen) {
    const auto count = [] {
        std::size_t open = 0;
        for (const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) {
            (void)each;
            ++open;
        }
        return open;
    };
    const auto before = count();
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(disk_->create("file" + std::to_string(i), 64));
    EXPECT_LE(count(), before + FileDisk::kOpenFilesMax);
    for (int i = 0; i < 50; ++i)
        EXPECT_EQ(disk_->read("file" + std::to_string(i), 0, 64)->size(), 64U);
    EXPECT_LE(count(), before + FileDisk::kOpenFilesMax);
}

TEST_F(FileDiskTest, SaysWhatIsWrongWithTheDirectory) {
    EXPECT_EQ(FileDisk::open(directory_ / "nowhere").error(), DiskError::not_found);
    EXPECT_EQ(disk_->write("nothing", 0, base::Bytes(8)).error(), DiskError::not_found);
    EXPECT_EQ(disk_->create("huge", 1ULL << 62U).error() == DiskError::not_found, false);
    EXPECT_EQ(disk_->read("huge", 0, 8).error(), DiskError::not_found);  // nothing is left behind
}

}  // namespace
}  // namespace sallyport::spool
