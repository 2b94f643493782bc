// accepted = delivered + left out + in flight, for each destination, whatever crashes, is dropped
// or is refused: checked against what the far side really got, and against the rows of the ledger.
#include <algorithm>
#include <cstdio>
#include <map>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "tests/simulation/model_disk.hpp"
#include "tests/unit/spool/rig.hpp"

namespace sallyport::spool {
namespace {

using record::LedgerReason;
using simulation::ModelDisk;

/// A far side that remembers, and a route that refuses one topic.
class Far {
public:
    explicit Far(Rig& rig) : rig_(rig) {}

    void open(std::string refused) {
        refused_ = std::move(refused);
        unacked_.clear();
        tunnel::Position from;
        for (const auto& run : rig_.spool().runs())
            if (const auto had = had_.find(run.epoch); had != had_.end()) from = had->second;
        rig_.spool().open_reader(kHq, {1, from, 0});
        from_ = from;
    }
    /// Takes what comes, at most `entries`.
    void take(std::size_t entries) {
        for (int waits = 0; entries > 0 && waits < 50;) {
            const auto result = rig_.spool().read(kHq);
            acknowledge_resumed();
            if (const auto* entry = std::get_if<Entry>(&result)) {
                if (!take(*entry)) return;
                --entries;
            } else if (std::holds_alternative<NotYet>(result)) {
                if (std::get<NotYet>(result).at_end) return;
                if (rig_.run_jobs() == 0) {
                    rig_.wait(std::chrono::milliseconds(200));
                    ++waits;
                }
            }
        }
    }
    /// Acknowledges what it has but the newest `behind` entries.
    void acknowledge(std::size_t behind) {
        if (unacked_.size() <= behind) return;
        const auto end = unacked_.end() - static_cast<std::ptrdiff_t>(behind) - 1;
        rig_.spool().advance_cursor(kHq, 1, *end);
        unacked_.erase(unacked_.begin(), end + 1);
    }
    const std::map<record::Seq, Given>& got() const { return got_; }
    const std::map<std::string, std::string>& newest() const { return newest_; }
    /// Records that came out of the table `kept`.
    std::uint64_t kept() const { return kept_; }

private:
    /// As an it-agent does: an acknowledgement that was lost is made good.
    void acknowledge_resumed() {
        if (from_.epoch != 0) rig_.spool().advance_cursor(kHq, 1, from_);
        from_ = {};
    }
    bool take(const Entry& entry) {
        std::vector<tunnel::BatchRecord> records;
        EXPECT_TRUE(tunnel::decode_batch(*entry.body, records));
        std::vector<record::LedgerEntry> left_out;
        std::vector<Given> given;
        for (const auto& record : records) {
            const auto topic = std::string(*rig_.spool().topic(record.tag));
            if (topic != refused_) {
                given.push_back(
                    {entry.epoch, record.seq, topic, std::string(base::as_text(record.value))});
                continue;
            }
            if (left_out.empty())
                left_out.push_back({"", LedgerReason::refused, record.tag, 0, record.seq, 0, 0,
                                    record.arrival_time, record.arrival_time});
            left_out.front().last = record.seq;
            ++left_out.front().records;
        }
        if (!left_out.empty()) {
            const auto ticket = rig_.spool().leave_out(kHq, entry, std::move(left_out));
            for (int i = 0; i < 50 && !rig_.spool().is_ledgered(ticket); ++i)
                if (rig_.run_jobs() == 0) rig_.wait(std::chrono::milliseconds(200));
            if (!rig_.spool().is_ledgered(ticket)) return false;  // the power is gone
        }
        const tunnel::Position end{entry.epoch, entry.last,
                                   tunnel::batch_checksum(entry.epoch, *entry.body)};
        unacked_.push_back(end);
        auto& had = had_[entry.epoch];
        for (auto& each : given) {
            if (each.seq <= had.seq) continue;
            newest_[each.topic] = each.value;
            if (entry.last < rig_.spool().stats().first) ++kept_;
            EXPECT_TRUE(got_.emplace(each.seq, each).second) << "twice: " << each;
        }
        if (end.seq > had.seq) had = end;
        return true;
    }

    Rig& rig_;
    std::string refused_;
    tunnel::Position from_;
    std::vector<tunnel::Position> unacked_;
    std::map<record::Epoch, tunnel::Position> had_;
    std::map<record::Seq, Given> got_;
    std::map<std::string, std::string> newest_;
    std::uint64_t kept_ = 0;
};

DestinationCounts counts(Rig& rig) {
    return rig.spool().counts().front();
}

bool in_ledger(const std::vector<record::LedgerRow>& rows, record::Seq seq, record::TagId tag) {
    return std::ranges::any_of(rows, [&](const record::LedgerRow& row) {
        const auto& entry = row.entry;
        return entry.first <= seq && seq <= entry.last && (entry.tag == 0 || entry.tag == tag);
    });
}

void expect_exact(Rig& rig, const Far& far) {
    const auto count = counts(rig);
    EXPECT_EQ(count.counted_from, 1U);
    EXPECT_EQ(count.accepted, rig.spool().synced());
    EXPECT_EQ(count.in_flight, 0U);
    // A kept record whose acknowledgement was lost, and which was superseded before the next
    // session, stays in the ledger as dropped: never the other way round.
    EXPECT_LE(count.delivered, far.got().size());
    EXPECT_GE(count.delivered + far.kept(), far.got().size());
    EXPECT_EQ(count.accepted, count.delivered + count.left_out.all());
    std::map<record::Seq, Given> accepted;
    for (const auto& each : rig.accepted()) accepted.insert_or_assign(each.seq, each);
    const auto rows = rig.spool().ledger_rows();
    for (const auto& [seq, each] : accepted) {
        if (seq > rig.spool().synced() || far.got().contains(seq)) continue;
        EXPECT_TRUE(in_ledger(rows, seq, rig.spool().tag(each.topic))) << each;
    }
    std::map<std::string, std::string> newest;
    for (const auto& [seq, each] : accepted)
        if (seq <= rig.spool().synced()) newest[each.topic] = each.value;
    for (const auto& [topic, value] : newest) {
        if (topic == "plant/tag3" || topic == "plant/tag5") continue;  // refused now and then
        const auto arrived = far.newest().find(topic);
        ASSERT_TRUE(arrived != far.newest().end()) << topic;
        EXPECT_EQ(arrived->second, value) << topic;
    }
}

TEST(Counts, HoldOverCrashesDropsAndRefusals) {
    std::uint64_t cuts = 0, exact = 0, dropped = 0, refused = 0, delivered = 0;
    for (std::uint64_t seed = 1; seed <= 150; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937_64 random(seed);
        auto options = small_options();
        options.max_bytes = (96U + random() % 96U) << 10U;
        options.cache_bytes_max = random() % 2 == 0 ? 0 : 8192;
        ModelDisk disk(seed);
        Rig rig(disk, options);
        Far far(rig);
        for (int life = 0; life < 6; ++life) {
            ASSERT_TRUE(rig.start());
            if (life > 0 || random() % 2 == 0) {
                far.open(random() % 2 == 0 ? "plant/tag3" : "plant/tag5");
                far.take(1);  // it is there before anything more is dropped
            }
            if (random() % 2 == 0) disk.cut_power_after(20 + random() % 400);
            for (int step = 0; step < 40 && !disk.power_is_gone(); ++step) {
                if (rig.spool().has_room()) rig.append_many(1 + random() % 60);
                rig.run_jobs();
                if (random() % 3 == 0) far.take(1 + random() % 20);
                if (random() % 3 == 0) far.acknowledge(random() % 4);
                if (random() % 10 == 0) far.open(random() % 2 == 0 ? "plant/tag3" : "plant/tag5");
                rig.wait(std::chrono::milliseconds(100 + random() % 400));
            }
            rig.stop();
            disk.crash(random());
        }
        ASSERT_TRUE(rig.start());
        far.open("plant/tag3");
        far.take(100'000);
        far.acknowledge(0);
        expect_exact(rig, far);
        const auto count = counts(rig);
        cuts += disk.strikes().power_cuts;
        dropped += count.left_out.of(LedgerReason::dropped);
        refused += count.left_out.of(LedgerReason::refused);
        delivered += count.delivered;
        exact += count.delivered == far.got().size() ? 1 : 0;
        if (testing::Test::HasFailure()) return;
    }
    EXPECT_GE(exact, 100U);
    EXPECT_GT(dropped, 1000U);
    EXPECT_GT(refused, 1000U);
    EXPECT_GT(delivered, 1000U);
    std::printf(
        "%llu of 150 seeds exact; %llu power cuts; %llu delivered, %llu dropped, %llu refused\n",
        static_cast<unsigned long long>(exact), static_cast<unsigned long long>(cuts),
        static_cast<unsigned long long>(delivered), static_cast<unsigned long long>(dropped),
        static_cast<unsigned long long>(refused));
}

}  // namespace
}  // namespace sallyport::spool
