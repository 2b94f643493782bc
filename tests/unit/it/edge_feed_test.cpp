#include "it-agent/emit/edge_feed.hpp"

#include <chrono>

#include "it-agent/emit/mirror.hpp"
#include "tests/unit/it/observed_broker.hpp"

namespace sallyport::emit {
namespace {

using namespace std::chrono_literals;
using record::Quality;

const std::string kState = "sallyport/edges/acme/line3";
const std::string kQuality = "sallyport/quality/acme/line3/";

class EdgeFeedTest : public testing::Test {
protected:
    EdgeFeed& feed() { return feed_; }
    ObservedBroker& seen() { return seen_; }

    void wait(base::Duration time) {
        now_.instant = now_.instant + time;
        now_.wall = now_.wall + time;
    }
    /// Time goes on; the feed is woken at the deadlines it names.
    void pass(base::Duration time) {
        const auto end = now_.instant + time;
        for (auto due = feed().next_deadline(); due && *due <= end; due = feed().next_deadline()) {
            if (*due > now_.instant) wait(*due - now_.instant);
            feed().expire(now_);
        }
        wait(end - now_.instant);
    }
    /// One that has just left.
    void beat(base::Duration behind) {
        feed().beat_arrived({9, now_.wall, behind, 3, ++beats_, 0, 24h}, now_);
    }
    /// A session whose edge has nothing more to send.
    void go_live() {
        feed().session_started(now_);
        beat(0s);
        pass(10ms);
    }
    void lose() { feed().path_lost("relay", "reset", now_); }
    /// A retained value of the tag is emitted.
    void emit_retained(const std::string& topic, Quality quality = Quality::good) {
        base::Bytes properties;
        record::Record record;
        record.seq = 5;
        mirror_properties(properties, record, {"acme/line3", epoch_text(1)}, quality, false);
        seen().broker().publish(
            {topic, base::as_bytes("21"), properties, mqtt::Qos::at_least_once, true}, now_);
        const auto tag = feed().index_of(topic);
        feed().retained_emitted(tag, properties);
        feed().quality_emitted(tag, quality, now_);
    }
    std::string state_told() {
        const auto retained = seen().retained(kState, now_);
        return retained ? retained->member("state") : "none";
    }
    std::string quality_told(const std::string& topic) {
        const auto retained = seen().retained(kQuality + topic, now_);
        return retained ? retained->member("quality") : "none";
    }
    std::string retained_quality(const std::string& topic) {
        const auto retained = seen().retained(topic, now_);
        return retained ? retained->quality() : "none";
    }

    base::Now now_{base::Instant{1h}, base::WallTime{1'700'000'000'000'000'000}};

private:
    ObservedBroker seen_{now_};
    EdgeFeed feed_{"acme/line3", "", {}, seen_.broker(), now_};
    std::uint64_t beats_ = 0;
};

TEST_F(EdgeFeedTest, IsNotLiveWhileEntriesOfAnEarlierSessionAreToBeHandedOver) {
    feed().session_started(now_, 2);
    beat(0s);
    EXPECT_NE(feed().state(), FeedState::live);
    feed().entry_emitted(now_);
    EXPECT_NE(feed().state(), FeedState::live);
    feed().entry_emitted(now_);
    EXPECT_EQ(feed().state(), FeedState::live);
}

TEST_F(EdgeFeedTest, IsNeverSeenUntilThereIsASession) {
    EXPECT_EQ(feed().state(), FeedState::never_seen);
    feed().path_lost("relay", "refused", now_);
    EXPECT_EQ(feed().state(), FeedState::never_seen);
    EXPECT_EQ(state_told(), "\"never-seen\"");
    EXPECT_EQ(seen().retained(kState, now_)->member("seen"), "\"refused\"");
}

TEST_F(EdgeFeedTest, OneWhoseTagsAreKnownFromBeforeIsLost) {
    feed().restore("plant/a", Quality::good);
    feed().path_lost("relay", "it-agent started", now_);
    pass(10ms);
    EXPECT_EQ(state_told(), "\"lost\"");
    EXPECT_EQ(quality_told("plant/a"), "\"Bad.LastKnown\"");
}

TEST_F(EdgeFeedTest, IsLiveWhenEverythingBeforeABeatIsHandedOver) {
    feed().session_started(now_);
    EXPECT_EQ(feed().state(), FeedState::catching_up);
    EXPECT_EQ(state_told(), "\"catching-up\"");
    feed().entry_arrived();
    beat(0s);
    feed().entry_arrived();  // behind the Beat: does not count for it
    EXPECT_EQ(feed().state(), FeedState::catching_up);
    feed().entry_emitted(now_);
    EXPECT_EQ(feed().state(), FeedState::live);
    EXPECT_EQ(state_told(), "\"live\"");
}

TEST_F(EdgeFeedTest, IsBehindAboveTenSecondsUntilBelowFive) {
    feed().quality_emitted(feed().index_of("plant/a"), Quality::good, now_);
    go_live();
    EXPECT_EQ(quality_told("plant/a"), "\"Good\"");
    beat(10s);
    EXPECT_EQ(feed().state(), FeedState::live);
    beat(10s + 1ns);
    EXPECT_EQ(feed().state(), FeedState::behind);
    pass(10ms);
    const auto told = seen().retained(kQuality + "plant/a", now_);
    ASSERT_TRUE(told);
    EXPECT_EQ(told->member("quality"), "\"Uncertain.LastUsable\"");
    EXPECT_EQ(told->member("reason"), "\"backlog\"");
    beat(5s + 1ns);
    EXPECT_EQ(feed().state(), FeedState::behind);
    beat(5s);
    EXPECT_EQ(feed().state(), FeedState::live);
    pass(10ms);
    EXPECT_EQ(quality_told("plant/a"), "\"Good\"");
}

TEST_F(EdgeFeedTest, IsStalledWithoutProgressForSixSeconds) {
    feed().quality_emitted(feed().index_of("plant/a"), Quality::good, now_);
    go_live();
    pass(5900ms);
    EXPECT_EQ(feed().state(), FeedState::live);
    pass(200ms);
    EXPECT_EQ(feed().state(), FeedState::stalled);
    EXPECT_EQ(state_told(), "\"stalled\"");
    EXPECT_EQ(quality_told("plant/a"), "\"Uncertain.LastUsable\"");
    beat(0s);
    EXPECT_EQ(feed().state(), FeedState::live);
    pass(10ms);
    EXPECT_EQ(quality_told("plant/a"), "\"Good\"");
}

TEST_F(EdgeFeedTest, BeatsWhoseEntriesAreNotHandedOverAreNoProgress) {
    go_live();
    feed().entry_arrived();
    for (int i = 0; i < 4; ++i) {
        beat(0s);
        pass(2s);
    }
    EXPECT_EQ(feed().state(), FeedState::stalled);
    feed().entry_emitted(now_);
    EXPECT_EQ(feed().state(), FeedState::live);
}

TEST_F(EdgeFeedTest, StalledStaysStalledHoweverFarBehindTheBeatsSay) {
    go_live();
    feed().entry_arrived();
    feed().entry_arrived();
    pass(6100ms);
    EXPECT_EQ(feed().state(), FeedState::stalled);
    beat(20s);
    EXPECT_EQ(feed().state(), FeedState::stalled);
    feed().entry_emitted(now_);
    beat(20s);
    EXPECT_EQ(feed().state(), FeedState::behind);
}

TEST_F(EdgeFeedTest, SaysWhichSideIsLostAndWhatWasSeen) {
    go_live();
    const auto lost_at = now_.wall;
    feed().path_lost("edge", "peer silent", now_);
    const auto told = seen().retained(kState, now_);
    ASSERT_TRUE(told);
    EXPECT_EQ(told->member("state"), "\"lost\"");
    EXPECT_EQ(told->member("side"), "\"edge\"");
    EXPECT_EQ(told->member("seen"), "\"peer silent\"");
    EXPECT_EQ(told->payload.find("\"since\":\"" + base::to_rfc3339(lost_at)) != std::string::npos,
              true);
    wait(5s);
    feed().path_lost("relay", "reset", now_);  // and then our own line
    EXPECT_EQ(seen().retained(kState, now_)->member("side"), "\"relay\"");
    EXPECT_EQ(feed().status().since, lost_at) << "it is lost since the first";
}

TEST_F(EdgeFeedTest, OnLossTheStateComesFirstAndQualitiesFollowPaced) {
    for (int i = 0; i < 450; ++i)
        feed().quality_emitted(feed().index_of("plant/" + std::to_string(i)), Quality::good, now_);
    go_live();
    pass(1s);
    seen().see();
    lose();
    const auto at_once = seen().see();
    ASSERT_EQ(at_once.size(), 1U);
    EXPECT_EQ(at_once[0].topic, kState);
    for (const std::size_t expected : {200U, 200U, 50U}) {
        feed().expire(now_);
        feed().expire(now_);  // no more before its time
        EXPECT_EQ(seen().see(kQuality).size(), expected);
        wait(10ms);
    }
    EXPECT_EQ(feed().next_deadline(), std::nullopt);
    EXPECT_TRUE(seen().see().empty());
}

TEST_F(EdgeFeedTest, TagsThatWereNotToldOfALossAreNotToldOfTheReturn) {
    for (int i = 0; i < 1000; ++i)
        feed().quality_emitted(feed().index_of("plant/" + std::to_string(i)), Quality::good, now_);
    go_live();
    pass(1s);
    lose();
    feed().expire(now_);  // 200 of them are told
    seen().see();
    go_live();
    pass(1s);
    const auto told = seen().see(kQuality);
    EXPECT_EQ(told.size(), 200U);
    for (const auto& each : told) EXPECT_EQ(each.member("quality"), "\"Good\"");
}

TEST_F(EdgeFeedTest, AnOverlayHidesAndNeverOverwrites) {
    const auto tag = feed().index_of("plant/a");
    go_live();
    feed().quality_emitted(tag, Quality::good, now_);
    EXPECT_EQ(quality_told("plant/a"), "\"Good\"");
    lose();
    pass(10ms);
    feed().session_started(now_);
    feed().quality_emitted(tag, Quality::bad_sensor_failure, now_);
    pass(10ms);
    EXPECT_EQ(quality_told("plant/a"), "\"Bad.LastKnown\"") << "catching up keeps what was";
    beat(0s);
    pass(10ms);
    EXPECT_EQ(quality_told("plant/a"), "\"Bad.SensorFailure\"");
}

TEST_F(EdgeFeedTest, AQualityIsToldWhenItChanges) {
    const auto tag = feed().index_of("plant/a");
    go_live();
    feed().quality_emitted(tag, Quality::good, now_);
    feed().quality_emitted(tag, Quality::good, now_);
    EXPECT_EQ(seen().see(kQuality).size(), 1U);
    feed().quality_emitted(tag, Quality::bad_not_connected, now_);
    const auto told = seen().see(kQuality);
    ASSERT_EQ(told.size(), 1U);
    EXPECT_EQ(told[0].member("code"), "8");
    EXPECT_TRUE(seen().retained(kQuality + "plant/a", now_)->retain);
}

TEST_F(EdgeFeedTest, TheRetainedCopyIsUpdatedInPlaceAndNobodyIsTold) {
    go_live();
    emit_retained("plant/a");
    seen().see();
    lose();
    pass(10ms);
    EXPECT_TRUE(seen().see("plant/").empty()) << "an old value sent again would look fresh";
    const auto copy = seen().retained("plant/a", now_);
    ASSERT_TRUE(copy);
    EXPECT_EQ(copy->quality(), "Bad.LastKnown");
    EXPECT_EQ(copy->user.at("quality-code"), "20");
    EXPECT_EQ(copy->user.at("seq"), "5");
    EXPECT_EQ(copy->payload, "21");
    go_live();
    EXPECT_EQ(retained_quality("plant/a"), "Good");
}

TEST_F(EdgeFeedTest, ARetainedCopyThatIsGoneIsNotMadeAnew) {
    go_live();
    emit_retained("plant/a");
    seen().broker().publish({"plant/a", {}, {}, mqtt::Qos::at_least_once, true}, now_);
    feed().retained_emitted(feed().index_of("plant/a"), {});
    lose();
    pass(10ms);
    EXPECT_EQ(retained_quality("plant/a"), "none");
}

TEST_F(EdgeFeedTest, AValueEmittedWhileCatchingUpDoesNotLookFreshAfterTheNextLoss) {
    go_live();
    emit_retained("plant/a");
    lose();
    pass(10ms);
    feed().session_started(now_);
    emit_retained("plant/a");  // of the backlog
    lose();                    // before it was live
    pass(1s);
    EXPECT_EQ(quality_told("plant/a"), "\"Bad.LastKnown\"");
    EXPECT_EQ(retained_quality("plant/a"), "Bad.LastKnown");
}

TEST_F(EdgeFeedTest, ARetainedCopySaysWhatTheQualityTopicSaysWhileBehind) {
    go_live();
    emit_retained("plant/a");
    beat(30s);
    pass(10ms);
    emit_retained("plant/a");  // of the backlog
    pass(10ms);
    EXPECT_EQ(quality_told("plant/a"), "\"Uncertain.LastUsable\"");
    EXPECT_EQ(retained_quality("plant/a"), "Uncertain.LastUsable");
}

TEST_F(EdgeFeedTest, JudgesAgeByTheEdgesClock) {
    const auto edge_clock = now_.wall + std::chrono::hours(1);  // an hour fast
    feed().session_started(now_);
    feed().beat_arrived({1, edge_clock, 0s, 0, 1}, now_);
    EXPECT_FALSE(feed().is_historical(edge_clock, now_));
    EXPECT_FALSE(feed().is_historical(edge_clock + (-10s), now_));
    EXPECT_TRUE(feed().is_historical(edge_clock + (-11s), now_));
    EXPECT_EQ(feed().status().clock_offset, std::optional<base::Duration>(1h));
    EXPECT_EQ(seen().retained(kState, now_)->member("clock_offset_s"), "3600.000");
}

/// No storm piles up.
TEST_F(EdgeFeedTest, ALinkThatFlapsWithAHundredThousandTagsTellsAtItsPaceAndNoMore) {
    constexpr std::size_t kTags = 100'000, kPerInterval = 200;
    const auto told_in = [&](base::Duration time) {
        std::size_t told = 0;
        for (; time > 0s; time -= 10ms) {
            wait(10ms);
            if (feed().state() == FeedState::live) beat(0s);
            const auto deadline = feed().next_deadline();
            if (deadline && *deadline <= now_.instant) feed().expire(now_);
            const auto count = seen().see(kQuality).size();
            EXPECT_LE(count, kPerInterval);
            told += count;
        }
        return told;
    };
    for (std::size_t i = 0; i < kTags; ++i)
        feed().restore("plant/" + std::to_string(i), Quality::good);
    const auto come_back = [&] {
        feed().session_started(now_);
        beat(0s);
    };
    come_back();
    EXPECT_EQ(told_in(6s), kTags) << "20,000 a second";
    for (int flap = 0; flap < 3; ++flap) {
        lose();
        const auto lost = told_in(2s);
        EXPECT_NEAR(static_cast<double>(lost), 40'000, 200);
        come_back();  // the 60,000 not told of the loss are not told of its end
        EXPECT_NEAR(static_cast<double>(told_in(8s)), static_cast<double>(lost), 200);
        EXPECT_EQ(told_in(1s), 0U);
    }
}

TEST_F(EdgeFeedTest, ABeatThatCameLateDoesNotMakeOldRecordsLookFresh) {
    go_live();
    const auto arrival = now_.wall;
    pass(20s);
    feed().beat_arrived({9, arrival, 0s, 0, 9}, now_);  // 20 s on a slow link
    EXPECT_TRUE(feed().is_historical(arrival, now_));
    EXPECT_EQ(feed().status().clock_offset, std::optional<base::Duration>(0s));
}

TEST_F(EdgeFeedTest, ALinkThatIsSlowFromTheBeginningIsNotShownAsLive) {
    feed().session_started(now_);
    const auto edge_clock = now_.wall + 1s;  // when the Beat leaves, 1 s after the Resume came
    wait(21s);
    feed().beat_arrived({9, edge_clock, 0s, 0, 1, 0, 1s}, now_);
    EXPECT_EQ(feed().state(), FeedState::behind);
    EXPECT_TRUE(feed().is_historical(edge_clock, now_));
    EXPECT_EQ(feed().status().complete_until, edge_clock);
    // What left 2 s after the answer to that came, and came at once.
    wait(2s);
    feed().beat_arrived({9, edge_clock + 22s, 0s, 0, 2, 1, 2s}, now_);
    EXPECT_EQ(feed().state(), FeedState::live);
    EXPECT_EQ(feed().status().clock_offset, std::optional<base::Duration>(0s));
}

TEST_F(EdgeFeedTest, IsBehindWhereEntriesComeAndNoBeatSaysHowFar) {
    feed().quality_emitted(feed().index_of("plant/a"), Quality::good, now_);
    go_live();
    for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(feed().state(), FeedState::live);
        feed().entry_arrived();
        feed().entry_emitted(now_);
        pass(1s);
    }
    pass(20ms);
    EXPECT_EQ(feed().state(), FeedState::behind);
    EXPECT_EQ(quality_told("plant/a"), "\"Uncertain.LastUsable\"");
}

TEST_F(EdgeFeedTest, FollowsTheEdgesClockWhenItIsSetBack) {
    go_live();
    pass(2s);
    const auto set_back = now_.wall + (-1h);
    feed().beat_arrived({9, set_back, 0s, 0, 9}, now_);
    EXPECT_FALSE(feed().is_historical(set_back, now_));
}

TEST_F(EdgeFeedTest, JudgesAgeApartFromJumpsOfItsOwnClock) {
    go_live();
    const auto arrival = now_.wall;
    now_.wall = now_.wall + 1h;
    EXPECT_FALSE(feed().is_historical(arrival, now_));
}

TEST_F(EdgeFeedTest, KnowsUpToWhenAllIsHere) {
    EXPECT_EQ(feed().status().complete_until, std::nullopt);
    feed().session_started(now_);
    const auto first = now_.wall;
    beat(3s);
    EXPECT_EQ(feed().status().complete_until, first + (-3s));
    wait(2s);
    feed().entry_arrived();
    const auto second = now_.wall;
    beat(0s);
    wait(4s);
    EXPECT_EQ(feed().status().complete_until, first + (-3s)) << "an entry before it waits";
    feed().entry_emitted(now_);
    EXPECT_EQ(feed().status().complete_until, second) << "of when the Beat came";
    lose();
    wait(1h);
    EXPECT_EQ(feed().status().complete_until, second);
}

TEST_F(EdgeFeedTest, CountsHowFastRecordsCome) {
    go_live();
    const auto tag = feed().index_of("plant/a");
    for (int i = 0; i < 100; ++i) {
        wait(100ms);
        feed().quality_emitted(tag, Quality::good, now_);
    }
    EXPECT_NEAR(*feed().status().rate.per_second(now_.instant), 10.0, 0.5);
}

TEST_F(EdgeFeedTest, StoresATagsQualityOnlyWhenItIsNew) {
    feed().restore("plant/a", Quality::good);
    const auto known = feed().index_of("plant/a");
    const auto fresh = feed().index_of("plant/b");
    EXPECT_FALSE(feed().note_stored(known, Quality::good));
    EXPECT_TRUE(feed().note_stored(known, Quality::bad));
    EXPECT_FALSE(feed().note_stored(known, Quality::bad));
    EXPECT_TRUE(feed().note_stored(fresh, Quality::good));
}

}  // namespace
}  // namespace sallyport::emit
