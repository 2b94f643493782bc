#include "common/storage/components.hpp"

#include <array>

#include <gtest/gtest.h>
#include <sqlite3.h>

namespace sallyport::storage {
namespace {

constexpr std::array<SchemaStep, 2> kSteps{
    [](Database& database) { database.execute("CREATE TABLE one(a); INSERT INTO one VALUES(1)"); },
    [](Database& database) { database.execute("ALTER TABLE one ADD COLUMN b DEFAULT 2"); },
};

TEST(Components, ANewFileGetsEveryStep) {
    Database database(":memory:");
    bring_up_to_date(database, "x", kSteps);
    EXPECT_EQ(component_version(database, "x"), 2);
    EXPECT_EQ(component_version(database, "y"), 0);
    EXPECT_FALSE(database.in_transaction());
    auto row = database.prepare("SELECT a, b FROM one");
    ASSERT_TRUE(row.step());
    EXPECT_EQ(row.integer(1), 2);
}

TEST(Components, AnOlderFileGetsTheMissingStepsAndKeepsItsRows) {
    Database database(":memory:");
    bring_up_to_date(database, "x", std::span(kSteps).first(1));
    EXPECT_EQ(component_version(database, "x"), 1);
    bring_up_to_date(database, "x", kSteps);
    bring_up_to_date(database, "x", kSteps);
    auto row = database.prepare("SELECT sum(a), sum(b) FROM one");
    ASSERT_TRUE(row.step());
    EXPECT_EQ(row.integer(0), 1);
    EXPECT_EQ(row.integer(1), 2);
}

TEST(Components, AStepThatFailsLeavesTheFileAsItWas) {
    Database database(":memory:");
    const std::array<SchemaStep, 2> failing{
        kSteps[0], [](Database& each) { each.execute("ALTER TABLE nowhere ADD COLUMN b"); }};
    EXPECT_THROW(bring_up_to_date(database, "x", failing), DatabaseError);
    EXPECT_EQ(component_version(database, "x"), 0);
    EXPECT_THROW(database.prepare("SELECT * FROM one"), DatabaseError);
}

TEST(Components, RunInTheCallersTransactionWhereOneIsOpen) {
    Database database(":memory:");
    {
        const Transaction transaction(database);
        bring_up_to_date(database, "x", kSteps);
        EXPECT_TRUE(database.in_transaction());
    }
    EXPECT_EQ(component_version(database, "x"), 0);
}

}  // namespace
}  // namespace sallyport::storage
