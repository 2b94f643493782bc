#include "common/storage/set_aside.hpp"

#include <fstream>

#include <sqlite3.h>

#include "tests/unit/storage/broker_store_fixture.hpp"

namespace sallyport::storage {
namespace {

namespace fs = std::filesystem;

class SetAsideTest : public BrokerStoreTest {
protected:
    void write(const std::string& name, const std::string& text) { std::ofstream(name) << text; }
    mqtt::DurableState open() {
        close();
        return open_or_set_aside(path(), kNow, aside_, [this] {
            auto database = std::make_unique<Database>(path());
            return BrokerStore(*database).load(kNow);
        });
    }

    std::optional<SetAside> aside_;
};

TEST_F(SetAsideTest, ASoundFileStays) {
    apply({session("a")});
    EXPECT_EQ(open().sessions.size(), 1U);
    EXPECT_FALSE(aside_);
}

TEST_F(SetAsideTest, ADamagedFileIsMovedWithItsLogAndAnEmptyOneBegun) {
    write(path(), std::string(8192, 'x'));
    write(path() + "-wal", "log");
    EXPECT_TRUE(open().sessions.empty());
    ASSERT_TRUE(aside_);
    EXPECT_EQ(aside_->moved_to, path() + ".damaged-20270115T080000Z");
    EXPECT_NE(aside_->reason.find("not a database"), std::string::npos) << aside_->reason;
    EXPECT_EQ(fs::file_size(aside_->moved_to), 8192U);
    apply({session("a")});
    EXPECT_EQ(load().sessions.size(), 1U);
}

TEST_F(SetAsideTest, AReadThatFailsOnceIsNoDamage) {
    apply({session("a")});
    int opened = 0;
    const auto state = open_or_set_aside(path(), kNow, aside_, [&] {
        if (++opened == 1) throw DatabaseError(SQLITE_CORRUPT, "a read failed");
        return load();
    });
    EXPECT_EQ(state.sessions.size(), 1U);
    EXPECT_FALSE(aside_);
}

TEST_F(SetAsideTest, NothingThatWasMovedBeforeIsOverwritten) {
    for (const char* text : {"first", "second", "third"}) {
        write(path(), text);
        write(path() + "-wal", text);
        set_aside(path(), kNow);
    }
    const auto moved = path() + ".damaged-20270115T080000Z";
    for (const auto& name : {moved, moved + "-2", moved + "-3", moved + "-3-wal"})
        EXPECT_TRUE(fs::exists(name)) << name;
    EXPECT_EQ(fs::file_size(moved), 5U);
    EXPECT_FALSE(fs::exists(path() + "-wal"));
}

TEST_F(SetAsideTest, ALogWhoseDatabaseIsGoneIsNotReplayed) {
    apply({session("a")});
    fs::copy_file(path() + "-wal", path() + ".log");
    close();
    fs::remove(path());
    fs::rename(path() + ".log", path() + "-wal");
    EXPECT_TRUE(open().sessions.empty());
    EXPECT_FALSE(aside_);
}

TEST_F(SetAsideTest, APageOverwrittenInTheMiddleIsFoundByTheLoad) {
    std::vector<mqtt::DurableChange> changes{session("a")};
    for (std::uint64_t n = 1; n <= 500; ++n) {
        changes.emplace_back(put(n, message("t", std::string(200, 'p'))));
        changes.emplace_back(delivery("a", n, n));
    }
    apply(std::move(changes));
    close();
    const auto pages = fs::file_size(path()) / 4096;
    ASSERT_GT(pages, 20U);
    int found = 0;
    for (std::uintmax_t page = 1; page < pages; ++page) {
        const auto saved = path() + ".sound";
        fs::copy_file(path(), saved, fs::copy_options::overwrite_existing);
        std::fstream file(path(), std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(static_cast<std::streamoff>(page * 4096));
        file << std::string(4096, '\xA5');
        file.close();
        aside_.reset();
        (void)open();
        found += aside_ ? 1 : 0;
        EXPECT_TRUE(aside_) << "page " << page;
        fs::rename(saved, path());
    }
    EXPECT_EQ(found, static_cast<int>(pages) - 1);
}

TEST_F(SetAsideTest, AFileThatIsNotDamagedIsNotMoved) {
    const auto absent = path() + "/absent/broker.db";
    EXPECT_THROW(open_or_set_aside(absent, kNow, aside_, [&] { Database database(absent); }),
                 DatabaseError);
    EXPECT_FALSE(aside_);
}

}  // namespace
}  // namespace sallyport::storage
