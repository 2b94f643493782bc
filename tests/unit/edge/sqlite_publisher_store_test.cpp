#include "edge-agent/runtime/sqlite_publisher_store.hpp"

#include <filesystem>
#include <fstream>
#include <unistd.h>

#include <gtest/gtest.h>

namespace sallyport::edge_agent {
namespace {

class SqlitePublisherStoreTest : public testing::Test {
protected:
    SqlitePublisherStoreTest() { std::filesystem::create_directory(directory_); }
    ~SqlitePublisherStoreTest() override { std::filesystem::remove_all(directory_); }
    std::string path() const { return (directory_ / "publishers.db").string(); }
    std::unique_ptr<SqlitePublisherStore> open() {
        return SqlitePublisherStore::open(path(), base::WallTime{}, aside_);
    }

    std::optional<storage::SetAside> aside_;

private:
    std::filesystem::path directory_ = std::filesystem::temp_directory_path() /
                                       ("values-publishers-" + std::to_string(::getpid()));
};

TEST_F(SqlitePublisherStoreTest, KeepsTheNewestPublisherOfEachTopic) {
    {
        const auto store = open();
        EXPECT_TRUE(store->load().empty());
        EXPECT_EQ(store->commit({1, {{"plant/a", "plc"}, {"plant/b", "plc"}}}), std::nullopt);
        EXPECT_EQ(store->commit({2, {{"plant/a", "oven"}}}), std::nullopt);
    }
    const auto all = open()->load();
    EXPECT_FALSE(aside_);
    ASSERT_EQ(all.size(), 2U);
    EXPECT_EQ(all[0].topic, "plant/a");
    EXPECT_EQ(all[0].client, "oven");
    EXPECT_EQ(all[1].client, "plc");
}

TEST_F(SqlitePublisherStoreTest, MovesADamagedFileAside) {
    std::ofstream(path()) << std::string(8192, 'x');
    EXPECT_TRUE(open()->load().empty());
    ASSERT_TRUE(aside_);
    EXPECT_EQ(std::filesystem::file_size(aside_->moved_to), 8192U);
}

}  // namespace
}  // namespace sallyport::edge_agent
