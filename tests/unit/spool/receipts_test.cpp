// Receipts: durable with their records, gone when a release is, over starts, trims, failures and
// power cuts at every operation.
#include "edge-agent/spool/receipts.hpp"

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "tests/simulation/model_disk.hpp"
#include "tests/unit/spool/rig.hpp"

namespace sallyport::spool {
namespace {

using simulation::ModelDisk;

/// Of a publish to "plant/a", which is the first tag.
Receipt receipt(record::Seq seq, std::uint64_t session, std::uint16_t packet_id) {
    Receipt made{seq, session, packet_id};
    made.tag = 1;
    return made;
}
std::set<record::Seq> open_seqs(const Spool& spool) {
    std::set<record::Seq> seqs;
    for (const auto& receipt : spool.receipts()) seqs.insert(receipt.seq);
    return seqs;
}

class ReceiptsTest : public testing::Test {
protected:
    ReceiptsTest() { EXPECT_TRUE(rig_.start()); }

    void publish(std::uint64_t session, std::uint16_t packet_id, std::size_t bytes = 5) {
        ASSERT_TRUE(
            rig_.append("plant/a", std::string(bytes, 'v'), Receipt{0, session, packet_id}));
        rig_.run_until_synced();
    }
    void release(std::uint64_t session, std::uint16_t packet_id) {
        const auto ticket = rig_.spool().release(session, packet_id);
        EXPECT_FALSE(rig_.spool().is_released(ticket));
        rig_.run_jobs();
        EXPECT_TRUE(rig_.spool().is_released(ticket));
    }
    void power_cut() {
        rig_.stop();
        disk_.crash(7);
        ASSERT_TRUE(rig_.start());
        rig_.run_jobs();
    }
    /// So much that the segments of before go, as the far side has all of them.
    void trim_everything() {
        const auto first = rig_.spool().stats().first;
        for (int i = 0; i < 6; ++i) {
            rig_.append_many(100);
            rig_.run_until_synced();
        }
        rig_.open();
        rig_.spool().advance_cursor(kHq, 1, rig_.drain().ends.back());
        rig_.run_jobs();
        rig_.spool().close_reader(kHq);
        rig_.run_jobs();
        ASSERT_GT(rig_.spool().stats().first, first);
    }

    ModelDisk disk_;
    Rig rig_{disk_};
};

TEST_F(ReceiptsTest, CountsWhenItsRecordIsSynced) {
    ASSERT_TRUE(rig_.append("plant/a", "v", Receipt{0, 1, 5}));
    EXPECT_TRUE(rig_.spool().receipts().empty());
    rig_.run_until_synced();
    EXPECT_EQ(rig_.spool().receipts(), (std::vector{receipt(1, 1, 5)}));
}

TEST_F(ReceiptsTest, IsThereAfterAStartUntilItIsReleased) {
    publish(1, 5);
    publish(1, 6);
    publish(2, 5);
    power_cut();
    EXPECT_EQ(rig_.spool().receipts(),
              (std::vector{receipt(1, 1, 5), receipt(2, 1, 6), receipt(3, 2, 5)}));
    release(1, 5);
    power_cut();
    EXPECT_EQ(rig_.spool().receipts(), (std::vector{receipt(2, 1, 6), receipt(3, 2, 5)}));
    release(2, 5);
    publish(2, 5);
    power_cut();
    EXPECT_EQ(rig_.spool().receipts(), (std::vector{receipt(2, 1, 6), receipt(4, 2, 5)}));
}

TEST_F(ReceiptsTest, OutlivesItsSegment) {
    publish(1, 5);
    trim_everything();
    power_cut();
    EXPECT_EQ(open_seqs(rig_.spool()), std::set<record::Seq>{1});
    release(1, 5);
    power_cut();
    EXPECT_TRUE(rig_.spool().receipts().empty());
}

TEST_F(ReceiptsTest, IsVoidWhereItsIdentifierStandsForALaterPublish) {
    publish(1, 5);
    publish(1, 5);
    EXPECT_EQ(open_seqs(rig_.spool()), std::set<record::Seq>{2});
    power_cut();
    EXPECT_EQ(open_seqs(rig_.spool()), std::set<record::Seq>{2});
}

TEST_F(ReceiptsTest, WithoutACheckpointNoneIsBelieved) {
    publish(1, 5);
    release(1, 5);
    rig_.stop();
    disk_.checkpoint().reset();
    ASSERT_TRUE(rig_.start());
    EXPECT_TRUE(rig_.spool().receipts().empty()) << "it would swallow another message";
}

TEST_F(ReceiptsTest, ASaveThatFailsReleasesNothing) {
    publish(1, 5);
    publish(1, 6);
    disk_.fail(ModelDisk::Kind::save, 1, DiskError::io, 3);
    const auto ticket = rig_.spool().release(1, 5);
    rig_.run_jobs();
    EXPECT_FALSE(rig_.spool().is_released(ticket));
    for (int i = 0; i < 5; ++i) {
        rig_.wait(std::chrono::seconds(1));
        rig_.run_jobs();
    }
    EXPECT_TRUE(rig_.spool().is_released(ticket));
    power_cut();
    EXPECT_EQ(open_seqs(rig_.spool()), std::set<record::Seq>{2});
}

TEST_F(ReceiptsTest, WhatNobodyHasNeedsNoRelease) {
    EXPECT_TRUE(rig_.spool().is_released(rig_.spool().release(1, 5)));
}

TEST_F(ReceiptsTest, ThatItsRecordWasLeftOutOutlivesAStart) {
    Receipt awaiting{0, 1, 5};
    awaiting.awaits_delivery = true;
    ASSERT_TRUE(rig_.append("plant/a", "v", awaiting));
    rig_.run_until_synced();
    EXPECT_EQ(rig_.spool().delivered(), 0U);
    rig_.open();
    const auto end = rig_.drain().ends.back();
    record::LedgerEntry refused;
    refused.reason = record::LedgerReason::refused;
    refused.tag = 1;
    refused.first = refused.last = refused.records = 1;
    rig_.spool().leave_out(kHq, {end.epoch, 1, 1, {}}, {refused});
    EXPECT_FALSE(rig_.spool().is_left_out(1)) << "a new session may decide anew";
    rig_.spool().advance_cursor(kHq, 1, end);
    EXPECT_EQ(rig_.spool().delivered(), 1U);
    EXPECT_TRUE(rig_.spool().is_left_out(1));
    rig_.wait(std::chrono::seconds(2));
    rig_.run_jobs();
    power_cut();
    EXPECT_EQ(rig_.spool().delivered(), 1U);
    EXPECT_TRUE(rig_.spool().is_left_out(1));
}

TEST(Receipts, AreBounded) {
    Receipts receipts;
    std::vector<Receipt> many;
    for (record::Seq seq = 1; seq <= 3 * kOpenReceiptsMax; ++seq)
        many.push_back({seq, 7 + seq / 1000, static_cast<std::uint16_t>(seq % 1000)});
    receipts.add(many);
    const auto open = receipts.open();
    EXPECT_EQ(open.size(), kOpenReceiptsMax);
    EXPECT_EQ(open.back().seq, 3 * kOpenReceiptsMax);
    Checkpoint checkpoint;
    receipts.take_change(checkpoint);
    EXPECT_TRUE(checkpoint.lists_all_receipts);
    EXPECT_TRUE(checkpoint.receipts_gone.empty());
    EXPECT_EQ(checkpoint.receipts.size(), kOpenReceiptsMax);
}

/// What the spool has told of receipts, over all its lives.
struct Told {
    std::set<record::Seq> open;                      // synced, no release asked
    std::set<record::Seq> released;                  // durably
    std::map<record::Seq, std::uint64_t> releasing;  // with tickets of this life
    std::map<record::Seq, Receipt> names;
};

void note(Told& told, const Spool& spool) {
    std::erase_if(told.releasing, [&](const auto& each) {
        const bool done = spool.is_released(each.second);
        if (done) told.released.insert(each.first);
        return done;
    });
    for (const auto& [seq, name] : told.names)
        if (seq <= spool.synced() && !told.releasing.contains(seq) && !told.released.contains(seq))
            told.open.insert(seq);
}

/// Publishes, releases in another order, a far side that takes it all, so that segments go.
void live(Rig& rig, ModelDisk& disk, Told& told, std::mt19937_64& random) {
    if (!rig.start()) return;
    for (std::uint16_t step = 1; step < 40 && !disk.power_is_gone(); ++step) {
        const Receipt name{0, 10 * rig.epoch() + random() % 3, step};
        if (!rig.append("plant/a", std::string(random() % 900, 'v'), name)) break;
        const auto seq = rig.accepted().back().seq;
        told.names[seq] = name;
        rig.run_jobs();
        note(told, rig.spool());
        if (random() % 2 == 0 && !told.open.empty()) {
            auto at = told.open.begin();
            std::advance(at, static_cast<std::ptrdiff_t>(random() % told.open.size()));
            const auto& released = told.names[*at];
            told.releasing[*at] = rig.spool().release(released.session, released.packet_id);
            told.open.erase(at);
        }
        if (random() % 8 == 0) {
            rig.open();
            const auto delivery = rig.drain(kHq, false);
            if (!delivery.ends.empty() && !disk.power_is_gone())
                rig.spool().advance_cursor(kHq, 1, delivery.ends.back());
            rig.spool().close_reader(kHq);
        }
        rig.run_jobs();
        note(told, rig.spool());
        rig.wait(std::chrono::milliseconds(300));
    }
}

void check(const Spool& spool, const Told& told) {
    const auto open = open_seqs(spool);
    for (const auto seq : told.open) ASSERT_TRUE(open.contains(seq)) << "forgotten: " << seq;
    for (const auto seq : told.released)
        ASSERT_FALSE(open.contains(seq)) << "would swallow a message: " << seq;
    for (const auto& receipt : spool.receipts()) {
        ASSERT_LE(receipt.seq, spool.synced()) << "of a record that is not there";
        const auto name = told.names.at(receipt.seq);
        ASSERT_EQ(receipt.session, name.session);
        ASSERT_EQ(receipt.packet_id, name.packet_id);
    }
}

TEST(ReceiptsCrash, AtEveryOperationNoneIsForgottenAndNoneComesBack) {
    std::size_t kept = 0, released = 0, trims = 0;
    for (std::uint64_t at = 0; at < 260; ++at) {
        for (std::uint64_t seed = 1; seed <= 4; ++seed) {
            SCOPED_TRACE("operation " + std::to_string(at) + ", seed " + std::to_string(seed));
            ModelDisk disk(seed);
            Rig rig(disk);
            Told told;
            std::mt19937_64 random(seed);
            for (const auto cut : {at, 60 + at / 2}) {
                disk.cut_power_after(cut);
                live(rig, disk, told, random);
                rig.stop();
                disk.crash(seed * 1000 + at);
                // Whether a release that was under way has become durable, nobody has heard.
                told.releasing.clear();
                ASSERT_TRUE(rig.start());
                check(rig.spool(), told);
                if (testing::Test::HasFailure()) return;
                const auto open = open_seqs(rig.spool());
                std::erase_if(told.names, [&](const auto& each) {
                    return !open.contains(each.first) && !told.released.contains(each.first);
                });
                for (const auto seq : open) told.open.insert(seq);
                trims += rig.spool().stats().first > 1 ? 1U : 0U;
            }
            kept += told.open.size();
            released += told.released.size();
        }
    }
    EXPECT_GT(kept, 1000U);
    EXPECT_GT(released, 1000U);
    EXPECT_GT(trims, 100U);
}

}  // namespace
}  // namespace sallyport::spool
