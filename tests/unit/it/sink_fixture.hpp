// A broker sink with one edge's feed, two tags and an application.
#pragma once

#include <memory>

#include "it-agent/sinks/broker_sink.hpp"
#include "tests/unit/it/observed_broker.hpp"

namespace sallyport::sinks {

using record::Quality;
using Lines = std::vector<std::string>;

constexpr record::Epoch kEpoch = 7;
constexpr record::TagId kTemp = 0, kDoor = 1;

class BrokerSinkTest : public testing::Test {
protected:
    explicit BrokerSinkTest(const emit::EmissionOptions& emission = {})
        : feed_("acme/line3", "", {}, seen_.broker(), now_, emission) {
        tags_->push_back(feed_.index_of("plant/temp"));
        tags_->push_back(feed_.index_of("plant/door"));
        feed_.session_started(now_);
        feed_.beat_arrived({0, now_.wall, {}, 0, 1}, now_);
        seen_.see();
    }

    static tunnel::BatchRecord value(record::TagId tag, std::string_view text,
                                     std::uint16_t flags = 0) {
        tunnel::BatchRecord record;
        record.tag = tag;
        record.flags = static_cast<std::uint16_t>(record::kHasValue | flags);
        record.value = base::as_bytes(text);
        record.source_time = record.arrival_time = {1'700'000'000'000'000'000};
        return record;
    }
    static tunnel::BatchRecord quality(Quality quality, record::TagId tag,
                                       std::vector<record::TagId> also = {}) {
        tunnel::BatchRecord record;
        record.tag = tag;
        record.quality = quality;
        record.also_tags = std::move(also);
        return record;
    }
    /// An entry of these records from `first` on; `after` is what was had before.
    void add(record::Seq first, std::vector<tunnel::BatchRecord> records, record::Seq after = 0) {
        for (std::size_t i = 0; i < records.size(); ++i) records[i].seq = first + i;
        const auto last = first + records.size() - 1;
        const auto body = encode_batch({kEpoch, first, last, 0}, records);
        sink_.add({&feed_, tunnel::SessionId{3}, position(last), after, tags_, body.size(),
                   after == 0 ? tunnel::Position{} : position(after)},
                  body, records, now_);
    }
    static tunnel::Position position(record::Seq seq) { return {kEpoch, seq, seq * 100}; }

    void complete(const StoreJob& job, std::optional<std::string> error = std::nullopt) {
        sink_.complete({job.id, std::move(error)}, now_);
    }
    void commit() {
        const auto job = sink_.next_job(now_);
        ASSERT_TRUE(job);
        complete(*job);
    }
    /// Ends of the entries that the sink now has.
    std::vector<record::Seq> emit_all() {
        std::vector<record::Seq> ends;
        while (const auto emitted = sink_.emit_next(now_)) ends.push_back(emitted->end.seq);
        return ends;
    }
    void pass(base::Duration time) { now_ = {now_.instant + time, now_.wall + time}; }
    Lines payloads() {
        Lines lines;
        for (const auto& each : seen_.see("plant/")) lines.push_back(each.payload);
        return lines;
    }

    base::Now now_{base::Instant{std::chrono::hours(1)}, base::WallTime{1'700'000'000'000'000'000}};
    emit::ObservedBroker seen_{now_};
    emit::EdgeFeed feed_;
    std::shared_ptr<TagMap> tags_ = std::make_shared<TagMap>();
    BrokerSink sink_{seen_.broker()};
};

}  // namespace sallyport::sinks
