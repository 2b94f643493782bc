// What was published with a Message Expiry Interval: the time that it waited at the edge counts,
// and so does what it waits here.
#include "common/mqtt/encode.hpp"
#include "tests/unit/it/sink_fixture.hpp"

namespace sallyport::sinks {
namespace {

using namespace std::chrono_literals;

class SinkExpiryTest : public BrokerSinkTest {
protected:
    SinkExpiryTest() {
        mqtt::append_property(minute_, {mqtt::PropertyId::message_expiry_interval, 60, {}, {}});
    }
    /// A value with a minute to live that came to its edge `waited` ago.
    tunnel::BatchRecord expiring(base::Duration waited, std::uint16_t flags = 0) {
        auto record = value(kTemp, "20", flags);
        record.arrival_time = now_.wall + -waited;
        record.properties = minute_;
        return record;
    }
    std::optional<std::uint32_t> left_of_retained() {
        const auto copy = seen_.retained("plant/temp", now_);
        return copy ? copy->expiry : std::nullopt;
    }

    base::Bytes minute_;
};

TEST_F(SinkExpiryTest, WhatItWaitedAtTheEdgeIsNoLongerLeft) {
    add(1, {expiring(20s, record::kRetain)});
    const auto job = sink_.next_job(now_);
    ASSERT_TRUE(job);
    EXPECT_EQ(job->retained.at(0).expires_at, now_.wall + 40s);
    pass(10s);
    complete(*job);
    emit_all();
    const auto shown = seen_.see("plant/");
    ASSERT_EQ(shown.size(), 1U);
    EXPECT_EQ(shown[0].expiry, 30U) << "nor what it waited here";
    pass(10s);
    EXPECT_EQ(left_of_retained(), 20U);
}

TEST_F(SinkExpiryTest, NoClockProlongsAnInterval) {
    add(1, {expiring(-1h)});  // the edge's clock was set back since
    commit();
    emit_all();
    EXPECT_EQ(seen_.see("plant/").at(0).expiry, 60U);
    feed_.beat_arrived({0, now_.wall + 1h, {}, 0, 2}, now_);  // an hour fast
    add(2, {expiring(-1h + 20s)});
    commit();
    emit_all();
    EXPECT_EQ(seen_.see("plant/").at(0).expiry, 40U) << "the edge's own clock counts";
}

TEST_F(SinkExpiryTest, WhatIsLearnedOfTheEdgesClockLaterChangesNothing) {
    add(1, {expiring(20s)});
    const auto job = sink_.next_job(now_);
    ASSERT_TRUE(job);
    feed_.beat_arrived({0, now_.wall + 1h, {}, 0, 2}, now_);  // set an hour on
    complete(*job);
    emit_all();
    EXPECT_EQ(seen_.see("plant/").at(0).expiry, 40U);
}

TEST_F(SinkExpiryTest, AClockThatWasSetSinceTheStartOfItsMachineExpiresNothing) {
    auto record = expiring(0s);
    record.arrival_time = {30'000'000'000};  // half a minute into 1970
    add(1, {record});
    commit();
    emit_all();
    EXPECT_EQ(seen_.see("plant/").at(0).expiry, 60U);
    feed_.session_started(now_);
    feed_.beat_arrived({0, {50'000'000'000}, {}, 0, 3}, now_);
    add(2, {record});
    commit();
    emit_all();
    EXPECT_EQ(seen_.see("plant/").at(0).expiry, 40U) << "not set yet, it is a clock like another";
}

TEST_F(SinkExpiryTest, WhatExpiredOnTheWayIsLedgeredAndNotShown) {
    add(1, {value(kTemp, "19", record::kRetain)});
    commit();
    emit_all();
    EXPECT_EQ(payloads(), Lines{"19"});
    auto expired = expiring(60s, record::kRetain);
    expired.quality = Quality::uncertain;
    add(2, {expired, value(kDoor, "open")});
    const auto job = sink_.next_job(now_);
    ASSERT_TRUE(job);
    ASSERT_EQ(job->ledger.put.size(), 1U);
    const auto& row = job->ledger.put[0].entry;
    EXPECT_EQ(row.reason, record::LedgerReason::expired);
    EXPECT_EQ(row.peer, "acme/line3");
    EXPECT_EQ(row.epoch, kEpoch);
    EXPECT_EQ(row.first, 2U);
    EXPECT_EQ(row.last, 2U);
    ASSERT_EQ(job->retained.size(), 1U);
    EXPECT_TRUE(job->retained[0].payload.empty());
    EXPECT_EQ(left_of_retained(), std::nullopt);
    complete(*job);
    EXPECT_EQ(emit_all(), std::vector<record::Seq>{3});
    EXPECT_EQ(payloads(), Lines{"open"});
    EXPECT_FALSE(seen_.retained("plant/temp", now_)) << "a newer one was retained, and is over";
    EXPECT_EQ(feed_.row(0).quality, Quality::uncertain) << "its quality holds";
}

TEST_F(SinkExpiryTest, WhatExpiresDuringTheCommitIsNotShown) {
    add(1, {expiring(20s, record::kRetain), expiring(20s)});
    const auto job = sink_.next_job(now_);
    ASSERT_TRUE(job);
    EXPECT_TRUE(job->ledger.empty()) << "handed over: it is in the queues of who has one";
    pass(41s);
    complete(*job);
    emit_all();
    EXPECT_EQ(payloads(), Lines{});
    EXPECT_FALSE(seen_.retained("plant/temp", now_));
}

class LateSinkTest : public BrokerSinkTest {
protected:
    LateSinkTest() : BrokerSinkTest({emit::Format::mirror, {}, "late/"}) {}
};

TEST_F(LateSinkTest, WhatIsHistoricalIsDecidedOnce) {
    auto record = value(kTemp, "20", record::kRetain);
    record.arrival_time = now_.wall + -5s;
    add(1, {record});
    const auto job = sink_.next_job(now_);
    ASSERT_TRUE(job);
    feed_.beat_arrived({0, now_.wall + 20s, {}, 0, 2}, now_);  // it has been 25 s in truth
    complete(*job);
    emit_all();
    const auto shown = seen_.see("plant/");
    ASSERT_EQ(shown.size(), 1U) << "as it was staged";
    EXPECT_FALSE(shown[0].user.contains("historical"));
    const auto copy = seen_.retained("plant/temp", now_);
    ASSERT_TRUE(copy);
    EXPECT_EQ(copy->payload, "20");
    EXPECT_EQ(seen_.see("late/").size(), 0U);
}

}  // namespace
}  // namespace sallyport::sinks
