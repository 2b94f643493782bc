// Power cuts at every operation and at random ones: what was synced is there afterwards, in order
// and byte for byte, and nothing else but what was accepted.
#include <algorithm>
#include <cstdio>
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "tests/simulation/model_disk.hpp"
#include "tests/unit/spool/rig.hpp"

namespace sallyport::spool {
namespace {

using simulation::ModelDisk;

/// A spool's lives on one disk, and what each start must still find.
class Lives {
public:
    explicit Lives(std::uint64_t seed) : disk_(seed), rig_(disk_) {}

    Rig& rig() { return rig_; }
    ModelDisk& disk() { return disk_; }

    void cut_power(std::uint64_t seed) {
        if (alive_) {
            for (const auto& record : rig_.accepted_up_to(rig_.spool().synced()))
                if (record.epoch == rig_.epoch()) must_have_[record.seq] = record;
        }
        alive_ = false;
        rig_.stop();
        disk_.crash(seed);
    }
    void start() {
        alive_ = rig_.start();
        if (!alive_ && !disk_.power_is_gone()) FAIL() << "a start on a sound disk failed";
    }
    bool alive() const { return alive_; }

    /// The far side has half of what it can have: segments may go.
    void acknowledge_half() {
        rig_.open();
        const auto delivery = rig_.drain(kHq, false);
        if (disk_.power_is_gone() || delivery.ends.empty()) return;
        const auto end = delivery.ends[delivery.ends.size() / 2];
        rig_.spool().advance_cursor(kHq, 1, end);
        acknowledged_ = std::max(acknowledged_, end.seq);
    }

    void check() {
        std::map<record::Seq, Given> accepted;
        for (const auto& record : rig_.accepted()) accepted.insert_or_assign(record.seq, record);
        const auto delivery = rig_.deliver();
        std::map<record::Seq, Given> delivered;
        for (const auto& record : delivery.records) {
            EXPECT_TRUE(delivered.empty() || delivered.rbegin()->first < record.seq);
            delivered[record.seq] = record;
            const bool known = std::find(rig_.accepted().begin(), rig_.accepted().end(), record) !=
                               rig_.accepted().end();
            EXPECT_TRUE(known) << record;
        }
        for (const auto& [seq, record] : must_have_) {
            if (seq <= acknowledged_) continue;
            const auto found = delivered.find(seq);
            ASSERT_TRUE(found != delivered.end()) << "lost " << record;
            ASSERT_EQ(found->second, record);
        }
        for (const auto& gap : delivery.gaps)
            for (const auto& [seq, record] : must_have_)
                EXPECT_FALSE(seq > acknowledged_ && gap.from <= seq && seq <= gap.to) << record;
        must_have_ = delivered;  // what was delivered once stays
    }

private:
    ModelDisk disk_;
    Rig rig_;
    bool alive_ = false;
    std::map<record::Seq, Given> must_have_;
    record::Seq acknowledged_ = 0;
};

/// A start, records over a few segments, acknowledgements; until the power is gone.
void live(Lives& lives, std::mt19937_64& random) {
    lives.start();
    for (int step = 0; lives.alive() && step < 12 && !lives.disk().power_is_gone(); ++step) {
        if (!lives.rig().spool().has_room()) break;
        lives.rig().append_many(1 + random() % 30);
        if (random() % 4 == 0)
            lives.rig().append("large", std::string(3000 + random() % 3000, 'L'));
        lives.rig().run_jobs();
        if (step == 8) lives.acknowledge_half();
        lives.rig().wait(std::chrono::milliseconds(300));
    }
}

TEST(Crash, AtEveryOperationLosesNothingThatWasSynced) {
    std::uint64_t operations = 0;
    {
        Lives lives(1);
        std::mt19937_64 random(1);
        live(lives, random);
        operations = lives.disk().operations();
    }
    ASSERT_GT(operations, 60U);
    ModelDisk::Strikes strikes;
    for (std::uint64_t at = 0; at <= operations; ++at) {
        for (std::uint64_t seed = 1; seed <= 6; ++seed) {
            SCOPED_TRACE("operation " + std::to_string(at) + ", seed " + std::to_string(seed));
            Lives lives(seed);
            std::mt19937_64 random(1);
            lives.disk().cut_power_after(at);
            live(lives, random);
            lives.cut_power(seed * 1000 + at);
            lives.start();
            ASSERT_TRUE(lives.alive());
            lives.check();
            if (testing::Test::HasFailure()) return;
            strikes.sectors_lost += lives.disk().strikes().sectors_lost;
            strikes.sectors_survived += lives.disk().strikes().sectors_survived;
            strikes.names_lost += lives.disk().strikes().names_lost;
        }
    }
    EXPECT_GT(strikes.sectors_lost, 0U);
    EXPECT_GT(strikes.sectors_survived, 0U);
    EXPECT_GT(strikes.names_lost, 0U);
    std::printf(
        "%llu operations, each cut 6 times: %llu sectors lost, %llu survived, %llu names lost\n",
        static_cast<unsigned long long>(operations),
        static_cast<unsigned long long>(strikes.sectors_lost),
        static_cast<unsigned long long>(strikes.sectors_survived),
        static_cast<unsigned long long>(strikes.names_lost));
}

TEST(Crash, ManyTimesInARowLosesNothingThatWasSynced) {
    std::uint64_t cuts = 0;
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937_64 random(seed);
        Lives lives(seed);
        for (int life = 0; life < 6; ++life) {
            lives.disk().cut_power_after(random() % 120);
            live(lives, random);
            lives.cut_power(random());
            // Now and then the power goes again during the start itself.
            for (int again = 0; random() % 2 == 0 && again < 3; ++again) {
                lives.disk().cut_power_after(random() % 14);
                lives.start();
                lives.cut_power(random());
            }
            lives.start();
            ASSERT_TRUE(lives.alive());
            lives.check();
            if (testing::Test::HasFailure()) return;
        }
        cuts += lives.disk().strikes().power_cuts;
    }
    EXPECT_GT(cuts, 1800U);
}

TEST(Crash, OfTheProcessAloneLosesNothingThatWasWritten) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        // Few records: the start writes the tail afresh. Many: it syncs the tail where it lies.
        for (const std::size_t before : {1U, 60U}) {
            ModelDisk disk;
            Rig rig(disk);
            ASSERT_TRUE(rig.start());
            rig.append_many(before);
            rig.run_until_synced();
            rig.append_many(20);
            auto job = rig.spool().next_job(rig.now());
            ASSERT_TRUE(job);
            ASSERT_EQ(job->ops.size(), 2U);
            job->ops.pop_back();
            run(disk, std::move(*job));  // written, not synced; and the process is gone
            ASSERT_TRUE(rig.start());
            const auto synced = rig.spool().synced();
            EXPECT_EQ(synced, before + 20);
            EXPECT_TRUE(same(rig.deliver().records, rig.accepted_up_to(synced)));
            // The start made it durable before it gave it to anyone.
            disk.crash(seed);
            ASSERT_TRUE(rig.start());
            EXPECT_EQ(rig.spool().synced(), synced);
            EXPECT_TRUE(same(rig.deliver().records, rig.accepted_up_to(synced)));
        }
    }
}

}  // namespace
}  // namespace sallyport::spool
