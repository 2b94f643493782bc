#include "common/mqtt/encode.hpp"

#include <algorithm>
#include <string>

#include <gtest/gtest.h>

#include "tests/unit/mqtt/wire_vectors.hpp"

namespace sallyport::mqtt {
namespace {

using vectors::encoded;
using vectors::hex;

Publish publish_of(std::string_view topic, std::string_view payload,
                   base::ByteView properties = {}) {
    Publish packet;
    packet.topic = topic;
    packet.payload = base::as_bytes(payload);
    packet.properties = properties;
    return packet;
}

TEST(Encode, GivesBackTheBytesOfEveryDecodedPacket) {
    for (const auto& vector : vectors::valid_packets()) {
        const base::Bytes bytes = hex(vector.digits);
        const auto packet = decode(bytes, vector.version);
        ASSERT_TRUE(packet) << vector.name << ": " << to_string(packet.error());
        EXPECT_EQ(encoded(*packet, vector.version), bytes) << vector.name;
    }
}

TEST(Encode, AppendsBehindWhatIsThere) {
    base::Bytes out = hex("C0 00");
    encode(out, publish_of("a", "x"), Version::v3_1_1);
    encode(out, Pingresp{});
    EXPECT_EQ(out, hex("C0 00 30 04 0001 61 78 D0 00"));
}

TEST(Encode, GrowsTheBufferGeometrically) {
    base::Bytes out;
    std::size_t growths = 0;
    for (int i = 0; i < 100'000; ++i) {
        const std::size_t before = out.capacity();
        encode(out, Acknowledgement{PacketType::puback, 7, ReasonCode::success, {}}, Version::v5);
        if (out.capacity() != before) ++growths;
    }
    EXPECT_EQ(out.size(), 400'000U);
    EXPECT_LT(growths, 32U);
}

TEST(Encode, ReservesOnceForAPublish) {
    const std::string payload(100'000, 'p');
    base::Bytes out;
    const Publish packet = publish_of("a/b", payload);
    encode(out, packet, Version::v5);
    EXPECT_EQ(out.size(), encoded_size(packet, Version::v5));
    EXPECT_EQ(out.capacity(), out.size());
}

// Both sides of every step of Remaining Length and Property Length (2.1.4).
TEST(Encode, WritesPublishesOfEverySizeClass) {
    for (const std::size_t size : {0U, 1U, 121U, 122U, 123U, 124U, 125U, 16'376U, 16'377U, 16'378U,
                                   16'379U, 16'380U, 2'097'144U, 2'097'145U, 2'097'148U}) {
        const std::string payload(size, 'p');
        for (const Version version : {Version::v3_1_1, Version::v5}) {
            const Publish packet = publish_of("a/b", payload);
            base::Bytes out;
            encode(out, packet, version);
            EXPECT_EQ(out.size(), encoded_size(packet, version)) << size;
            EXPECT_EQ(*frame_length(out, out.size()), std::optional(out.size())) << size;
            const auto back = decode(out, version);
            ASSERT_TRUE(back) << size;
            EXPECT_EQ(std::get<Publish>(*back).payload.size(), size);
        }
    }
}

TEST(Encode, WritesPropertyBlocksOfEverySizeClass) {
    for (const std::size_t size : {120U, 122U, 123U, 130U, 16'378U, 16'379U, 60'000U}) {
        const std::string value(size, 'v');
        base::Bytes block;
        append_property(block, Property{PropertyId::user_property, 0, "", value});
        const Publish packet = publish_of("a", "", block);
        base::Bytes out;
        encode(out, packet, Version::v5);
        EXPECT_EQ(out.size(), encoded_size(packet, Version::v5));
        const auto back = decode(out, Version::v5);
        ASSERT_TRUE(back) << size;
        const auto properties = std::get<Publish>(*back).properties;
        EXPECT_TRUE(std::ranges::equal(properties, block)) << size;
    }
}

TEST(Encode, LeavesPropertiesAndReasonsOutOf311) {
    const base::Bytes block = hex("1F 0001 72");
    const auto v3 = Version::v3_1_1;
    using enum ReasonCode;
    EXPECT_EQ(encoded(Connack{false, success, block}, v3), hex("20 02 00 00"));
    EXPECT_EQ(encoded(publish_of("a", "", block), v3), hex("30 03 0001 61"));
    EXPECT_EQ(encoded(Acknowledgement{PacketType::puback, 7, not_authorized, block}, v3),
              hex("40 02 0007"));
    EXPECT_EQ(encoded(Acknowledgement{PacketType::pubrel, 7, packet_identifier_not_found, {}}, v3),
              hex("62 02 0007"));
    EXPECT_EQ(encoded(Suback{7, block, {granted_qos_1}}, v3), hex("90 03 0007 01"));
    EXPECT_EQ(encoded(Unsuback{7, block, {success, success}}, v3), hex("B0 02 0007"));
    EXPECT_EQ(encoded(Unsubscribe{7, block, {"a"}}, v3), hex("A2 05 0007 0001 61"));
    EXPECT_EQ(encoded(Disconnect{server_shutting_down, block}, v3), hex("E0 00"));
}

TEST(Encode, LeavesSubscriptionOptionsOutOf311) {
    const SubscribeFilter filter{"a", Qos::exactly_once, true, true, 2};
    const base::Bytes identifier = hex("0B 01");
    EXPECT_EQ(encoded(Subscribe{7, identifier, {filter}}, Version::v3_1_1),
              hex("82 06 0007 0001 61 02"));
    EXPECT_EQ(encoded(Subscribe{7, identifier, {filter}}, Version::v5),
              hex("82 09 0007 02 0B 01 0001 61 2E"));
}

TEST(Encode, MapsConnackReasonsTo311) {
    struct Case {
        ReasonCode reason;
        std::uint8_t code;
    };
    using enum ReasonCode;
    for (const Case& one :
         {Case{success, 0}, Case{unsupported_protocol_version, 1},
          Case{client_identifier_not_valid, 2}, Case{server_unavailable, 3},
          Case{bad_user_name_or_password, 4}, Case{not_authorized, 5}, Case{unspecified_error, 3},
          Case{malformed_packet, 3}, Case{protocol_error, 3}, Case{server_busy, 3}, Case{banned, 3},
          Case{bad_authentication_method, 3}, Case{quota_exceeded, 3}, Case{server_moved, 3},
          Case{connection_rate_exceeded, 3}}) {
        const base::Bytes bytes = encoded(Connack{false, one.reason, {}}, Version::v3_1_1);
        EXPECT_EQ(bytes, (base::Bytes{0x20, 0x02, 0x00, one.code})) << to_string(one.reason);
    }
}

TEST(Encode, MapsSubackFailuresTo311) {
    using enum ReasonCode;
    const Suback packet{1,
                        {},
                        {success, granted_qos_1, granted_qos_2, unspecified_error, not_authorized,
                         topic_filter_invalid, quota_exceeded}};
    EXPECT_EQ(encoded(packet, Version::v3_1_1), hex("90 09 0001 00 01 02 80 80 80 80"));
    EXPECT_EQ(encoded(packet, Version::v5), hex("90 0A 0001 00 00 01 02 80 87 8F 97"));
}

TEST(Encode, TakesTheShortFormsWhereThereIsNothingToSay) {
    using enum ReasonCode;
    EXPECT_EQ(encoded(Acknowledgement{PacketType::pubrec, 7, success, {}}, Version::v5),
              hex("50 02 0007"));
    EXPECT_EQ(encoded(Acknowledgement{PacketType::pubrec, 7, quota_exceeded, {}}, Version::v5),
              hex("50 03 0007 97"));
    EXPECT_EQ(encoded(Disconnect{success, {}}, Version::v5), hex("E0 00"));
    EXPECT_EQ(encoded(Disconnect{keep_alive_timeout, {}}, Version::v5), hex("E0 01 8D"));
    EXPECT_EQ(encoded(Auth{success, {}}, Version::v5), hex("F0 00"));
    // AUTH has no form with a reason code alone (3.15.2.1).
    EXPECT_EQ(encoded(Auth{reauthenticate, {}}, Version::v5), hex("F0 02 19 00"));
}

TEST(EncodeDeathTest, AssertsTheWireLimits) {
    const std::string too_long(65'536, 'a');
    Publish without_id = publish_of("a", "");
    without_id.qos = Qos::at_least_once;
    Suback without_reasons;
    without_reasons.packet_id = 1;
    Connect password_alone;
    password_alone.version = Version::v3_1_1;
    password_alone.password = base::ByteView{};
    const Property unknown{PropertyId{0x04}, 0, {}, {}};
    const Property too_wide{PropertyId::topic_alias, 0x1'0000, {}, {}};
    base::Bytes out;
    EXPECT_DEATH(encode(out, publish_of(too_long, ""), Version::v5), "assertion failed");
    EXPECT_DEATH(encode(out, without_id, Version::v5), "assertion failed");
    EXPECT_DEATH(encode(out, Acknowledgement{}, Version::v5), "assertion failed");
    EXPECT_DEATH(encode(out, without_reasons, Version::v5), "assertion failed");
    EXPECT_DEATH(encode(out, password_alone), "assertion failed");
    EXPECT_DEATH(append_property(out, unknown), "assertion failed");
    EXPECT_DEATH(append_property(out, too_wide), "assertion failed");
}

TEST(ReasonCodes, HaveDistinctNames) {
    std::vector<std::string_view> names;
    for (unsigned code = 0; code <= 0xFF; ++code) {
        const auto name = to_string(static_cast<ReasonCode>(code));
        if (name == "unknown reason code") continue;
        EXPECT_EQ(std::ranges::find(names, name), names.end()) << name;
        names.push_back(name);
    }
    EXPECT_EQ(names.size(), 43U);  // section 2.4, table 2-6
}

}  // namespace
}  // namespace sallyport::mqtt
