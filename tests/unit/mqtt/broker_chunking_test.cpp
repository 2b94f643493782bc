// The same bytes in any pieces give the same answers.
#include "tests/unit/mqtt/broker_fixture.hpp"

namespace sallyport::mqtt {
namespace {

class BrokerChunking : public BrokerTest {
protected:
    struct Outcome {
        std::vector<base::Bytes> transcripts;
        std::vector<std::string> events;

        friend bool operator==(const Outcome&, const Outcome&) = default;
    };

    static base::Bytes publisher_script() {
        base::Bytes bytes;
        Connect connect = hello(Version::v5, "publisher");
        connect.will = Will{"will", base::as_bytes("bye"), {}, Qos::at_least_once, false};
        encode(bytes, connect);
        const auto alias = number(PropertyId::topic_alias, 1);
        Publish publish = message("a/b", "first");
        publish.properties = alias;
        encode(bytes, publish, Version::v5);
        publish.topic = {};
        encode(bytes, publish, Version::v5);
        const std::string large(1'000, 'x');  // a Remaining Length of two bytes
        encode(bytes, retained("a/b", large, Qos::at_least_once, 1), Version::v5);
        encode(bytes, message("a/c", "two", Qos::exactly_once, 2), Version::v5);
        encode(bytes, Pingreq{});
        encode(bytes, message("sallyport/no", "x", Qos::at_least_once, 3), Version::v5);
        return bytes;
    }

    /// After the owner's acknowledgements, which are inputs of their own.
    static base::Bytes last_script() {
        base::Bytes bytes;
        encode(bytes, Acknowledgement{PacketType::pubrel, 2, ReasonCode::success, {}}, Version::v5);
        bytes.insert(bytes.end(), {0x36, 0x05, 0x00, 0x01, 't', 0x00, 0x01});  // QoS 3
        encode(bytes, message("after", "the end"), Version::v5);
        return bytes;
    }

    void note_events(Outcome& outcome) {
        for (const auto& event : events())
            outcome.events.push_back(std::to_string(static_cast<int>(event.kind)) +
                                     event.client_id + '|' + event.topic + '|' + event.payload);
    }

    Outcome play(std::size_t chunk_bytes, bool keeps_state) {
        restart(BrokerLimits{}, BrokerOptions{keeps_state, false});
        chunk_bytes_ = chunk_bytes;
        auto& modern = join("modern");
        auto& old = join("old", Version::v3_1_1);
        subscribe(modern, "#", Qos::exactly_once);
        subscribe(old, "a/+", Qos::at_least_once);
        auto& publisher = open();
        acknowledges_ = false;
        send_bytes(publisher, publisher_script());
        Outcome outcome;
        note_events(outcome);
        acknowledge_all();
        drain();
        if (const auto batch = broker().next_changes()) broker().changes_saved(batch->upto, now_);
        drain();
        send_bytes(publisher, last_script());
        note_events(outcome);
        acknowledges_ = true;
        for (const auto* client : {&modern, &old, &publisher})
            outcome.transcripts.push_back(client->transcript);
        return outcome;
    }
};

TEST_F(BrokerChunking, MakesNoDifference) {
    for (const bool keeps_state : {false, true}) {
        const Outcome whole = play(0, keeps_state);
        ASSERT_EQ(whole.events.size(), 9U);
        EXPECT_GT(whole.transcripts[0].size(), 1'000U);
        for (const std::size_t chunk_bytes : {1U, 2U, 3U, 7U, 100U, 1'001U})
            EXPECT_EQ(play(chunk_bytes, keeps_state), whole) << chunk_bytes;
    }
}

}  // namespace
}  // namespace sallyport::mqtt
