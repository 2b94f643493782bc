// A spool on a disk, and what was put into it: the tests compare what comes out with what went in.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "edge-agent/spool/entry_format.hpp"
#include "edge-agent/spool/spool.hpp"

namespace sallyport::spool {

inline constexpr const char* kHq = "hq";

struct Given {
    record::Epoch epoch = 0;
    record::Seq seq = 0;
    std::string topic;
    std::string value;
    friend bool operator==(const Given&, const Given&) = default;
};
inline std::ostream& operator<<(std::ostream& to, const Given& given) {
    return to << given.epoch << ':' << given.seq << ' ' << given.topic << ' '
              << given.value.substr(0, 12);
}

/// Equal, or else where they first differ.
inline testing::AssertionResult same(const std::vector<Given>& got,
                                     const std::vector<Given>& expected) {
    const auto [at, wanted] =
        std::mismatch(got.begin(), got.end(), expected.begin(), expected.end());
    if (at == got.end() && wanted == expected.end()) return testing::AssertionSuccess();
    auto result = testing::AssertionFailure()
                  << got.size() << " records instead of " << expected.size() << "; got ";
    if (at != got.end()) result << *at;
    result << ", wanted ";
    if (wanted != expected.end()) result << *wanted;
    return result;
}

/// What a reader gave until it had nothing more.
struct Delivery {
    std::vector<Given> records;
    std::vector<tunnel::Gap> gaps;
    std::vector<tunnel::Position> ends;  // of each entry
};

inline std::vector<FileInfo> segments_of(Disk& disk) {
    std::vector<FileInfo> segments;
    for (const auto& file : *disk.list())
        if (parse_segment_name(file.name)) segments.push_back(file);
    return segments;
}

/// Where the entries of a segment lie.
inline std::vector<std::size_t> entries_in(base::ByteView contents) {
    std::vector<std::size_t> starts;
    const auto seed = decode_segment_header(contents)->seed;
    for (std::size_t at = kSegmentHeaderBytes; at < contents.size();) {
        const auto header = decode_entry_header(contents.subspan(at), seed);
        if (!header) break;
        starts.push_back(at);
        at += header->size();
    }
    return starts;
}

inline SpoolOptions small_options() {
    SpoolOptions options;
    options.edge = "acme/line3";
    options.destinations = {kHq};
    options.max_bytes = 1U << 20U;
    options.segment_bytes_max = 16U << 10U;
    options.entry_bytes_max = 1024;
    options.commit_bytes_max = 4096;
    options.pending_bytes_max = 64U << 10U;
    options.cache_bytes_max = 0;  // readers go to the disk
    return options;
}

class Rig {
public:
    explicit Rig(Disk& disk, SpoolOptions options = small_options())
        : disk_(disk), options_(std::move(options)) {}

    /// A start. False where it is impossible.
    bool start() {
        spool_.reset();
        ++epoch_;
        auto recovered = Spool::recover(options_, disk_, epoch_, 0x5EED + epoch_, now());
        if (!recovered) return false;
        spool_ = std::move(*recovered);
        return true;
    }
    void stop() { spool_.reset(); }
    Spool& spool() { return *spool_; }
    SpoolOptions& options() { return options_; }
    record::Epoch epoch() const { return epoch_; }

    base::Now now() const {
        return {base::Instant{clock_}, base::WallTime{clock_.count() + 1'000'000}};
    }
    void wait(base::Duration time) { clock_ += time; }

    /// Accepts a record; false where there is no room.
    bool append(const std::string& topic, const std::string& value,
                const std::optional<Receipt>& receipt = {}) {
        tunnel::BatchRecord record;
        record.tag = spool_->tag(topic);
        record.flags = record::kHasValue;
        if (latest_.contains(topic)) record.flags |= record::kLatest;
        record.arrival_time = now().wall;
        record.source_time = record.arrival_time;
        record.value = base::as_bytes(value);
        const auto seq = spool_->append(record, now(), receipt);
        if (!seq) return false;
        accepted_.push_back({spool_->epoch(), *seq, topic, value});
        return true;
    }
    /// Topics whose records are of class `latest` from now on.
    void set_latest(std::set<std::string> topics) { latest_ = std::move(topics); }
    /// Records that differ in topic, length and bytes.
    void append_many(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i, ++made_) {
            const auto length = made_ * 7 % 90;
            ASSERT_TRUE(
                append("plant/tag" + std::to_string(made_ % 11),
                       std::to_string(made_) + std::string(length, char('a' + made_ % 26))));
        }
    }
    /// Runs jobs until there are none; gives how many.
    std::size_t run_jobs() {
        std::size_t jobs = 0;
        while (auto job = spool_->next_job(now())) {
            spool_->complete(run(disk_, std::move(*job)), now());
            ++jobs;
        }
        synced_[spool_->epoch()] = spool_->synced();
        return jobs;
    }
    /// Runs jobs, letting the time pass that the spool asks for, until everything is synced.
    void run_until_synced() {
        for (int i = 0; i < 1000; ++i) {
            run_jobs();
            if (spool_->stats().pending_bytes == 0) return;
            wait(std::chrono::milliseconds(100));
        }
        FAIL() << "the spool never syncs what it has accepted";
    }

    /// Everything that is accepted and at or below `seq`, in order.
    std::vector<Given> accepted_up_to(record::Seq seq) const {
        std::vector<Given> records;
        for (const auto& each : accepted_)
            if (each.seq <= seq) records.push_back(each);
        return records;
    }
    std::vector<Given>& accepted() { return accepted_; }
    /// Was synced, as far as run_jobs() has seen: must not be lost.
    bool is_promised(const Given& given) const {
        const auto synced = synced_.find(given.epoch);
        return synced != synced_.end() && given.seq <= synced->second;
    }

    void open(const tunnel::Position& position = {}, const std::string& destination = kHq) {
        spool_->open_reader(destination, {1, position, 0});
    }
    /// `must_end`: a reader that waits for ever is a failure, not a disk that is gone.
    Delivery drain(const std::string& destination = kHq, bool must_end = true) {
        Delivery delivery;
        for (int waits = 0; waits < 1000;) {
            const auto result = spool_->read(destination);
            if (const auto* entry = std::get_if<Entry>(&result)) {
                take(*entry, delivery);
            } else if (const auto* gap = std::get_if<tunnel::Gap>(&result)) {
                delivery.gaps.push_back(*gap);
            } else if (std::get<NotYet>(result).at_end) {
                return delivery;
            } else if (run_jobs() == 0) {
                wait(std::chrono::milliseconds(100));
                ++waits;
            }
        }
        EXPECT_FALSE(must_end) << "the reader never comes to the end";
        return delivery;
    }
    Delivery deliver(const tunnel::Position& position = {}) {
        open(position);
        return drain();
    }

private:
    void take(const Entry& entry, Delivery& delivery) {
        std::vector<tunnel::BatchRecord> records;
        const auto head = tunnel::decode_batch(*entry.body, records);
        ASSERT_TRUE(head);
        EXPECT_EQ(head->epoch, entry.epoch);
        EXPECT_EQ(head->first, entry.first);
        EXPECT_EQ(head->last, entry.last);
        EXPECT_LE(entry.last, spool_->synced());
        for (const auto& record : records) {
            const auto topic = spool_->topic(record.tag);
            delivery.records.push_back({entry.epoch, record.seq, std::string(topic.value_or("?")),
                                        std::string(base::as_text(record.value))});
        }
        delivery.ends.push_back(
            {entry.epoch, entry.last, tunnel::batch_checksum(entry.epoch, *entry.body)});
    }

    Disk& disk_;
    SpoolOptions options_;
    std::unique_ptr<Spool> spool_;
    std::vector<Given> accepted_;
    record::Epoch epoch_ = 100;
    base::Duration clock_{};
    std::size_t made_ = 0;
    std::set<std::string> latest_;
    std::map<record::Epoch, record::Seq> synced_;
};

}  // namespace sallyport::spool
