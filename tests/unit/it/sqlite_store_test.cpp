#include "it-agent/runtime/sqlite_store.hpp"

#include <fstream>

#include <gtest/gtest.h>

#include "common/storage/components.hpp"
#include "tests/unit/ops/scratch_dir.hpp"

namespace sallyport::it_agent {
namespace {

const base::WallTime kNow{1'800'000'000'000'000'000};
constexpr base::Duration kHour = std::chrono::hours(1);
constexpr std::uint64_t kBig = 0xFFFF'FFFF'FFFF'FFF0;

base::Bytes bytes(std::string_view text) {
    return {text.begin(), text.end()};
}

sinks::StoreJob job() {
    sinks::StoreJob made;
    made.positions = {{"acme/line1", {kBig, 7, kBig + 1}}};
    made.tags = {{"acme/line1", "t", record::Quality::uncertain_last_usable}};
    made.retained = {{"t", bytes("21.5"), bytes("\x26"), mqtt::Qos::at_least_once, kNow + kHour}};
    made.ledger.put = {
        {4,
         {"acme/line1", record::LedgerReason::before_log, 0, kBig, 5, 6, 2, kNow, kNow + kHour},
         1,
         true,
         0}};
    made.broker.changes = {mqtt::SessionPut{"scada", 60, {}, {}}};
    return made;
}

void expect_job(const sinks::StoreState& state) {
    ASSERT_EQ(state.positions.size(), 1U);
    EXPECT_EQ(state.positions[0].edge, "acme/line1");
    EXPECT_EQ(state.positions[0].position, (tunnel::Position{kBig, 7, kBig + 1}));
    ASSERT_EQ(state.tags.size(), 1U);
    EXPECT_EQ(state.tags[0].topic, "t");
    EXPECT_EQ(state.tags[0].quality, record::Quality::uncertain_last_usable);
    ASSERT_EQ(state.retained.size(), 1U);
    EXPECT_EQ(state.retained[0].topic, "t");
    EXPECT_EQ(state.retained[0].payload, bytes("21.5"));
    EXPECT_EQ(state.retained[0].properties, bytes("\x26"));
    EXPECT_EQ(state.retained[0].qos, mqtt::Qos::at_least_once);
    ASSERT_EQ(state.broker.retained.size(), 1U);
    EXPECT_EQ(state.broker.retained[0].topic, "t");
}

TEST(SqliteStore, KeepsItsIdAndWhatWasCommittedOverAStart) {
    const ops::ScratchDir folder;
    const auto path = folder.file("store.db");
    {
        SqliteStore store(path, kBig, kNow);
        EXPECT_EQ(store.load().store_id, kBig);
        EXPECT_EQ(store.commit(job()), std::nullopt);
    }
    SqliteStore store(path, 1, kNow);
    EXPECT_FALSE(store.aside());
    const auto state = store.load();
    EXPECT_EQ(state.store_id, kBig);
    expect_job(state);
    EXPECT_EQ(state.retained[0].expires_at, kNow + kHour);
    EXPECT_EQ(state.ledger, job().ledger.put);
    ASSERT_EQ(state.broker.sessions.size(), 1U);
    EXPECT_EQ(state.broker.sessions[0].client_id, "scada");
}

TEST(SqliteStore, AnEmptyRetainedPayloadTakesTheTopic) {
    const ops::ScratchDir folder;
    SqliteStore store(folder.file("store.db"), 1, kNow);
    EXPECT_EQ(store.commit(job()), std::nullopt);
    sinks::StoreJob empty;
    empty.retained = {{"t", {}, {}, {}}};
    EXPECT_EQ(store.commit(empty), std::nullopt);
    SqliteStore again(folder.file("store.db"), 1, kNow);
    EXPECT_TRUE(again.load().retained.empty());
}

TEST(SqliteStore, PositionsTagsAndBrokerAreOneTransaction) {
    const ops::ScratchDir folder;
    const auto path = folder.file("store.db");
    {
        SqliteStore store(path, 1, kNow);
        storage::Database(path).execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON sessions"
            " BEGIN SELECT RAISE(ABORT, 'refused here'); END");
        const auto error = store.commit(job());
        ASSERT_TRUE(error);
        EXPECT_NE(error->find("refused here"), std::string::npos) << *error;
    }
    SqliteStore store(path, 1, kNow);
    const auto state = store.load();
    EXPECT_TRUE(state.positions.empty() && state.tags.empty() && state.retained.empty());
}

/// As the version before components wrote it.
void make_store_of_version_1(const std::string& path) {
    storage::Database database(path);
    database.execute(
        "CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
        "CREATE TABLE positions(edge TEXT, epoch INTEGER, seq INTEGER NOT NULL,"
        "  checksum INTEGER NOT NULL, PRIMARY KEY(edge, epoch)) WITHOUT ROWID;"
        "CREATE TABLE tags(edge TEXT, topic TEXT, quality INTEGER NOT NULL,"
        "  PRIMARY KEY(edge, topic)) WITHOUT ROWID;"
        "CREATE TABLE retained(topic TEXT PRIMARY KEY, payload BLOB NOT NULL,"
        "  properties BLOB NOT NULL, qos INTEGER NOT NULL);"
        "INSERT INTO meta VALUES('store_id', 4711);"
        "INSERT INTO positions VALUES('acme/line1', -16, 7, -15);"
        "INSERT INTO retained VALUES('t', x'32312e35', x'26', 1);");
    database.prepare("INSERT INTO tags VALUES('acme/line1', 't', ?)")
        .with(static_cast<std::int64_t>(record::code(record::Quality::uncertain_last_usable)))
        .run();
    database.set_schema_version(1);
}

TEST(SqliteStore, AStoreOfTheVersionBeforeKeepsPositionsTagsAndRetainedMessages) {
    const ops::ScratchDir folder;
    const auto path = folder.file("store.db");
    make_store_of_version_1(path);
    for (int start = 0; start < 2; ++start) {
        SqliteStore store(path, 1, kNow);
        EXPECT_FALSE(store.aside());
        const auto state = store.load();
        EXPECT_EQ(state.store_id, 4711U);
        expect_job(state);
    }
    storage::Database database(path);
    EXPECT_EQ(storage::component_version(database, "it-agent"), 2);
    EXPECT_EQ(storage::component_version(database, "broker"), 2);
    EXPECT_GT(database.schema_version(), 1) << "the version before must refuse it";
}

TEST(SqliteStore, ALaterVersionIsRefusedAndStaysWhereItIs) {
    const ops::ScratchDir folder;
    const auto path = folder.file("store.db");
    {
        const SqliteStore store(path, 1, kNow);
    }
    for (const char* component : {"broker", "it-agent"}) {
        storage::Database database(path);
        const auto known = storage::component_version(database, component);
        storage::set_component_version(database, component, 99);
        const auto text = ops::text_thrown_by<storage::DatabaseError>(
            [&] { const SqliteStore store(path, 1, kNow); });
        EXPECT_NE(text.find(std::string("newer version (") + component), std::string::npos) << text;
        storage::set_component_version(database, component, known);
    }
    storage::Database(path).set_schema_version(3);
    EXPECT_THROW(SqliteStore(path, 1, kNow), storage::DatabaseError);
}

TEST(SqliteStore, ADamagedFileIsMovedAsideAndAStoreOfANewIdBegun) {
    const ops::ScratchDir folder;
    const auto path = folder.file("store.db");
    std::ofstream(path) << std::string(4096, 'x');
    SqliteStore store(path, 5, kNow);
    ASSERT_TRUE(store.aside());
    EXPECT_TRUE(std::ifstream(store.aside()->moved_to).good());
    EXPECT_EQ(store.load().store_id, 5U);
    EXPECT_EQ(store.commit(job()), std::nullopt);
}

}  // namespace
}  // namespace sallyport::it_agent
