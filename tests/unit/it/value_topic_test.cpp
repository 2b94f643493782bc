#include "it-agent/emit/value_topic.hpp"

#include <memory>

#include "it-agent/emit/edge_feed.hpp"
#include "it-agent/emit/mirror.hpp"
#include "tests/unit/it/observed_broker.hpp"

namespace sallyport::emit {
namespace {

using namespace std::chrono_literals;
using record::Quality;
using Lines = std::vector<std::string>;

constexpr bool kRetained = true, kHistorical = true;

/// One edge's feed, the topic of one of its tags, and an application.
class ValueTopicTest : public testing::Test {
protected:
    ValueTopicTest() { use({Format::vqt}); }

    void use(const EmissionOptions& options) {
        feed_ = std::make_unique<EdgeFeed>("acme/line3", "", FeedTimers{}, seen_.broker(), now_,
                                           options);
        feed_->session_started(now_);
        beat();
        pass(10ms);
        seen_.see();
    }
    EdgeFeed& feed() { return *feed_; }
    void pass(base::Duration time) {
        for (; time > base::Duration{}; time -= 10ms) {
            now_ = {now_.instant + 10ms, now_.wall + 10ms};
            const auto deadline = feed().next_deadline();
            if (deadline && *deadline <= now_.instant) feed().expire(now_);
        }
    }
    void beat(base::Duration behind = {}) {
        feed().beat_arrived({1, now_.wall, behind, 0, ++beats_, 0, 24h}, now_);
    }
    void lose() {
        feed().path_lost("relay", "reset", now_);
        pass(20ms);
    }
    void come_back() {
        feed().session_started(now_);
        beat();
        pass(20ms);
    }
    void emit(const std::string& payload, bool retain = false, bool historical = false,
              Quality quality = Quality::good,
              std::optional<base::Duration> expires_in = std::nullopt) {
        record::Record record;
        record.seq = ++seq_;
        base::Bytes block;
        mirror_properties(block, record, {"acme/line3", epoch_text(1)}, quality, historical);
        const auto tag = feed().index_of("plant/a");
        Value value{
            base::as_bytes(payload), block, mqtt::Qos::at_least_once, retain, quality, historical};
        if (expires_in) value.expires_at = now_.instant + *expires_in;
        feed().emit_value(tag, value, now_);
        feed().quality_emitted(tag, quality, now_);
    }
    /// "topic value quality" of what was shown since the last call, values only.
    Lines shown() {
        Lines lines;
        for (const auto& each : seen_.see())
            if (!each.topic.starts_with("sallyport/")) lines.push_back(line(each));
        return lines;
    }
    std::string retained(const std::string& topic = "plant/a") {
        const auto copy = seen_.retained(topic, now_);
        return copy ? line(*copy) : "none";
    }
    /// Seconds that the value shown last has left.
    std::optional<std::uint32_t> left() {
        const auto all = seen_.see("plant/");
        return all.empty() ? std::nullopt : all.back().expiry;
    }
    void emit_expiring(bool retain, bool historical, base::Duration expires_in) {
        emit("21.5", retain, historical, Quality::good, expires_in);
    }
    std::string quality_told() {
        const auto told = seen_.retained("sallyport/quality/acme/line3/plant/a", now_);
        return told ? told->member("quality") : "none";
    }

    base::Now now_{base::Instant{1h}, base::WallTime{1'700'000'000'000'000'000}};
    ObservedBroker seen_{now_};

private:
    static std::string line(const Shown& each) {
        if (each.member("value") == "none") return each.topic + " " + each.payload;
        return each.topic + " " + each.member("value") + " " + each.member("quality");
    }

    std::unique_ptr<EdgeFeed> feed_;
    std::uint64_t beats_ = 0, seq_ = 0;
};

TEST_F(ValueTopicTest, VqtIsPublishedAgainWithItsNewQuality) {
    emit("21.5");
    EXPECT_EQ(shown(), Lines{R"(plant/a 21.5 "Good")"});
    feed().quality_emitted(feed().index_of("plant/a"), Quality::bad_not_connected, now_);
    EXPECT_EQ(shown(), Lines{R"(plant/a 21.5 "Bad.NotConnected")"});
    feed().quality_emitted(feed().index_of("plant/a"), Quality::bad_not_connected, now_);
    EXPECT_EQ(shown(), Lines{});
}

TEST_F(ValueTopicTest, VqtUnderAnOverlayKeepsItsValueAndItsTime) {
    emit("21.5");
    const auto before = seen_.see("plant/").at(0);
    lose();
    const auto after = seen_.see("plant/").at(0);
    EXPECT_EQ(after.member("value"), "21.5");
    EXPECT_EQ(after.member("quality"), "\"Bad.LastKnown\"");
    EXPECT_EQ(after.member("timestamp"), before.member("timestamp")) << "an old value is as old";
    EXPECT_EQ(after.member("seq"), before.member("seq"));
    come_back();
    EXPECT_EQ(shown(), Lines{R"(plant/a 21.5 "Good")"});
}

TEST_F(ValueTopicTest, VqtOfABacklogThatIsCutOffDoesNotLookFresh) {
    emit("1");
    lose();
    feed().session_started(now_);
    emit("2");  // of the backlog: what it was when it was
    shown();
    lose();
    EXPECT_EQ(shown(), Lines{R"(plant/a 2 "Bad.LastKnown")"});
    EXPECT_EQ(quality_told(), "\"Bad.LastKnown\"");
}

TEST_F(ValueTopicTest, TheRetainedCopyInVqtSaysWhatIsShown) {
    emit("1", kRetained);
    EXPECT_EQ(retained(), R"(plant/a 1 "Good")");
    lose();
    EXPECT_EQ(retained(), R"(plant/a 1 "Bad.LastKnown")");
    feed().session_started(now_);
    emit("2", kRetained);
    EXPECT_EQ(shown().back(), R"(plant/a 2 "Good")") << "to who listens, as it was";
    EXPECT_EQ(retained(), R"(plant/a 2 "Bad.LastKnown")") << "to who comes, as it is";
    beat();
    pass(20ms);
    EXPECT_EQ(retained(), R"(plant/a 2 "Good")");
}

TEST_F(ValueTopicTest, AClearedTopicIsClearedInVqt) {
    emit("1", kRetained);
    shown();
    emit("", kRetained);
    EXPECT_EQ(shown(), Lines{"plant/a "});
    EXPECT_EQ(retained(), "none");
    lose();
    EXPECT_EQ(retained(), "none");
}

TEST_F(ValueTopicTest, BeyondItsMemoryVqtSaysNullRatherThanAnOldValue) {
    use({Format::vqt, {}, "", 3});
    emit("12345");
    lose();
    EXPECT_EQ(shown().back(), R"(plant/a null "Bad.LastKnown")");
    come_back();
    EXPECT_EQ(shown().back(), R"(plant/a null "Uncertain.LastUsable")") << "nothing is good";
    emit("12");
    EXPECT_EQ(shown().back(), R"(plant/a 12 "Good")");
    lose();
    EXPECT_EQ(shown().back(), R"(plant/a 12 "Bad.LastKnown")");
}

TEST_F(ValueTopicTest, ABacklogGoesToItsPrefixAndItsNewestComesWhenItIsThrough) {
    use({Format::mirror, {}, "late/"});
    emit("1", kRetained);
    lose();
    shown();
    feed().session_started(now_);
    emit("2", kRetained, kHistorical);
    emit("3", kRetained, kHistorical);
    EXPECT_EQ(shown(), (Lines{"late/plant/a 2", "late/plant/a 3"}));
    EXPECT_EQ(retained("late/plant/a"), "none");
    EXPECT_EQ(retained(), "plant/a 1");
    beat();
    pass(20ms);
    EXPECT_EQ(shown(), Lines{"plant/a 3"});
    EXPECT_EQ(retained(), "plant/a 3");
    EXPECT_EQ(seen_.retained("plant/a", now_)->quality(), "Good");
    beat();
    pass(1s);
    EXPECT_EQ(shown(), Lines{}) << "once";
}

TEST_F(ValueTopicTest, ALiveValueTakesThePlaceOfOneThatIsHeld) {
    use({Format::mirror, {}, "late/"});
    lose();
    feed().session_started(now_);
    emit("2", false, kHistorical);
    emit("3");
    EXPECT_EQ(shown(), (Lines{"late/plant/a 2", "plant/a 3"}));
    beat();
    pass(20ms);
    EXPECT_EQ(shown(), Lines{});
}

TEST_F(ValueTopicTest, ALateValueOnALivePathComesWithTheNextBeat) {
    use({Format::vqt, {}, "late/"});
    emit("1");
    emit("2", false, kHistorical);
    EXPECT_EQ(shown(), (Lines{R"(plant/a 1 "Good")", R"(late/plant/a 2 "Good")"}));
    beat();
    pass(20ms);
    EXPECT_EQ(shown(), Lines{R"(plant/a 2 "Good")"});
}

TEST_F(ValueTopicTest, APathThatIsLostInTheDrainShowsItInVqt) {
    use({Format::vqt, {}, "late/"});
    emit("1");
    emit("2", false, kHistorical);
    shown();
    lose();
    EXPECT_EQ(shown(), Lines{R"(plant/a 2 "Bad.LastKnown")"});
}

TEST_F(ValueTopicTest, AChangeOfQualityDoesNotProlongAValueInVqt) {
    emit_expiring(false, false, 60s);
    EXPECT_EQ(left(), 60U);
    pass(20s);
    lose();
    EXPECT_EQ(left(), 40U);
    pass(10s);
    come_back();
    EXPECT_EQ(left(), 30U);
}

TEST_F(ValueTopicTest, AnExpiredValueIsNullAndNotRetainedInVqt) {
    emit_expiring(kRetained, false, 60s);
    pass(61s);
    shown();
    lose();
    const auto after = seen_.see("plant/").at(0);
    EXPECT_EQ(after.member("value"), "null");
    EXPECT_EQ(after.member("quality"), "\"Bad.LastKnown\"");
    EXPECT_EQ(after.expiry, std::nullopt);
    come_back();
    EXPECT_EQ(shown().back(), R"(plant/a null "Uncertain.LastUsable")") << "nothing is good";
    EXPECT_EQ(retained(), "none");
    emit("22");
    EXPECT_EQ(shown(), Lines{R"(plant/a 22 "Good")"});
}

TEST_F(ValueTopicTest, AHeldValueCarriesWhatIsLeftOfIt) {
    use({Format::mirror, {}, "late/"});
    lose();
    feed().session_started(now_);
    emit_expiring(kRetained, kHistorical, 60s);
    shown();
    pass(20s);
    beat();
    pass(20ms);
    EXPECT_EQ(left(), 40U);
    pass(20s);
    EXPECT_EQ(seen_.retained("plant/a", now_)->expiry, 20U);
}

TEST_F(ValueTopicTest, AHeldValueThatExpiresComesNoMoreAndNothingOlderStays) {
    for (const auto format : {Format::mirror, Format::vqt}) {
        use({format, {}, "late/"});
        emit("1", kRetained);
        emit_expiring(kRetained, kHistorical, 5s);
        shown();
        pass(6s);
        come_back();
        for (const auto& line : shown()) EXPECT_EQ(line.find("21.5"), std::string::npos) << line;
        EXPECT_EQ(retained(), "none");
    }
}

}  // namespace
}  // namespace sallyport::emit
