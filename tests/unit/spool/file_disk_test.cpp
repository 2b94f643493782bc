#include "edge-agent/runtime/file_disk.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "edge-agent/runtime/disk_reserve.hpp"
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
        auto disk = FileDisk::open(directory_, {});
        EXPECT_TRUE(disk);
        return disk ? std::move(*disk) : nullptr;
    }

    std::filesystem::path directory_;
    std::unique_ptr<FileDisk> disk_;
};

Checkpoint checkpoint_of(std::vector<record::Tag> tags, std::vector<Cursor> cursors,
                         record::Seq tags_complete_below) {
    Checkpoint made;
    made.tags = std::move(tags);
    made.cursors = std::move(cursors);
    made.tags_complete_below = tags_complete_below;
    return made;
}

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
    ASSERT_TRUE(disk_->save(
        checkpoint_of({{1, "a"}, {2, "b"}}, {{"hq", UINT64_MAX, {5, 6, UINT64_MAX - 1}, 1}}, 7)));
    ASSERT_TRUE(
        disk_->save(checkpoint_of({{3, std::string("c\0d", 3)}}, {{"lab", 1, {2, 3, 4}, 5}}, 9)));
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
    EXPECT_EQ(checkpoint->cursors[0].counted_from, 5U);
    EXPECT_EQ(checkpoint->tags_complete_below, 9U);
}

TEST_F(FileDiskTest, KeepsTheLedger) {
    record::LedgerRow row{7, {}, 3, false, 90};
    row.entry = {"hq", record::LedgerReason::refused, 5, UINT64_MAX, 10, 20, 4, {-1}, {2}};
    auto other = row;
    other.id = 8;
    Checkpoint checkpoint;
    checkpoint.ledger.put = {row, other};
    checkpoint.gone_below = 70;
    checkpoint.last_tag = 9;
    ASSERT_TRUE(disk_->save(checkpoint));
    row.settled = true;
    row.entry.records = 6;
    checkpoint.ledger = {{row}, {8}};
    ASSERT_TRUE(disk_->save(checkpoint));
    disk_ = open();
    const auto loaded = disk_->load();
    ASSERT_TRUE(loaded);
    EXPECT_EQ(loaded->gone_below, 70U);
    EXPECT_EQ(loaded->last_tag, 9U);
    ASSERT_EQ(loaded->ledger.put.size(), 1U);
    EXPECT_EQ(loaded->ledger.put[0], row);
}

TEST_F(FileDiskTest, KeepsTheNewestRecordsOfATagUntilOneCarriesAsMuch) {
    const auto keep = [&](record::TagId tag, std::uint8_t carries, record::Epoch epoch,
                          record::Seq seq) {
        Checkpoint checkpoint;
        checkpoint.kept.push_back({tag, carries, epoch, seq, {1, 2, 3}});
        ASSERT_TRUE(disk_->save(checkpoint));
    };
    keep(1, 3, 7, 10);  // a retained value
    keep(1, 1, 7, 20);  // a value does not supersede it
    keep(1, 0, 8, 30);  // nor does a change of quality
    keep(2, 1, 8, 30);
    const auto seqs = [&](const KeptRange& range) {
        const auto kept = disk_->read_kept(range);
        EXPECT_TRUE(kept);
        std::vector<record::Seq> read;
        for (const auto& each : *kept) read.push_back(each.seq);
        return read;
    };
    using Seqs = std::vector<record::Seq>;
    EXPECT_EQ(seqs({0, 100, 1000}), (Seqs{10, 20, 30, 30}));
    EXPECT_EQ(seqs({10, 30, 1000}), (Seqs{20}));
    EXPECT_EQ(seqs({0, 100, 1}), (Seqs{10}));
    EXPECT_EQ(seqs({20, 100, 1}), (Seqs{30, 30})) << "all of a seq";
    keep(1, 3, 9, 40);
    disk_ = open();
    EXPECT_EQ(seqs({0, 100, 1000}), (Seqs{30, 40}));
    const auto loaded = disk_->load();
    ASSERT_EQ(loaded->kept_runs.size(), 2U);
    EXPECT_EQ(loaded->kept_runs[0], (tunnel::Run{8, 30, 30}));
    EXPECT_EQ(loaded->kept_runs[1], (tunnel::Run{9, 40, 40}));
}

TEST_F(FileDiskTest, HoldsAReserveForTheLedger) {
    const auto reserve = directory_ / "state.reserve";
    ASSERT_TRUE(std::filesystem::exists(reserve));
    EXPECT_EQ(std::filesystem::file_size(reserve), edge_agent::DiskReserve::kBytes);
    edge_agent::DiskReserve held(reserve);
    EXPECT_TRUE(held.is_held());
    EXPECT_TRUE(held.give_up());
    EXPECT_FALSE(held.give_up());
    EXPECT_FALSE(std::filesystem::exists(reserve));
    held.take_if_room();
    EXPECT_TRUE(held.is_held());
    EXPECT_EQ(std::filesystem::file_size(reserve), edge_agent::DiskReserve::kBytes);
    edge_agent::DiskReserve too_large(directory_ / "large", 1ULL << 60U);
    EXPECT_FALSE(too_large.is_held());
    EXPECT_FALSE(std::filesystem::exists(directory_ / "large"));
}

TEST_F(FileDiskTest, MovesADamagedCheckpointAside) {
    ASSERT_TRUE(disk_->save(checkpoint_of({{1, "a"}}, {}, 7)));
    disk_.reset();
    for (const auto* part : {"state.db-wal", "state.db-shm"})
        std::filesystem::remove(directory_ / part);
    std::ofstream(directory_ / "state.db", std::ios::trunc) << std::string(8192, 'x');
    disk_ = open();
    ASSERT_TRUE(disk_);
    EXPECT_EQ(disk_->load()->tags_complete_below, 1U);
    ASSERT_TRUE(disk_->aside());
    EXPECT_EQ(std::filesystem::file_size(disk_->aside()->moved_to), 8192U);
}

TEST_F(FileDiskTest, StartsWithACheckpointOfWhichAPageInTheMiddleIsDamaged) {
    std::vector<record::Tag> tags;
    for (record::TagId id = 1; id <= 2'000; ++id)
        tags.push_back({id, "plant/tag/" + std::to_string(id)});
    ASSERT_TRUE(disk_->save(checkpoint_of(tags, {}, 2'001)));
    disk_.reset();
    std::fstream file(directory_ / "state.db", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(
        static_cast<std::streamoff>(std::filesystem::file_size(directory_ / "state.db") / 2) /
        4096 * 4096);
    file << std::string(4096, 'x');
    file.close();
    disk_ = open();
    ASSERT_TRUE(disk_);
    EXPECT_TRUE(disk_->aside());
    EXPECT_EQ(disk_->load()->tags.size(), 0U);
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
    EXPECT_EQ(FileDisk::open(directory_ / "nowhere", {}).error(), DiskError::not_found);
    EXPECT_EQ(disk_->write("nothing", 0, base::Bytes(8)).error(), DiskError::not_found);
    EXPECT_EQ(disk_->create("huge", 1ULL << 62U).error() == DiskError::not_found, false);
    EXPECT_EQ(disk_->read("huge", 0, 8).error(), DiskError::not_found);  // nothing is left behind
}

}  // namespace
}  // namespace sallyport::spool
