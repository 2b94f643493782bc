#include "edge-agent/runtime/broker_state_file.hpp"

#include <fstream>

#include <gtest/gtest.h>

#include "tests/unit/ops/scratch_dir.hpp"

namespace sallyport::edge_agent {
namespace {

const base::WallTime kNow{1'800'000'000'000'000'000};

TEST(BrokerStateFile, WhatWasCommittedIsThereAtTheNextStart) {
    const ops::ScratchDir folder;
    const auto path = folder.file("broker.db");
    {
        BrokerStateFile file(path, kNow);
        EXPECT_TRUE(file.take_state().sessions.empty());
        EXPECT_EQ(file.commit({1, {mqtt::SessionPut{"plc", 60, {}, {}}}}), std::nullopt);
    }
    BrokerStateFile file(path, kNow);
    EXPECT_FALSE(file.aside());
    EXPECT_EQ(file.report().sessions_expired, 0);
    const auto state = file.take_state();
    ASSERT_EQ(state.sessions.size(), 1U);
    EXPECT_EQ(state.sessions[0].client_id, "plc");
}

TEST(BrokerStateFile, ADamagedFileIsMovedAsideAndTold) {
    const ops::ScratchDir folder;
    const auto path = folder.file("broker.db");
    std::ofstream(path) << std::string(4096, 'x');
    BrokerStateFile file(path, kNow);
    ASSERT_TRUE(file.aside());
    EXPECT_TRUE(std::ifstream(file.aside()->moved_to).good());
    EXPECT_EQ(file.commit({1, {mqtt::SessionPut{"plc", 60, {}, {}}}}), std::nullopt);
}

TEST(BrokerStateFile, ACommitThatFailsSaysWhyAndCanBeTriedAgain) {
    const ops::ScratchDir folder;
    const auto path = folder.file("broker.db");
    BrokerStateFile file(path, kNow);
    const mqtt::DurableChanges changes{1, {mqtt::SessionPut{"plc", 60, {}, {}}}};
    {
        storage::Database other(path);
        other.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON sessions"
            " BEGIN SELECT RAISE(ABORT, 'refused here'); END");
        const auto error = file.commit(changes);
        ASSERT_TRUE(error);
        EXPECT_NE(error->find("refused here"), std::string::npos) << *error;
        other.execute("DROP TRIGGER refuse");
    }
    EXPECT_EQ(file.commit(changes), std::nullopt);
}

}  // namespace
}  // namespace sallyport::edge_agent
