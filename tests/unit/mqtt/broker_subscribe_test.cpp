#include <set>

#include "tests/unit/mqtt/broker_fixture.hpp"

namespace sallyport::mqtt {
namespace {

using std::chrono::seconds;

class BrokerSubscribe : public BrokerTest {
protected:
    static std::set<std::uint32_t> identifiers(const Publish& publish) {
        std::set<std::uint32_t> all;
        PropertyReader reader(publish.properties);
        while (const auto property = reader.next())
            if (property->id == PropertyId::subscription_identifier) all.insert(property->number);
        return all;
    }
};

TEST_F(BrokerSubscribe, OverlappingSubscriptionsBringOneCopyWithTheHighestQos) {
    auto& client = join("s");
    subscribe(client, "a/+");
    subscribe(client, "a/b", Qos::at_least_once);
    subscribe(client, "#");
    send(client, message("a/b", "v", Qos::exactly_once, 1));
    expect_message(client, "a/b", "v", Qos::at_least_once);
    expect_ack(client, PacketType::pubrec);
    expect_nothing(client);
}

TEST_F(BrokerSubscribe, IdentifiersOfAllMatchingSubscriptionsAreSent) {
    auto& client = join("s");
    auto& publisher = join("p");
    subscribe(client, SubscribeFilter{"a/+", Qos::at_least_once, false, false, 0}, 5);
    subscribe(client, SubscribeFilter{"a/#", Qos::at_most_once, false, false, 0}, 300);
    subscribe(client, SubscribeFilter{"#", Qos::at_most_once, false, false, 0});
    send(publisher, message("a/b", "v"));
    EXPECT_EQ(identifiers(expect<Publish>(client)), (std::set<std::uint32_t>{5, 300}));
    send(publisher, message("a/b", "v", Qos::at_least_once, 1));
    EXPECT_EQ(identifiers(expect<Publish>(client)), (std::set<std::uint32_t>{5, 300}));
    send(publisher, message("x", "v"));
    EXPECT_TRUE(identifiers(expect<Publish>(client)).empty());
}

TEST_F(BrokerSubscribe, NoLocalLeavesOutOnesOwn) {
    auto& client = join("s");
    auto& other = join("o");
    SubscribeFilter filter{"t", Qos::at_most_once, true, false, 0};
    subscribe(client, filter);
    send(client, retained("t", "own"));
    expect_nothing(client);
    subscribe(client, filter);  // nor its retained copy
    expect_nothing(client);
    send(other, retained("t", "other's"));
    expect_message(client, "t", "other's");
}

TEST_F(BrokerSubscribe, RetainAsPublishedKeepsTheFlag) {
    auto& publisher = join("p");
    auto& plain = join("a");
    auto& keeping = join("b");
    subscribe(plain, "t");
    subscribe(keeping, SubscribeFilter{"t", Qos::at_most_once, false, true, 0});
    send(publisher, retained("t", "v"));
    EXPECT_FALSE(expect<Publish>(plain).retain);
    EXPECT_TRUE(expect<Publish>(keeping).retain);
}

TEST_F(BrokerSubscribe, BringsRetainedMessages) {
    auto& publisher = join("p");
    send(publisher, retained("a/1", "one"));
    send(publisher, retained("a/2", "two", Qos::at_least_once, 1));
    auto& client = join("s", Version::v3_1_1);
    subscribe(client, "a/1", Qos::at_least_once);
    const auto one = expect<Publish>(client);
    EXPECT_TRUE(one.retain);
    EXPECT_EQ(one.qos, Qos::at_most_once);
    subscribe(client, "a/2", Qos::at_least_once);
    EXPECT_EQ(expect<Publish>(client).qos, Qos::at_least_once);
    subscribe(client, "a/2");  // again: sent again (3.8.4)
    EXPECT_EQ(expect<Publish>(client).qos, Qos::at_most_once);
}

TEST_F(BrokerSubscribe, AnEmptyPayloadClearsTheRetainedMessage) {
    auto& publisher = join("p");
    auto& early = join("e");
    subscribe(early, "t");
    send(publisher, retained("t", "v"));
    send(publisher, retained("t", ""));
    expect_message(early, "t", "v");
    expect_message(early, "t", "");
    auto& late = join("l");
    subscribe(late, "#");
    expect_nothing(late);
    EXPECT_EQ(broker().counters().retained, 0U);
}

TEST_F(BrokerSubscribe, RetainHandlingIsKept) {
    auto& publisher = join("p");
    send(publisher, retained("t", "v"));
    auto& client = join("s");
    const SubscribeFilter if_new{"t", Qos::at_most_once, false, false, 1};
    subscribe(client, if_new);
    expect_message(client, "t", "v");
    subscribe(client, if_new);
    expect_nothing(client);
    subscribe(client, SubscribeFilter{"#", Qos::at_most_once, false, false, 2});
    expect_nothing(client);
    subscribe(client, SubscribeFilter{"t", Qos::at_most_once, false, false, 0});
    expect_message(client, "t", "v");
}

TEST_F(BrokerSubscribe, RetainedMessagesExpire) {
    auto& publisher = join("p");
    Publish publish = retained("t", "v");
    const auto block = number(PropertyId::message_expiry_interval, 10);
    publish.properties = block;
    send(publisher, publish);
    pass(seconds(4));
    auto& client = join("s");
    subscribe(client, "t");
    const auto got = expect<Publish>(client);
    EXPECT_EQ(find_property(got.properties, PropertyId::message_expiry_interval)->number, 6U);
    pass(seconds(6));
    subscribe(client, "t");
    expect_nothing(client);
}

TEST_F(BrokerSubscribe, RetainedPropertiesMayBeReplacedInPlace) {
    auto& client = join("s");
    subscribe(client, "t");
    broker().publish({"t", base::as_bytes("v"), {}, Qos::at_most_once, true}, now_);
    drain();
    expect<Publish>(client);
    base::Bytes block;
    append_property(block, {PropertyId::user_property, 0, "quality", "Bad"});
    EXPECT_TRUE(broker().replace_retained_properties("t", block));
    EXPECT_FALSE(broker().replace_retained_properties("u", block));
    drain();
    expect_nothing(client);
    subscribe(client, "t");
    const auto got = expect<Publish>(client);
    EXPECT_EQ(base::as_text(got.payload), "v");
    EXPECT_EQ(find_property(got.properties, PropertyId::user_property)->value, "Bad");
}

TEST_F(BrokerSubscribe, UnsubscribeEndsItAndSaysWhetherThereWasOne) {
    auto& client = join("s");
    subscribe(client, "t");
    send(client, Unsubscribe{3, {}, {"t", "u"}});
    const auto unsuback = expect<Unsuback>(client);
    EXPECT_EQ(unsuback.packet_id, 3);
    EXPECT_EQ(unsuback.reasons,
              (std::vector<ReasonCode>{ReasonCode::success, ReasonCode::no_subscription_existed}));
    send(client, message("t", "v"));
    expect_nothing(client);
    EXPECT_EQ(broker().counters().subscriptions, 0U);
}

TEST_F(BrokerSubscribe, IsLimitedPerClient) {
    BrokerLimits limits;
    limits.max_subscriptions_per_client = 1;
    restart(limits);
    auto& modern = join("s");
    EXPECT_EQ(subscribe(modern, "a"), ReasonCode::success);
    EXPECT_EQ(subscribe(modern, "b"), ReasonCode::quota_exceeded);
    EXPECT_EQ(subscribe(modern, "a", Qos::at_least_once), ReasonCode::granted_qos_1);
    auto& old = join("o", Version::v3_1_1);
    subscribe(old, "a");
    EXPECT_EQ(subscribe(old, "b"), ReasonCode::unspecified_error);
}

TEST_F(BrokerSubscribe, DollarTopicsAreNotMatchedByLeadingWildcards) {
    auto& client = join("s");
    subscribe(client, "#");
    subscribe(client, "+/x");
    send(client, message("$other/x", "v"));
    expect_nothing(client);
    subscribe(client, "$other/#");
    send(client, message("$other/x", "v"));
    expect_message(client, "$other/x", "v");
}

TEST_F(BrokerSubscribe, SharedSubscribersTakeTurns) {
    auto& publisher = join("p");
    auto& one = join("1");
    auto& other = join("2", Version::v3_1_1);
    auto& plain = join("3");
    send(publisher, retained("t", "kept"));
    subscribe(one, "$share/g/t", Qos::at_least_once);
    subscribe(other, "$share/g/t", Qos::at_least_once);
    expect_nothing(one);  // no retained messages for shared subscriptions (4.8.2)
    subscribe(plain, SubscribeFilter{"t", Qos::at_most_once, false, false, 2});
    for (std::uint16_t id = 1; id <= 4; ++id)
        send(publisher, message("t", std::to_string(id), Qos::at_least_once, id));
    expect_message(one, "t", "1", Qos::at_least_once);
    expect_message(one, "t", "3", Qos::at_least_once);
    expect_nothing(one);
    expect_message(other, "t", "2", Qos::at_least_once);
    expect_message(other, "t", "4", Qos::at_least_once);
    for (const char* each : {"1", "2", "3", "4"}) expect_message(plain, "t", each);
}

TEST_F(BrokerSubscribe, SharedWorkGoesToWhoIsThere) {
    auto& publisher = join("p");
    auto& away = join_lasting("away");
    auto& here = join_lasting("here");
    subscribe(away, "$share/g/t", Qos::at_least_once);
    subscribe(here, "$share/g/t", Qos::at_least_once);
    hang_up(away);
    for (std::uint16_t id = 1; id <= 3; ++id)
        send(publisher, message("t", std::to_string(id), Qos::at_least_once, id));
    for (const char* each : {"1", "2", "3"}) expect_message(here, "t", each, Qos::at_least_once);
    hang_up(here);
    send(publisher, message("t", "4", Qos::at_least_once, 4));
    send(publisher, message("t", "5", Qos::at_least_once, 5));
    expect<Publish>(join_lasting("away"));
    auto& back = join_lasting("here");
    EXPECT_FALSE(back.inbox.empty());
}

TEST_F(BrokerSubscribe, MessagesWaitForAnOfflineSession) {
    auto& publisher = join("p");
    auto& first = join_lasting("s");
    subscribe(first, "t", Qos::exactly_once);
    hang_up(first);
    send(publisher, message("t", "0"));
    send(publisher, message("t", "1", Qos::at_least_once, 1));
    send(publisher, message("t", "2", Qos::exactly_once, 2));
    auto& again = join_lasting("s");
    EXPECT_TRUE(last_connack_.session_present);
    expect_message(again, "t", "1", Qos::at_least_once);
    expect_message(again, "t", "2", Qos::exactly_once);
    expect_nothing(again);
}

}  // namespace
}  // namespace sallyport::mqtt
