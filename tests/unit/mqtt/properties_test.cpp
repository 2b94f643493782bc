#include "common/mqtt/properties.hpp"

#include <algorithm>
#include <limits>
#include <string>

#include <gtest/gtest.h>

#include "tests/unit/mqtt/wire_vectors.hpp"

namespace sallyport::mqtt {
namespace {

using vectors::hex;
using enum PropertyPlace;
using enum PropertyId;

constexpr PropertyPlace kPlaces[] = {connect,   will,        connack,    publish, acknowledgement,
                                     subscribe, unsubscribe, disconnect, auth};

struct Sample {
    PropertyId id;
    std::string_view digits;
    std::vector<PropertyPlace> places;  // section 2.2.2.2, table 2-4
};

const std::vector<Sample>& samples() {
    static const std::vector<Sample> all{
        {payload_format_indicator, "01 01", {publish, will}},
        {message_expiry_interval, "02 0000003C", {publish, will}},
        {content_type, "03 0001 74", {publish, will}},
        {response_topic, "08 0001 72", {publish, will}},
        {correlation_data, "09 0002 FF00", {publish, will}},
        {subscription_identifier, "0B 8001", {publish, subscribe}},
        {session_expiry_interval, "11 FFFFFFFF", {connect, connack, disconnect}},
        {assigned_client_identifier, "12 0001 63", {connack}},
        {server_keep_alive, "13 003C", {connack}},
        {authentication_method, "15 0001 6D", {connect, connack, auth}},
        {authentication_data, "16 0001 FF", {connect, connack, auth}},
        {request_problem_information, "17 00", {connect}},
        {will_delay_interval, "18 00000005", {will}},
        {request_response_information, "19 01", {connect}},
        {response_information, "1A 0001 69", {connack}},
        {server_reference, "1C 0001 73", {connack, disconnect}},
        {reason_string, "1F 0001 72", {connack, acknowledgement, disconnect, auth}},
        {receive_maximum, "21 0001", {connect, connack}},
        {topic_alias_maximum, "22 0000", {connect, connack}},
        {topic_alias, "23 0001", {publish}},
        {maximum_qos, "24 01", {connack}},
        {retain_available, "25 00", {connack}},
        {user_property,
         "26 0001 6B 0001 76",
         {connect, connack, publish, will, acknowledgement, subscribe, unsubscribe, disconnect,
          auth}},
        {maximum_packet_size, "27 00000001", {connect, connack}},
        {wildcard_subscription_available, "28 01", {connack}},
        {subscription_identifier_available, "29 00", {connack}},
        {shared_subscription_available, "2A 01", {connack}},
    };
    return all;
}

/// Authentication Data stands only beside a method; every other property stands alone.
base::Bytes block_of(const Sample& sample) {
    const bool needs_method = sample.id == authentication_data;
    base::Bytes block = needs_method ? hex("15 0001 6D") : base::Bytes{};
    base::append(block, hex(sample.digits));
    return block;
}

bool is_listed(const Sample& sample, PropertyPlace place) {
    return std::ranges::find(sample.places, place) != sample.places.end();
}

TEST(Properties, StandOnlyInTheirPackets) {
    for (const Sample& sample : samples())
        for (const PropertyPlace place : kPlaces) {
            const auto refused = check_properties(block_of(sample), place);
            if (is_listed(sample, place)) {
                EXPECT_FALSE(refused) << sample.digits << " in " << static_cast<int>(place);
            } else {
                EXPECT_EQ(refused, ReasonCode::malformed_packet)
                    << sample.digits << " in " << static_cast<int>(place);
            }
        }
}

TEST(Properties, RepeatOnlyWhereTheStandardLetsThem) {
    for (const Sample& sample : samples())
        for (const PropertyPlace place : sample.places) {
            base::Bytes twice = block_of(sample);
            base::append(twice, hex(sample.digits));
            const bool may_repeat = sample.id == user_property ||
                                    (sample.id == subscription_identifier && place == publish);
            const auto refused = check_properties(twice, place);
            if (may_repeat) {
                EXPECT_FALSE(refused) << sample.digits;
            } else {
                EXPECT_EQ(refused, ReasonCode::protocol_error) << sample.digits;
            }
        }
}

TEST(Properties, CutShortAreMalformed) {
    for (const Sample& sample : samples()) {
        const base::Bytes whole = hex(sample.digits);
        for (std::size_t size = 1; size < whole.size(); ++size)
            EXPECT_EQ(check_properties(base::ByteView(whole).first(size), sample.places.front()),
                      ReasonCode::malformed_packet)
                << sample.digits << " cut to " << size;
    }
}

TEST(Properties, UnknownIdentifiersAreMalformed) {
    for (unsigned id = 0; id <= 0xFF; ++id) {
        const bool is_known = std::ranges::any_of(samples(), [&](const Sample& sample) {
            return static_cast<unsigned>(sample.id) == id;
        });
        if (is_known) continue;
        base::Bytes block{static_cast<std::uint8_t>(id), 0, 0, 0, 0};
        for (const PropertyPlace place : kPlaces)
            EXPECT_EQ(check_properties(block, place), ReasonCode::malformed_packet) << id;
    }
    // The identifier is a Variable Byte Integer, in its shortest form like every other.
    EXPECT_EQ(check_properties(hex("8100 01"), publish), ReasonCode::malformed_packet);
}

struct Refusal {
    std::string_view digits;
    PropertyPlace place;
    ReasonCode reason;
};

constexpr Refusal kRefusals[] = {
    {"01 02", publish, ReasonCode::protocol_error},            // Payload Format Indicator
    {"01 FF", will, ReasonCode::protocol_error},               //
    {"0B 00", publish, ReasonCode::protocol_error},            // Subscription Identifier
    {"0B 00", subscribe, ReasonCode::protocol_error},          //
    {"17 02", connect, ReasonCode::protocol_error},            // Request Problem Information
    {"19 02", connect, ReasonCode::protocol_error},            // Request Response Information
    {"21 0000", connect, ReasonCode::protocol_error},          // Receive Maximum
    {"21 0000", connack, ReasonCode::protocol_error},          //
    {"23 0000", publish, ReasonCode::protocol_error},          // Topic Alias
    {"24 02", connack, ReasonCode::protocol_error},            // Maximum QoS
    {"25 02", connack, ReasonCode::protocol_error},            // Retain Available
    {"27 00000000", connect, ReasonCode::protocol_error},      // Maximum Packet Size
    {"27 00000000", connack, ReasonCode::protocol_error},      //
    {"28 02", connack, ReasonCode::protocol_error},            // the three "available" flags
    {"29 02", connack, ReasonCode::protocol_error},            //
    {"2A 02", connack, ReasonCode::protocol_error},            //
    {"08 0001 23", publish, ReasonCode::protocol_error},       // Response Topic "#"
    {"08 0003 612F2B", will, ReasonCode::protocol_error},      // Response Topic "a/+"
    {"08 0000", publish, ReasonCode::protocol_error},          // Response Topic ""
    {"16 0001 FF", connect, ReasonCode::protocol_error},       // data without a method
    {"16 0001 FF", connack, ReasonCode::protocol_error},       //
    {"16 0001 FF", auth, ReasonCode::protocol_error},          //
    {"0B 8000", publish, ReasonCode::malformed_packet},        // not the shortest form
    {"0B FFFFFFFF7F", publish, ReasonCode::malformed_packet},  // five bytes
};

TEST(Properties, RefusesValuesOutOfRange) {
    for (const Refusal& refusal : kRefusals)
        EXPECT_EQ(check_properties(hex(refusal.digits), refusal.place), refusal.reason)
            << refusal.digits;
}

TEST(Properties, RefusesStringsThatAreNotUtf8) {
    for (const char* id : {"03", "08", "12", "15", "1A", "1C", "1F"})
        for (const char* text : {" 0001 00", " 0001 FF", " 0002 C080", " 0003 EDA080"})
            for (const PropertyPlace place : {publish, connack}) {
                const auto block = hex(std::string(id) + text);
                EXPECT_EQ(check_properties(block, place), ReasonCode::malformed_packet)
                    << id << text;
            }
    EXPECT_EQ(check_properties(hex("26 0001 FF 0001 76"), publish), ReasonCode::malformed_packet);
    EXPECT_EQ(check_properties(hex("26 0001 6B 0001 00"), publish), ReasonCode::malformed_packet);
    // Binary data may be anything.
    EXPECT_FALSE(check_properties(hex("09 0003 00EDFF"), publish));
}

TEST(Properties, EmptyBlockIsGoodEverywhere) {
    for (const PropertyPlace place : kPlaces) EXPECT_FALSE(check_properties({}, place));
}

TEST(PropertyReader, GivesEveryPropertyInOrder) {
    const base::Bytes block =
        hex("26 0001 6B 0001 76 02 0000003C 0B 8001 09 0002 FF00 01 01 23 0102");
    PropertyReader reader(block);
    auto property = reader.next();
    ASSERT_TRUE(property);
    EXPECT_EQ(property->id, user_property);
    EXPECT_EQ(property->text, "k");
    EXPECT_EQ(property->value, "v");
    property = reader.next();
    ASSERT_TRUE(property);
    EXPECT_EQ(property->id, message_expiry_interval);
    EXPECT_EQ(property->number, 60U);
    property = reader.next();
    ASSERT_TRUE(property);
    EXPECT_EQ(property->id, subscription_identifier);
    EXPECT_EQ(property->number, 128U);
    property = reader.next();
    ASSERT_TRUE(property);
    EXPECT_EQ(property->text, std::string_view("\xFF\0", 2));
    property = reader.next();
    ASSERT_TRUE(property);
    EXPECT_EQ(property->number, 1U);
    property = reader.next();
    ASSERT_TRUE(property);
    EXPECT_EQ(property->number, 0x0102U);
    EXPECT_FALSE(reader.next());
    EXPECT_FALSE(reader.next());
}

TEST(PropertyReader, EndsAtABrokenPropertyInsteadOfReadingPastIt) {
    for (const char* digits : {"01 01 26 0001", "01 01 03 FFFF 61", "01 01 04", "01 01 0B FF"}) {
        const base::Bytes block = hex(digits);
        PropertyReader reader(block);
        EXPECT_TRUE(reader.next()) << digits;
        EXPECT_FALSE(reader.next()) << digits;
        EXPECT_FALSE(reader.next()) << digits;
    }
}

TEST(FindProperty, GivesTheFirstOfItsKind) {
    const base::Bytes block = hex("26 0001 61 0001 62 01 01 26 0001 63 0001 64");
    ASSERT_TRUE(find_property(block, user_property));
    EXPECT_EQ(find_property(block, user_property)->text, "a");
    EXPECT_EQ(find_property(block, payload_format_indicator)->number, 1U);
    EXPECT_FALSE(find_property(block, topic_alias));
    EXPECT_FALSE(find_property({}, topic_alias));
}

TEST(AppendProperty, WritesWhatTheReaderReads) {
    for (const Sample& sample : samples()) {
        const base::Bytes block = hex(sample.digits);
        const auto property = find_property(block, sample.id);
        ASSERT_TRUE(property) << sample.digits;
        base::Bytes again;
        append_property(again, *property);
        EXPECT_EQ(again, block) << sample.digits;
    }
}

TEST(AppendProperty, WritesEveryVariableByteIntegerInItsShortestForm) {
    struct Case {
        std::uint32_t number;
        std::string_view digits;
    };
    // Section 1.5.5, table 1-1.
    for (const Case& one :
         {Case{1, "0B 01"}, Case{127, "0B 7F"}, Case{128, "0B 8001"}, Case{16'383, "0B FF7F"},
          Case{16'384, "0B 808001"}, Case{2'097'151, "0B FFFF7F"}, Case{2'097'152, "0B 80808001"},
          Case{268'435'455, "0B FFFFFF7F"}}) {
        base::Bytes block;
        append_property(block, Property{subscription_identifier, one.number, {}, {}});
        EXPECT_EQ(block, hex(one.digits));
        EXPECT_EQ(find_property(block, subscription_identifier)->number, one.number);
    }
}

TEST(AppendProperty, KeepsTheLongestStrings) {
    const std::string longest(std::numeric_limits<std::uint16_t>::max(), 'x');
    base::Bytes block;
    append_property(block, Property{user_property, 0, longest, longest});
    EXPECT_FALSE(check_properties(block, publish));
    EXPECT_EQ(find_property(block, user_property)->value.size(), longest.size());
}

}  // namespace
}  // namespace sallyport::mqtt
