#include "common/storage/database.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <sqlite3.h>

namespace sallyport::storage {
namespace {

class DatabaseTest : public testing::Test {
protected:
    void SetUp() override {
        std::string form = testing::TempDir() + "sallyport-storage-XXXXXX";
        ASSERT_NE(mkdtemp(form.data()), nullptr);
        folder_ = form;
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }
    std::string path() const { return (folder_ / "state.db").string(); }

    static std::int64_t count(Database& database) {
        auto statement = database.prepare("SELECT count(*) FROM t");
        EXPECT_TRUE(statement.step());
        return statement.integer(0);
    }
    static std::string pragma(Database& database, const std::string& name) {
        auto statement = database.prepare("SELECT CAST(" + name + " AS TEXT) FROM pragma_" + name);
        return statement.step() ? std::string(statement.text(0)) : std::string{};
    }

    std::filesystem::path folder_;
};

TEST_F(DatabaseTest, IsDurableByItsSettings) {
    Database database(path());
    EXPECT_EQ(pragma(database, "journal_mode"), "wal");
    EXPECT_EQ(pragma(database, "synchronous"), "2");
    EXPECT_EQ(pragma(database, "foreign_keys"), "1");
    auto statement = database.prepare("PRAGMA mmap_size");
    EXPECT_TRUE(!statement.step() || statement.integer(0) == 0);
}

TEST_F(DatabaseTest, FilesAreForTheOwnerOnly) {
    Database database(path());
    database.execute("CREATE TABLE t(a)");
    for (const auto& entry : std::filesystem::directory_iterator(folder_))
        EXPECT_EQ(static_cast<unsigned>(entry.status().permissions()), 0600U) << entry.path();
}

TEST_F(DatabaseTest, GivesBackEveryTypeAsItWasBound) {
    Database database(path());
    database.execute("CREATE TABLE t(i, r, s, b, n, empty_text, empty_blob)");
    const base::Bytes blob{0, 1, 255};
    auto insert = database.prepare("INSERT INTO t VALUES(?, ?, ?, ?, ?, ?, ?)");
    insert
        .with(std::int64_t{-5'000'000'000}, 0.5, std::string_view("a\0b", 3), base::ByteView(blob),
              nullptr, std::string_view{}, base::ByteView{})
        .run();
    EXPECT_EQ(database.changes(), 1);
    EXPECT_EQ(database.last_insert_rowid(), 1);

    auto select = database.prepare("SELECT * FROM t");
    ASSERT_TRUE(select.step());
    EXPECT_EQ(select.integer(0), -5'000'000'000);
    EXPECT_EQ(select.real(1), 0.5);
    EXPECT_EQ(select.text(2), std::string_view("a\0b", 3));
    EXPECT_EQ(base::Bytes(select.blob(3).begin(), select.blob(3).end()), blob);
    EXPECT_TRUE(select.is_null(4));
    EXPECT_FALSE(select.is_null(5));
    EXPECT_EQ(select.text(5), "");
    EXPECT_TRUE(select.blob(6).empty());
    EXPECT_FALSE(select.step());
}

TEST_F(DatabaseTest, RefusesToReadAValueAsAnotherType) {
    Database database(path());
    auto select = database.prepare("SELECT 'seven', 7, NULL");
    ASSERT_TRUE(select.step());
    EXPECT_THROW(select.integer(0), DatabaseError);
    EXPECT_THROW(select.text(1), DatabaseError);
    EXPECT_THROW(select.blob(2), DatabaseError);
    EXPECT_EQ(select.integer(1), 7);
}

TEST_F(DatabaseTest, StatementsAreUsedAgain) {
    Database database(path());
    database.execute("CREATE TABLE t(a INTEGER PRIMARY KEY, b)");
    auto insert = database.prepare("INSERT INTO t VALUES(?, ?)");
    for (std::int64_t i = 0; i < 3; ++i) insert.with(i, std::string_view("x")).run();
    EXPECT_EQ(count(database), 3);
    EXPECT_THROW(insert.with(std::int64_t{0}, std::string_view("again")).run(), DatabaseError);
    insert.with(std::int64_t{9}, nullptr).run();
    EXPECT_EQ(count(database), 4);
}

TEST_F(DatabaseTest, CommittedTransactionsSurviveReopening) {
    {
        Database database(path());
        database.execute("CREATE TABLE t(a)");
        database.set_schema_version(3);
        Transaction transaction(database);
        database.execute("INSERT INTO t VALUES(1)");
        transaction.commit();
    }
    Database database(path());
    EXPECT_EQ(count(database), 1);
    EXPECT_EQ(database.schema_version(), 3);
}

TEST_F(DatabaseTest, UncommittedTransactionsLeaveNothing) {
    Database database(path());
    database.execute("CREATE TABLE t(a)");
    {
        const Transaction transaction(database);
        database.execute("INSERT INTO t VALUES(1)");
        EXPECT_TRUE(database.in_transaction());
    }
    EXPECT_FALSE(database.in_transaction());
    EXPECT_EQ(count(database), 0);
}

TEST_F(DatabaseTest, AFullDiskIsAnErrorThatRollsBackAndPasses) {
    Database database(path());
    database.execute("CREATE TABLE t(a); PRAGMA max_page_count = 10");
    auto insert = database.prepare("INSERT INTO t VALUES(zeroblob(?))");
    try {
        Transaction transaction(database);
        for (int i = 0; i < 100; ++i) insert.with(std::int64_t{4000}).run();
        transaction.commit();
        FAIL() << "more was stored than there is room";
    } catch (const DatabaseError& error) {
        EXPECT_TRUE(error.is_disk()) << error.what();
        EXPECT_FALSE(error.is_damage());
        EXPECT_NE(std::string(error.what()).find(path()), std::string::npos) << error.what();
    }
    EXPECT_FALSE(database.in_transaction());
    EXPECT_EQ(count(database), 0);
    database.execute("PRAGMA max_page_count = 1000");
    Transaction transaction(database);
    insert.with(std::int64_t{4000}).run();
    transaction.commit();
    EXPECT_EQ(count(database), 1);
}

TEST_F(DatabaseTest, ASecondWriterIsBusyAfterTheTimeout) {
    Database first(path());
    first.execute("CREATE TABLE t(a)");
    Database second(path(), std::chrono::milliseconds(1));
    const Transaction transaction(first);
    try {
        const Transaction other(second);
        FAIL() << "two writers at once";
    } catch (const DatabaseError& error) {
        EXPECT_TRUE(error.is_busy()) << error.what();
    }
}

TEST_F(DatabaseTest, WhatIsNoDatabaseIsDamage) {
    std::ofstream(path()) << std::string(4096, 'x');
    try {
        const Database database(path());
        FAIL() << "took a text file for a database";
    } catch (const DatabaseError& error) {
        EXPECT_TRUE(error.is_damage()) << error.what();
        EXPECT_NE(std::string(error.what()).find(path()), std::string::npos);
    }
}

TEST_F(DatabaseTest, AFolderThatIsNotThereIsNamed) {
    try {
        const Database database(path() + "/absent/state.db");
        FAIL() << "opened a file in no folder";
    } catch (const DatabaseError& error) {
        EXPECT_TRUE(error.is_disk());
        EXPECT_NE(std::string(error.what()).find("absent"), std::string::npos);
    }
}

TEST_F(DatabaseTest, ErrorsQuoteTheStatement) {
    Database database(path());
    try {
        auto statement = database.prepare("SELECT wrong FROM nowhere");
        FAIL() << "prepared nonsense";
    } catch (const DatabaseError& error) {
        EXPECT_NE(std::string(error.what()).find("nowhere"), std::string::npos);
    }
}

TEST_F(DatabaseTest, MissingParametersAreAProgrammersError) {
    Database database(path());
    database.execute("CREATE TABLE t(a, b)");
    auto insert = database.prepare("INSERT INTO t VALUES(?, ?)");
    EXPECT_DEATH(insert.with(std::int64_t{1}), "assertion failed");
}

}  // namespace
}  // namespace sallyport::storage
