// accepted = delivered + left out + in flight, for each destination and of each tag, whatever
// crashes, is dropped, refused or conflated: checked against what the far side really got, and
// against the rows of the ledger.
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
    /// Takes what comes, at most `entries`; `behind`: without what is superseded.
    void take(std::size_t entries, bool behind = false) {
        rig_.spool().set_behind(kHq, behind);
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
        const auto* pass = rig_.spool().pass(kHq);
        for (const auto& record : records) {
            const auto topic = std::string(*rig_.spool().topic(record.tag));
            if (topic == refused_)
                leave_out(record, LedgerReason::refused, left_out);
            else if (pass != nullptr && pass->supersedes(record))
                leave_out(record, LedgerReason::conflated, left_out);
            else
                given.push_back(
                    {entry.epoch, record.seq, topic, std::string(base::as_text(record.value))});
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
            EXPECT_TRUE(got_.emplace(each.seq, each).second) << "twice: " << each;
        }
        if (end.seq > had.seq) had = end;
        return true;
    }

    static void leave_out(const tunnel::BatchRecord& record, LedgerReason reason,
                          std::vector<record::LedgerEntry>& left_out) {
        auto row = std::ranges::find_if(left_out, [&](const auto& each) {
            return each.tag == record.tag && each.reason == reason;
        });
        if (row == left_out.end())
            row = left_out.insert(row, {"", reason, record.tag, 0, record.seq, 0, 0,
                                        record.arrival_time, record.arrival_time});
        row->last = record.seq;
        ++row->records;
    }

    Rig& rig_;
    std::string refused_;
    tunnel::Position from_;
    std::vector<tunnel::Position> unacked_;
    std::map<record::Epoch, tunnel::Position> had_;
    std::map<record::Seq, Given> got_;
    std::map<std::string, std::string> newest_;
};

DestinationCounts counts(Rig& rig) {
    return rig.spool().counts().front();
}

bool holds(const record::LedgerEntry& entry, record::Seq seq) {
    return entry.first <= seq && seq <= entry.last;
}

/// Of one tag: accepted = delivered + what rows of the tag count + what lies in rows of every tag.
/// The latter is given back: rows of every tag count all tags together.
std::uint64_t expect_exact(const std::vector<record::LedgerRow>& rows, record::TagId tag,
                           const std::vector<record::Seq>& missing) {
    std::uint64_t tagged = 0, in_ranges = 0;
    for (const auto& row : rows)
        if (row.entry.tag == tag) tagged += row.entry.records;
    for (const auto seq : missing) {
        const auto names = [&](const record::LedgerRow& row) {
            return (row.entry.tag == 0 || row.entry.tag == tag) && holds(row.entry, seq);
        };
        EXPECT_TRUE(std::ranges::any_of(rows, names)) << "no row has " << seq;
        in_ranges += std::ranges::any_of(rows, [&](const record::LedgerRow& row) {
            return row.entry.tag == 0 && holds(row.entry, seq);
        });
    }
    EXPECT_LE(tagged, missing.size()) << "of tag " << tag;
    EXPECT_LE(missing.size(), tagged + in_ranges) << "of tag " << tag;
    return missing.size() - tagged;
}

void expect_exact(Rig& rig, const Far& far) {
    const auto count = counts(rig);
    EXPECT_EQ(count.counted_from, 1U);
    EXPECT_EQ(count.accepted, rig.spool().synced());
    EXPECT_EQ(count.in_flight, 0U);
    EXPECT_EQ(count.delivered, far.got().size());
    EXPECT_EQ(count.accepted, count.delivered + count.left_out.all());
    std::map<record::Seq, Given> accepted;
    for (const auto& each : rig.accepted())
        if (each.seq <= rig.spool().synced()) accepted.insert_or_assign(each.seq, each);
    std::map<record::TagId, std::vector<record::Seq>> missing;
    for (const auto& [seq, each] : accepted)
        if (!far.got().contains(seq)) missing[rig.spool().tag(each.topic)].push_back(seq);
    const auto rows = rig.spool().ledger_rows();
    std::uint64_t in_ranges = 0, of_ranges = 0;
    for (const auto& [tag, seqs] : missing) in_ranges += expect_exact(rows, tag, seqs);
    for (const auto& row : rows) {
        EXPECT_TRUE(row.settled);
        const bool is_range = row.entry.tag == 0 && row.entry.reason != LedgerReason::torn_tail;
        if (is_range) of_ranges += row.entry.records;
    }
    EXPECT_EQ(in_ranges, of_ranges);
    std::map<std::string, std::string> newest;
    for (const auto& [seq, each] : accepted)
        if (rig.is_promised(each) || far.got().contains(seq)) newest[each.topic] = each.value;
    for (const auto& [topic, value] : newest) {
        if (topic == "plant/tag3" || topic == "plant/tag5") continue;  // refused now and then
        const auto arrived = far.newest().find(topic);
        ASSERT_TRUE(arrived != far.newest().end()) << topic;
        EXPECT_EQ(arrived->second, value) << topic;
    }
}

TEST(Counts, AreExactOverCrashesDropsRefusalsAndConflation) {
    std::uint64_t cuts = 0, dropped = 0, refused = 0, conflated = 0, delivered = 0;
    for (std::uint64_t seed = 1; seed <= 150; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937_64 random(seed);
        auto options = small_options();
        options.max_bytes = (96U + random() % 96U) << 10U;
        options.cache_bytes_max = random() % 2 == 0 ? 0 : 8192;
        ModelDisk disk(seed);
        Rig rig(disk, options);
        rig.set_latest({"plant/tag1", "plant/tag3", "plant/tag7", "plant/tag8"});
        Far far(rig);
        for (int life = 0; life < 6; ++life) {
            ASSERT_TRUE(rig.start());
            if (random() % 3 > 0) far.open(random() % 2 == 0 ? "plant/tag3" : "plant/tag5");
            if (random() % 2 == 0) disk.cut_power_after(20 + random() % 400);
            for (int step = 0; step < 40 && !disk.power_is_gone(); ++step) {
                if (rig.spool().has_room()) rig.append_many(1 + random() % 60);
                rig.run_jobs();
                if (random() % 3 == 0) far.take(1 + random() % 20, random() % 2 == 0);
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
        conflated += count.left_out.of(LedgerReason::conflated);
        delivered += count.delivered;
        if (testing::Test::HasFailure()) return;
    }
    EXPECT_GT(dropped, 1000U);
    EXPECT_GT(refused, 1000U);
    EXPECT_GT(conflated, 1000U);
    EXPECT_GT(delivered, 1000U);
    std::printf("%llu power cuts; %llu delivered, %llu dropped, %llu refused, %llu conflated\n",
                static_cast<unsigned long long>(cuts), static_cast<unsigned long long>(delivered),
                static_cast<unsigned long long>(dropped), static_cast<unsigned long long>(refused),
                static_cast<unsigned long long>(conflated));
}

}  // namespace
}  // namespace sallyport::spool
