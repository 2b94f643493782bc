#include "common/mqtt/decode.hpp"

#include <algorithm>

#include <gtest/gtest.h>

#include "tests/unit/mqtt/allocation_count.hpp"
#include "tests/unit/mqtt/wire_vectors.hpp"

namespace sallyport::mqtt {
namespace {

using vectors::encoded;
using vectors::hex;
using enum ReasonCode;

constexpr std::size_t kNoLimit = 1U << 30U;

TEST(Decoder, RefusesEveryPrefixOfEveryPacket) {
    for (const auto& vector : vectors::valid_packets()) {
        const base::Bytes whole = hex(vector.digits);
        for (std::size_t size = 0; size < whole.size(); ++size) {
            // A copy of its own, so that a read past the end is one that a sanitizer sees.
            const base::Bytes prefix(whole.begin(),
                                     whole.begin() + static_cast<std::ptrdiff_t>(size));
            EXPECT_FALSE(decode(prefix, vector.version)) << vector.name << " cut to " << size;
        }
    }
}

/// The packet cut to `size` bytes with a Remaining Length that agrees: the fields run short
/// instead.
base::Bytes shortened(base::ByteView packet, std::size_t size) {
    base::Bytes cut(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(size));
    cut[1] = static_cast<std::uint8_t>(size - 2);
    return cut;
}

TEST(Decoder, SurvivesFieldsThatRunShort) {
    for (const auto& vector : vectors::valid_packets()) {
        const base::Bytes whole = hex(vector.digits);
        for (std::size_t size = 2; size < whole.size(); ++size) {
            const base::Bytes cut = shortened(whole, size);
            const auto packet = decode(cut, vector.version);
            // Some cuts end at a field's border and are packets of their own: those must be whole.
            if (packet) {
                EXPECT_TRUE(decode(encoded(*packet, vector.version), vector.version));
            }
        }
    }
}

TEST(Decoder, RefusesFieldsThatRunShortInConnect) {
    for (const auto& vector : vectors::valid_packets()) {
        if (!vector.name.starts_with("CONN")) continue;
        const base::Bytes whole = hex(vector.digits);
        for (std::size_t size = 2; size < whole.size(); ++size)
            EXPECT_EQ(decode(shortened(whole, size), vector.version).error(), malformed_packet)
                << vector.name << " cut to " << size;
    }
}

TEST(Decoder, RefusesBytesAfterTheLastFieldUnlessTheyAreOne) {
    for (const auto& vector : vectors::valid_packets()) {
        base::Bytes longer = hex(vector.digits);
        const bool is_open_ended = longer[0] >> 4U == 3 || longer[0] >> 4U == 9 ||
                                   (longer[0] >> 4U == 11 && vector.version == Version::v5);
        const bool has_no_block = vector.name.ends_with("short") || vector.name.ends_with("reason");
        if (is_open_ended || has_no_block) continue;
        longer.push_back(0);
        longer[1] += 1;
        EXPECT_EQ(decode(longer, vector.version).error(), malformed_packet) << vector.name;
    }
}

// Every value of every byte of every packet: nothing crashes, and what is accepted can be said
// again.
TEST(Decoder, AcceptsOnlyWhatCanBeEncodedAgain) {
    std::size_t accepted = 0;
    std::size_t refused = 0;
    for (const auto& vector : vectors::valid_packets()) {
        base::Bytes bytes = hex(vector.digits);
        for (std::uint8_t& byte : bytes) {
            const std::uint8_t original = byte;
            for (unsigned value = 0; value <= 0xFF; ++value) {
                byte = static_cast<std::uint8_t>(value);
                const auto packet = decode(bytes, vector.version);
                if (!packet) {
                    ++refused;
                    continue;
                }
                ++accepted;
                const auto* connect = std::get_if<Connect>(&*packet);
                const Version version = connect != nullptr ? connect->version : vector.version;
                ASSERT_TRUE(decode(encoded(*packet, version), version)) << vector.name;
            }
            byte = original;
        }
    }
    EXPECT_GT(accepted, vectors::valid_packets().size());
    EXPECT_GT(refused, accepted);
}

TEST(Decoder, DoesNotAllocateForAPublish) {
    const base::Bytes bytes =
        hex("35 34 0003 612F62 0007"
            "2B 01 01 02 00000001 03 0001 74 08 0001 72 09 0001 FF 0B 01 0B FFFFFF7F 23 0001"
            "26 0001 6B 0001 76 26 0001 6B 0001 76 78");
    const std::size_t before = vectors::allocation_count();
    const auto packet = decode(bytes, Version::v5);
    const std::size_t after = vectors::allocation_count();
    ASSERT_TRUE(packet);
    EXPECT_EQ(after, before);
    EXPECT_TRUE(decode(hex("82 0C 0001 0001 23 00 0003 2B2F62 02"), Version::v3_1_1));
    EXPECT_GT(vectors::allocation_count(), after);  // the count does count
}

TEST(FrameLength, IsUnknownUntilTheFixedHeaderIsWhole) {
    for (const auto& vector : vectors::valid_packets()) {
        const base::Bytes whole = hex(vector.digits);
        for (std::size_t size = 0; size <= whole.size(); ++size) {
            const auto length = frame_length(base::ByteView(whole).first(size), kNoLimit);
            ASSERT_TRUE(length) << vector.name;
            EXPECT_EQ(*length, size < 2 ? std::nullopt : std::optional(whole.size()))
                << vector.name << " at " << size;
        }
    }
}

TEST(FrameLength, ReadsOneToFourBytes) {
    struct Case {
        std::string_view digits;
        std::optional<std::size_t> length;
    };
    for (const Case& one :
         {Case{"", std::nullopt}, Case{"30", std::nullopt}, Case{"30 00", 2}, Case{"30 7F", 129},
          Case{"30 80", std::nullopt}, Case{"30 8001", 131}, Case{"30 FF7F", 16'386},
          Case{"30 8080", std::nullopt}, Case{"30 808001", 16'388}, Case{"30 FFFF7F", 2'097'155},
          Case{"30 808080", std::nullopt}, Case{"30 80808001", 2'097'157},
          Case{"30 FFFFFF7F", 268'435'460}, Case{"30 02 FF FF FF FF FF", 4}}) {
        const auto length = frame_length(hex(one.digits), kNoLimit);
        ASSERT_TRUE(length) << one.digits;
        EXPECT_EQ(*length, one.length) << one.digits;
    }
}

TEST(FrameLength, RefusesTypeZeroAndFiveByteLengths) {
    EXPECT_EQ(frame_length(hex("00"), kNoLimit).error(), malformed_packet);
    EXPECT_EQ(frame_length(hex("0F 00"), kNoLimit).error(), malformed_packet);
    EXPECT_EQ(frame_length(hex("30 80808080"), kNoLimit).error(), malformed_packet);
    EXPECT_EQ(frame_length(hex("30 FFFFFFFF 01"), kNoLimit).error(), malformed_packet);
}

TEST(FrameLength, RefusesWhatIsOverTheLimitBeforeItArrives) {
    EXPECT_EQ(**frame_length(hex("30 64"), 102), 102U);
    EXPECT_EQ(frame_length(hex("30 65"), 102).error(), packet_too_large);
    EXPECT_EQ(frame_length(hex("30 FFFFFF7F"), 1U << 20U).error(), packet_too_large);
}

TEST(Decoder, WantsTheShortestRemainingLengthInV5Only) {
    EXPECT_TRUE(decode(hex("40 8200 0007"), Version::v3_1_1));
    EXPECT_EQ(decode(hex("40 8200 0007"), Version::v5).error(), malformed_packet);
    EXPECT_EQ(decode(hex("C0 808000"), Version::v5).error(), malformed_packet);
    EXPECT_TRUE(decode(hex("10 8D00 0004 4D515454 04 02 003C 0001 61"), Version::v5));
    EXPECT_EQ(decode(hex("10 8E00 0004 4D515454 05 02 003C 00 0001 61"), Version::v3_1_1).error(),
              malformed_packet);
}

TEST(Decoder, RefusesMoreOrLessThanOnePacket) {
    EXPECT_EQ(decode({}, Version::v5).error(), malformed_packet);
    EXPECT_EQ(decode(hex("C0 00 C0 00"), Version::v5).error(), malformed_packet);
    EXPECT_EQ(decode(hex("C0 01 00"), Version::v5).error(), malformed_packet);
    EXPECT_EQ(decode(hex("D0 01 00"), Version::v3_1_1).error(), malformed_packet);
}

TEST(Decoder, RefusesWrongFixedHeaderFlags) {
    for (const auto& vector : vectors::valid_packets()) {
        base::Bytes bytes = hex(vector.digits);
        const unsigned type = bytes[0] >> 4U;
        if (type == 3) continue;  // PUBLISH has no fixed ones
        const unsigned right = bytes[0] & 0x0FU;
        for (unsigned flags = 0; flags <= 0x0F; ++flags) {
            if (flags == right) continue;
            bytes[0] = static_cast<std::uint8_t>(type << 4U | flags);
            EXPECT_EQ(decode(bytes, vector.version).error(), malformed_packet)
                << vector.name << " with flags " << flags;
        }
    }
}

TEST(Decoder, RefusesTypeZeroAndAuthIn311) {
    EXPECT_EQ(decode(hex("00 00"), Version::v5).error(), malformed_packet);
    EXPECT_EQ(decode(hex("F0 00"), Version::v3_1_1).error(), malformed_packet);
}

TEST(Decoder, ReadsConnect311) {
    const base::Bytes bytes =
        hex("10 1D 0004 4D515454 04 EE 003C 0001 61 0003 772F74 0002 FF00 0001 75 0002 7000");
    const auto packet = decode(bytes, Version::v5);
    ASSERT_TRUE(packet);
    const auto& connect = std::get<Connect>(*packet);
    EXPECT_EQ(connect.version, Version::v3_1_1);
    EXPECT_TRUE(connect.clean_start);
    EXPECT_EQ(connect.keep_alive_s, 60);
    EXPECT_EQ(connect.client_id, "a");
    EXPECT_TRUE(connect.properties.empty());
    ASSERT_TRUE(connect.will);
    EXPECT_EQ(connect.will->topic, "w/t");
    EXPECT_TRUE(std::ranges::equal(connect.will->payload, hex("FF00")));
    EXPECT_EQ(connect.will->qos, Qos::at_least_once);
    EXPECT_TRUE(connect.will->retain);
    EXPECT_EQ(connect.user_name, "u");
    ASSERT_TRUE(connect.password);
    EXPECT_TRUE(std::ranges::equal(*connect.password, hex("7000")));
}

TEST(Decoder, ReadsConnectV5) {
    const base::Bytes bytes = hex(
        "10 20 0004 4D515454 05 14 0000 05 11 00000E10 0001 61 05 18 00000005 0001 77 0002 6869");
    const auto packet = decode(bytes, Version::v3_1_1);
    ASSERT_TRUE(packet) << to_string(packet.error());
    const auto& connect = std::get<Connect>(*packet);
    EXPECT_EQ(connect.version, Version::v5);
    EXPECT_FALSE(connect.clean_start);
    EXPECT_EQ(find_property(connect.properties, PropertyId::session_expiry_interval)->number,
              3600U);
    ASSERT_TRUE(connect.will);
    EXPECT_EQ(connect.will->qos, Qos::exactly_once);
    EXPECT_FALSE(connect.will->retain);
    EXPECT_EQ(find_property(connect.will->properties, PropertyId::will_delay_interval)->number, 5U);
    EXPECT_EQ(base::as_text(connect.will->payload), "hi");
    EXPECT_FALSE(connect.user_name);
    EXPECT_FALSE(connect.password);
}

TEST(Decoder, ReadsEveryPublishFlag) {
    for (const unsigned qos : {0U, 1U, 2U})
        for (const bool dup : {false, true})
            for (const bool retain : {false, true}) {
                if (dup && qos == 0) continue;
                base::Bytes bytes =
                    qos == 0 ? hex("30 06 0003 612F62 78") : hex("30 08 0003 612F62 0102 78");
                bytes[0] |=
                    static_cast<std::uint8_t>((dup ? 8U : 0U) | qos << 1U | (retain ? 1U : 0U));
                const auto packet = decode(bytes, Version::v3_1_1);
                ASSERT_TRUE(packet);
                const auto& publish = std::get<Publish>(*packet);
                EXPECT_EQ(static_cast<unsigned>(publish.qos), qos);
                EXPECT_EQ(publish.dup, dup);
                EXPECT_EQ(publish.retain, retain);
                EXPECT_EQ(publish.topic, "a/b");
                EXPECT_EQ(publish.packet_id, qos == 0 ? 0 : 0x0102);
                EXPECT_EQ(base::as_text(publish.payload), "x");
            }
}

TEST(Decoder, PublishBorrowsTheCallersBytes) {
    const base::Bytes bytes = hex("30 07 0003 612F62 00 78");
    const auto packet = decode(bytes, Version::v5);
    ASSERT_TRUE(packet);
    const auto& publish = std::get<Publish>(*packet);
    EXPECT_EQ(base::as_bytes(publish.topic).data(), bytes.data() + 4);
    EXPECT_EQ(publish.payload.data(), bytes.data() + 8);
}

TEST(Decoder, ReadsSubscriptionOptions) {
    const base::Bytes bytes = hex("82 0F 0102 00 0001 23 2E 0001 61 01 0001 62 10");
    const auto packet = decode(bytes, Version::v5);
    ASSERT_TRUE(packet) << to_string(packet.error());
    const auto& subscribe = std::get<Subscribe>(*packet);
    EXPECT_EQ(subscribe.packet_id, 0x0102);
    ASSERT_EQ(subscribe.filters.size(), 3U);
    EXPECT_EQ(subscribe.filters[0].filter, "#");
    EXPECT_EQ(subscribe.filters[0].qos, Qos::exactly_once);
    EXPECT_TRUE(subscribe.filters[0].no_local);
    EXPECT_TRUE(subscribe.filters[0].retain_as_published);
    EXPECT_EQ(subscribe.filters[0].retain_handling, 2);
    EXPECT_EQ(subscribe.filters[1].qos, Qos::at_least_once);
    EXPECT_FALSE(subscribe.filters[1].no_local);
    EXPECT_FALSE(subscribe.filters[1].retain_as_published);
    EXPECT_EQ(subscribe.filters[1].retain_handling, 0);
    EXPECT_EQ(subscribe.filters[2].retain_handling, 1);
}

TEST(Decoder, ReadsAnswersOfAServer) {
    const auto connack = decode(hex("20 02 01 00"), Version::v3_1_1);
    EXPECT_TRUE(std::get<Connack>(*connack).session_present);
    const auto suback = decode(hex("90 06 0001 00 00 02 87"), Version::v5);
    EXPECT_EQ(std::get<Suback>(*suback).reasons,
              (std::vector{success, granted_qos_2, not_authorized}));
    const auto unsuback = decode(hex("B0 05 0001 00 00 11"), Version::v5);
    EXPECT_EQ(std::get<Unsuback>(*unsuback).reasons,
              (std::vector{success, no_subscription_existed}));
    EXPECT_TRUE(std::get<Unsuback>(*decode(hex("B0 02 0001"), Version::v3_1_1)).reasons.empty());
    const base::Bytes filters = hex("A2 0A 0001 0001 23 0003 2B2F62");
    const auto unsubscribe = decode(filters, Version::v3_1_1);
    EXPECT_EQ(std::get<Unsubscribe>(*unsubscribe).filters,
              (std::vector<std::string_view>{"#", "+/b"}));
}

TEST(Decoder, MapsConnackCodesOf311) {
    const ReasonCode reasons[] = {success,
                                  unsupported_protocol_version,
                                  client_identifier_not_valid,
                                  server_unavailable,
                                  bad_user_name_or_password,
                                  not_authorized};
    for (unsigned code = 0; code <= 0xFF; ++code) {
        const base::Bytes bytes{0x20, 0x02, 0x00, static_cast<std::uint8_t>(code)};
        const auto packet = decode(bytes, Version::v3_1_1);
        if (code < std::size(reasons)) {
            EXPECT_EQ(std::get<Connack>(*packet).reason, reasons[code]) << code;
        } else {
            EXPECT_EQ(packet.error(), protocol_error) << code;
        }
    }
}

TEST(Decoder, TakesTheShortAndLongFormsOfAcknowledgements) {
    for (const std::uint8_t first : hex("40 50 62 70"))
        for (const char* rest : {"02 0102", "03 0102 00", "04 0102 00 00"}) {
            base::Bytes bytes{first};
            base::append(bytes, hex(rest));
            const auto packet = decode(bytes, Version::v5);
            ASSERT_TRUE(packet) << rest;
            const auto& acknowledgement = std::get<Acknowledgement>(*packet);
            EXPECT_EQ(static_cast<unsigned>(acknowledgement.type), first >> 4U);
            EXPECT_EQ(acknowledgement.packet_id, 0x0102);
            EXPECT_EQ(acknowledgement.reason, success);
            EXPECT_EQ(bool(decode(bytes, Version::v3_1_1)), bytes.size() == 4) << rest;
        }
}

TEST(Decoder, TakesTheShortAndLongFormsOfDisconnectAndAuth) {
    EXPECT_EQ(std::get<Disconnect>(*decode(hex("E0 00"), Version::v5)).reason, success);
    EXPECT_EQ(std::get<Disconnect>(*decode(hex("E0 01 04"), Version::v5)).reason,
              disconnect_with_will);
    EXPECT_EQ(std::get<Disconnect>(*decode(hex("E0 02 8D 00"), Version::v5)).reason,
              keep_alive_timeout);
    EXPECT_EQ(decode(hex("E0 01 00"), Version::v3_1_1).error(), malformed_packet);
    EXPECT_EQ(std::get<Auth>(*decode(hex("F0 00"), Version::v5)).reason, success);
    EXPECT_EQ(std::get<Auth>(*decode(hex("F0 06 19 04 15 0001 6D"), Version::v5)).reason,
              reauthenticate);
}

}  // namespace
}  // namespace sallyport::mqtt
