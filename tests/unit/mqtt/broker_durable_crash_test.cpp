// The process dies at every point of an exchange, with what was saved by then and nothing else.
#include "tests/unit/mqtt/durable_fixture.hpp"

namespace sallyport::mqtt {
namespace {

class BrokerDurableCrash : public DurableBrokerTest {
protected:
    static Publish again(Publish publish) {
        publish.dup = true;
        return publish;
    }
    /// How often the subscriber "s" is given the message, all acknowledged.
    int deliveries() {
        auto& client = join_lasting("s");
        save();
        int count = 0;
        while (!client.inbox.empty()) {
            const auto length = frame_length(client.inbox, client.inbox.size());
            EXPECT_TRUE(length && *length);
            const bool is_publish = client.inbox[0] >> 4U == 3;
            if (!is_publish) {
                acknowledge(client, PacketType::pubcomp,
                            expect_ack(client, PacketType::pubrel).packet_id);
                continue;
            }
            const auto got = expect<Publish>(client);
            ++count;
            acknowledge(client,
                        got.qos == Qos::exactly_once ? PacketType::pubrec : PacketType::puback,
                        got.packet_id);
            save();
        }
        return count;
    }
};

TEST_F(BrokerDurableCrash, AnAcknowledgedPublishIsInTheQueue) {
    hang_up(subscriber("s", "t", Qos::at_least_once));
    auto& publisher = join("p");
    send(publisher, message("t", "v", Qos::at_least_once, 1));
    save();
    expect_ack(publisher, PacketType::puback);
    crash();
    EXPECT_EQ(deliveries(), 1);
}

TEST_F(BrokerDurableCrash, APublishThatWasNotSavedWasNotAcknowledged) {
    hang_up(subscriber("s", "t", Qos::at_least_once));
    auto& publisher = join("p");
    send(publisher, message("t", "v", Qos::at_least_once, 1));
    ASSERT_TRUE(begin_save());
    expect_nothing(publisher);
    crash();
    EXPECT_EQ(deliveries(), 0);
}

TEST_F(BrokerDurableCrash, AQosTwoResendIsTakenInOnceWhereverTheProcessDied) {
    for (int point = 0; point < 4; ++point) {
        SCOPED_TRACE(point);
        store_ = {};
        restart(limits_, options_);
        hang_up(subscriber("s", "t", Qos::exactly_once));
        auto& publisher = join_lasting("p");
        save();
        const Publish publish = message("t", "v", Qos::exactly_once, 5);
        send(publisher, publish);
        if (point == 1 || point == 2) {
            ASSERT_TRUE(begin_save());
        }
        if (point == 3) save();
        if (point == 2)
            crash_after_write();
        else
            crash();
        auto& back = join_lasting("p");
        send(back, again(publish));
        save();
        expect_ack(back, PacketType::pubrec);
        EXPECT_EQ(published().size(), point < 2 ? 1U : 0U);
        acknowledge(back, PacketType::pubrel, 5);
        save();
        expect_ack(back, PacketType::pubcomp);
        EXPECT_EQ(deliveries(), 1);
    }
}

TEST_F(BrokerDurableCrash, AnIdentifierIsNoRepeatOnceItsPubcompIsOut) {
    hang_up(subscriber("s", "t", Qos::exactly_once));
    auto& publisher = join_lasting("p");
    send(publisher, message("t", "one", Qos::exactly_once, 5));
    save();
    expect_ack(publisher, PacketType::pubrec);
    acknowledge(publisher, PacketType::pubrel, 5);
    save();
    expect_ack(publisher, PacketType::pubcomp);
    crash();
    auto& back = join_lasting("p");
    send(back, message("t", "two", Qos::exactly_once, 5));
    save();
    expect_ack(back, PacketType::pubrec);
    EXPECT_EQ(deliveries(), 2);
}

TEST_F(BrokerDurableCrash, APubrelThatComesAfterIsAnswered) {
    auto& publisher = join_lasting("p");
    send(publisher, message("t", "v", Qos::exactly_once, 5));
    save();
    expect_ack(publisher, PacketType::pubrec);
    acknowledge(publisher, PacketType::pubrel, 5);
    crash();  // the release was not saved
    auto& back = join_lasting("p");
    acknowledge(back, PacketType::pubrel, 5);
    expect_nothing(back);
    save();
    EXPECT_EQ(expect_ack(back, PacketType::pubcomp).reason, ReasonCode::success);
    EXPECT_TRUE(store_.receipts.empty());
}

TEST_F(BrokerDurableCrash, TheOwnersShareOfAnInterruptedPublishIsMadeUpFor) {
    options_.owner_keeps_receipts = true;
    restart(limits_, options_);
    hang_up(subscriber("s", "t", Qos::exactly_once));
    auto& publisher = join_lasting("p");
    const Publish publish = message("t", "v", Qos::exactly_once, 5);
    acknowledges_ = false;
    send(publisher, publish);
    save();  // the broker's store has it, the owner's log has not
    expect_nothing(publisher);
    crash();
    acknowledges_ = true;
    auto& back = join_lasting("p");
    send(back, again(publish));
    const auto seen = published();
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_TRUE(seen[0].already_distributed);
    EXPECT_FALSE(seen[0].already_yours);
    EXPECT_EQ(seen[0].payload, "v");
    expect_ack(back, PacketType::pubrec);
    EXPECT_EQ(deliveries(), 1);
}

TEST_F(BrokerDurableCrash, TheBrokersShareOfAnInterruptedPublishIsMadeUpFor) {
    options_.owner_keeps_receipts = true;
    restart(limits_, options_);
    hang_up(subscriber("s", "t", Qos::exactly_once));
    auto& publisher = join_lasting("p");
    save();
    const Publish publish = message("t", "v", Qos::exactly_once, 5);
    send(publisher, publish);
    crash();  // the owner's log has it, the broker's store has not
    EXPECT_TRUE(broker().restore_receipt(key_of("p"), 5));
    auto& back = join_lasting("p");
    events();
    send(back, again(publish));
    const auto seen = published();
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_TRUE(seen[0].already_yours);
    EXPECT_FALSE(seen[0].already_distributed);
    expect_nothing(back);
    save();
    expect_ack(back, PacketType::pubrec);
    EXPECT_EQ(deliveries(), 1);
}

TEST_F(BrokerDurableCrash, WhereBothHaveItOnlyPubrecIsMissing) {
    options_.owner_keeps_receipts = true;
    restart(limits_, options_);
    auto& publisher = join_lasting("p");
    const Publish publish = message("t", "v", Qos::exactly_once, 5);
    send(publisher, publish);
    save();
    crash();
    EXPECT_TRUE(broker().restore_receipt(key_of("p"), 5));
    auto& back = join_lasting("p");
    events();
    send(back, again(publish));
    expect_ack(back, PacketType::pubrec);
    EXPECT_TRUE(published().empty());
}

TEST_F(BrokerDurableCrash, AReleaseThatOnlyOneOfBothHasIsMadeUpFor) {
    options_.owner_keeps_receipts = true;
    for (const bool store_released : {false, true}) {
        SCOPED_TRACE(store_released);
        store_ = {};
        restart(limits_, options_);
        acknowledges_ = true;
        auto& publisher = join_lasting("p");
        send(publisher, message("t", "v", Qos::exactly_once, 5));
        save();
        acknowledges_ = false;
        acknowledge(publisher, PacketType::pubrel, 5);
        if (store_released) save();
        crash();
        acknowledges_ = true;
        if (store_released) {
            EXPECT_TRUE(broker().restore_receipt(key_of("p"), 5));
        }
        auto& back = join_lasting("p");
        events();
        acknowledge(back, PacketType::pubrel, 5);
        const auto seen = events();
        ASSERT_EQ(seen.size(), 1U);
        EXPECT_EQ(seen[0].kind, SeenEvent::Kind::released);
        save();
        EXPECT_EQ(expect_ack(back, PacketType::pubcomp).reason, ReasonCode::success);
    }
}

TEST_F(BrokerDurableCrash, ADeliveryOfQosTwoIsReceivedOnceWhereverTheProcessDied) {
    for (int point = 0; point < 4; ++point) {
        SCOPED_TRACE(point);
        store_ = {};
        restart(limits_, options_);
        auto& first = subscriber("s", "t", Qos::exactly_once);
        publish("t", "v", Qos::exactly_once);
        save();
        const auto got = expect<Publish>(first);
        if (point > 0) acknowledge(first, PacketType::pubrec, got.packet_id);
        if (point == 2) {
            ASSERT_TRUE(begin_save());
        }
        if (point == 3) save();
        crash_after_write();
        auto& back = join_lasting("s");
        if (point < 2) {  // PUBREC was not saved: the PUBLISH comes again, as the same
            const auto repeat = expect<Publish>(back);
            EXPECT_EQ(repeat.packet_id, got.packet_id);
            EXPECT_TRUE(repeat.dup);
            acknowledge(back, PacketType::pubrec, got.packet_id);
            save();
        }
        EXPECT_EQ(expect_ack(back, PacketType::pubrel).packet_id, got.packet_id);
        acknowledge(back, PacketType::pubcomp, got.packet_id);
        save();
        EXPECT_TRUE(store_.deliveries.empty());
        EXPECT_TRUE(store_.messages.empty());
    }
}

TEST_F(BrokerDurableCrash, ASubscriptionThatWasAcknowledgedStands) {
    subscriber("s", "t", Qos::at_least_once);
    crash();
    publish("t", "v", Qos::at_least_once);
    EXPECT_EQ(deliveries(), 1);
}

TEST_F(BrokerDurableCrash, ARefusedOwnerIsAskedAgainWithoutASecondFanOut) {
    acknowledges_ = false;
    auto& queue = subscriber("s", "t", Qos::exactly_once);
    auto& publisher = join_lasting("p");
    const Publish publish = message("t", "v", Qos::exactly_once, 5);
    send(publisher, publish);
    save();
    expect_message(queue, "t", "v", Qos::exactly_once);
    broker().disconnect_publisher(published().at(0).token, ReasonCode::quota_exceeded, now_);
    drain();
    acknowledges_ = true;
    auto& back = join_lasting("p");
    send(back, again(publish));
    const auto seen = published();
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_TRUE(seen[0].already_distributed);
    save();
    expect_ack(back, PacketType::pubrec);
    expect_nothing(queue);
}

}  // namespace
}  // namespace sallyport::mqtt
