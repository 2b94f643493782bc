#include "tests/unit/it/sink_fixture.hpp"

namespace sallyport::sinks {
namespace {

using namespace std::chrono_literals;

TEST_F(BrokerSinkTest, CommitsBeforeItEmits) {
    EXPECT_FALSE(sink_.next_job(now_));
    add(1, {value(kTemp, "20"), value(kDoor, "open")});
    EXPECT_TRUE(emit_all().empty());
    const auto job = sink_.next_job(now_);
    ASSERT_TRUE(job);
    ASSERT_EQ(job->positions.size(), 1U);
    EXPECT_EQ(job->positions[0].edge, "acme/line3");
    EXPECT_EQ(job->positions[0].position, position(2));
    EXPECT_EQ(job->tags.size(), 2U);
    EXPECT_EQ(job->handed_over.size(), 1U);
    EXPECT_TRUE(emit_all().empty()) << "the transaction is under way";
    EXPECT_TRUE(payloads().empty());
    complete(*job);
    EXPECT_EQ(emit_all(), std::vector<record::Seq>{2});
    EXPECT_EQ(payloads(), (Lines{"20", "open"}));
    EXPECT_TRUE(emit_all().empty());
}

TEST_F(BrokerSinkTest, SaysWhoseEntryItHasAndWhatItFrees) {
    add(1, {value(kTemp, "20")});
    commit();
    const auto emitted = sink_.emit_next(now_);
    ASSERT_TRUE(emitted);
    EXPECT_EQ(emitted->feed, &feed_);
    EXPECT_EQ(emitted->session, tunnel::SessionId{3});
    EXPECT_EQ(emitted->end, position(1));
    EXPECT_GT(emitted->credit_bytes, 0U);
}

TEST_F(BrokerSinkTest, GathersWhatComesDuringATransaction) {
    add(1, {value(kTemp, "1")});
    const auto first = sink_.next_job(now_);
    ASSERT_TRUE(first);
    add(2, {value(kTemp, "2")});
    add(3, {value(kTemp, "3")});
    EXPECT_FALSE(sink_.next_job(now_)) << "one transaction at a time";
    complete(*first);
    const auto second = sink_.next_job(now_);
    ASSERT_TRUE(second);
    EXPECT_NE(second->id, first->id);
    EXPECT_EQ(second->handed_over.size(), 2U);
    EXPECT_EQ(second->positions.back().position, position(3));
    EXPECT_TRUE(second->tags.empty()) << "the tag is stored with that quality";
    EXPECT_EQ(emit_all(), std::vector<record::Seq>{1});
    complete(*second);
    EXPECT_EQ(emit_all(), (std::vector<record::Seq>{2, 3}));
    EXPECT_EQ(payloads(), (Lines{"1", "2", "3"}));
}

TEST_F(BrokerSinkTest, TriesAFailedTransactionAgainWholeASecondLater) {
    add(1, {value(kTemp, "1", record::kRetain)});
    const auto job = sink_.next_job(now_);
    ASSERT_TRUE(job);
    complete(*job, "disk full");
    EXPECT_TRUE(sink_.is_failing());
    EXPECT_EQ(sink_.last_error(), "disk full");
    EXPECT_EQ(sink_.next_deadline(), now_.instant + 1s);
    EXPECT_FALSE(sink_.next_job(now_));
    EXPECT_TRUE(emit_all().empty());
    now_.instant = now_.instant + 1s;
    const auto again = sink_.next_job(now_);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->positions.size(), 1U);
    EXPECT_EQ(again->tags.size(), 1U);
    EXPECT_EQ(again->retained.size(), 1U);
    EXPECT_EQ(again->handed_over.size(), 1U);
    complete(*again);
    EXPECT_FALSE(sink_.is_failing());
    EXPECT_EQ(emit_all(), std::vector<record::Seq>{1});
    EXPECT_EQ(payloads(), Lines{"1"});
}

TEST_F(BrokerSinkTest, NothingOvertakesATransactionThatFailed) {
    add(1, {value(kTemp, "1")});
    complete(*sink_.next_job(now_), "busy");
    add(2, {value(kTemp, "2")});
    now_.instant = now_.instant + 1s;
    const auto again = sink_.next_job(now_);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->positions.back().position, position(1))
        << "as it was, without what came since";
    complete(*again);
    EXPECT_EQ(emit_all(), std::vector<record::Seq>{1});
    sink_.take_held(now_);
    commit();
    EXPECT_EQ(emit_all(), std::vector<record::Seq>{2});
    EXPECT_EQ(payloads(), (Lines{"1", "2"}));
}

/// Each session has credit of its own, and sends again what was not acknowledged.
TEST_F(BrokerSinkTest, SessionsThatComeAndGoWhileTheStoreRefusesCostNoMoreThanOne) {
    add(1, {value(kTemp, "1")});
    complete(*sink_.next_job(now_), "disk full");
    for (int session = 0; session < 20; ++session) {
        const auto taken = sink_.forget_held(feed_);
        if (session > 0) {
            EXPECT_EQ(taken.at(kEpoch).seq, 1U) << "they go on behind the first";
        }
        for (record::Seq seq = 2; seq <= 11; ++seq) add(seq, {value(kTemp, "2")}, 1);
        sink_.take_held(now_);
        EXPECT_EQ(sink_.pending(feed_), 11U);
        now_.instant = now_.instant + 1s;
        complete(*sink_.next_job(now_), "disk full");
    }
    now_.instant = now_.instant + 1s;
    complete(*sink_.next_job(now_));
    sink_.take_held(now_);
    commit();
    EXPECT_EQ(emit_all().size(), 11U);
    EXPECT_EQ(sink_.pending(feed_), 0U);
}

TEST_F(BrokerSinkTest, AStoreThatHangsHoldsWhatIsBeyondOneTransaction) {
    add(1, {value(kTemp, "1")});
    const auto hangs = sink_.next_job(now_);
    ASSERT_TRUE(hangs);
    const std::string large(1U << 20U, 'x');
    for (record::Seq seq = 2; seq <= 31; ++seq) add(seq, {value(kTemp, large)}, 1);
    (void)sink_.forget_held(feed_);
    EXPECT_EQ(sink_.pending(feed_), 1U + 16U);
    complete(*hangs);
    commit();
    EXPECT_EQ(emit_all().size(), 17U);
}

TEST_F(BrokerSinkTest, AcknowledgesARepeatAndDoesNotEmitIt) {
    add(1, {value(kTemp, "1"), value(kTemp, "2")}, 2);
    const auto job = sink_.next_job(now_);
    ASSERT_TRUE(job);
    EXPECT_TRUE(job->positions.empty());
    EXPECT_TRUE(job->tags.empty());
    EXPECT_TRUE(job->handed_over.empty());
    complete(*job);
    EXPECT_EQ(emit_all(), std::vector<record::Seq>{2});
    EXPECT_TRUE(payloads().empty());
}

TEST_F(BrokerSinkTest, EmitsOnlyWhatIsNewOfAnEntryThatWasPartlyHad) {
    add(1, {value(kTemp, "old", record::kRetain), value(kTemp, "new", record::kRetain)}, 1);
    const auto job = sink_.next_job(now_);
    ASSERT_TRUE(job);
    ASSERT_EQ(job->retained.size(), 1U);
    EXPECT_EQ(base::as_text(job->retained[0].payload), "new");
    ASSERT_EQ(job->handed_over.size(), 1U);
    EXPECT_EQ(job->handed_over[0].after, 1U);
    complete(*job);
    emit_all();
    EXPECT_EQ(payloads(), Lines{"new"});
}

TEST_F(BrokerSinkTest, EmitsWithTheRecordsPropertiesQosAndRetain) {
    add(5, {value(kTemp, "20", record::kRetain | record::qos_bits(1))});
    const auto job = sink_.next_job(now_);
    ASSERT_TRUE(job);
    ASSERT_EQ(job->retained.size(), 1U);
    EXPECT_EQ(job->retained[0].topic, "plant/temp");
    EXPECT_EQ(job->retained[0].qos, mqtt::Qos::at_least_once);
    complete(*job);
    emit_all();
    const auto shown = seen_.see("plant/");
    ASSERT_EQ(shown.size(), 1U);
    EXPECT_TRUE(shown[0].retain);
    EXPECT_EQ(shown[0].quality(), "Good");
    EXPECT_EQ(shown[0].user.at("seq"), "5");
    EXPECT_EQ(shown[0].user.at("epoch"), "0000000000000007");
    EXPECT_EQ(shown[0].user.at("edge"), "acme/line3");
    const auto copy = seen_.retained("plant/temp", now_);
    ASSERT_TRUE(copy);
    EXPECT_EQ(copy->payload, "20");
}

TEST_F(BrokerSinkTest, AnEmptyRetainedValueTakesAwayWhatIsRetained) {
    add(1, {value(kTemp, "20", record::kRetain)});
    commit();
    emit_all();
    EXPECT_TRUE(seen_.retained("plant/temp", now_));
    add(2, {value(kTemp, "", record::kRetain)});
    const auto job = sink_.next_job(now_);
    ASSERT_TRUE(job);
    ASSERT_EQ(job->retained.size(), 1U);
    EXPECT_TRUE(job->retained[0].payload.empty());
    complete(*job);
    emit_all();
    EXPECT_FALSE(seen_.retained("plant/temp", now_));
}

TEST_F(BrokerSinkTest, AChangeOfManyQualitiesIsToldOfEachTagAndNotOnItsTopic) {
    add(1, {value(kTemp, "1"), value(kDoor, "2")});
    commit();
    emit_all();
    seen_.see();
    add(3, {quality(Quality::bad_not_connected, kTemp, {kDoor})});
    const auto job = sink_.next_job(now_);
    ASSERT_TRUE(job);
    EXPECT_EQ(job->tags.size(), 2U);
    complete(*job);
    emit_all();
    const auto shown = seen_.see();
    ASSERT_EQ(shown.size(), 2U);
    EXPECT_EQ(shown[0].topic, "sallyport/quality/acme/line3/plant/temp");
    EXPECT_EQ(shown[1].topic, "sallyport/quality/acme/line3/plant/door");
    for (const auto& each : shown) EXPECT_EQ(each.member("quality"), "\"Bad.NotConnected\"");
}

TEST_F(BrokerSinkTest, ARecordThatIsLateIsHistorical) {
    auto late = value(kTemp, "1");
    late.arrival_time = now_.wall + (-11s);
    add(1, {late, value(kTemp, "2")});
    commit();
    emit_all();
    const auto shown = seen_.see("plant/");
    ASSERT_EQ(shown.size(), 2U);
    EXPECT_TRUE(shown[0].user.contains("historical"));
    EXPECT_FALSE(shown[1].user.contains("historical"));
}

}  // namespace
}  // namespace sallyport::sinks
