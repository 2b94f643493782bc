// What the decoder refuses, packet by packet, and the reason code it gives.
#include <algorithm>
#include <span>

#include <gtest/gtest.h>

#include "tests/unit/mqtt/wire_vectors.hpp"

namespace sallyport::mqtt {
namespace {

using vectors::hex;
using enum ReasonCode;

constexpr std::size_t kNoLimit = 1U << 30U;

/// Section 2.4, table 2-6: a reason code and the packets it may stand in.
struct ReasonRow {
    unsigned code;
    std::vector<PacketType> packets;
};

const std::vector<ReasonRow>& reason_table() {
    using enum PacketType;
    static const std::vector<ReasonRow> table{
        {0x00, {connack, puback, pubrec, pubrel, pubcomp, suback, unsuback, disconnect, auth}},
        {0x01, {suback}},
        {0x02, {suback}},
        {0x04, {disconnect}},
        {0x10, {puback, pubrec}},
        {0x11, {unsuback}},
        {0x18, {auth}},
        {0x19, {auth}},
        {0x80, {connack, puback, pubrec, suback, unsuback, disconnect}},
        {0x81, {connack, disconnect}},
        {0x82, {connack, disconnect}},
        {0x83, {connack, puback, pubrec, suback, unsuback, disconnect}},
        {0x84, {connack}},
        {0x85, {connack}},
        {0x86, {connack}},
        {0x87, {connack, puback, pubrec, suback, unsuback, disconnect}},
        {0x88, {connack}},
        {0x89, {connack, disconnect}},
        {0x8A, {connack}},
        {0x8B, {disconnect}},
        {0x8C, {connack, disconnect}},
        {0x8D, {disconnect}},
        {0x8E, {disconnect}},
        {0x8F, {suback, unsuback, disconnect}},
        {0x90, {connack, puback, pubrec, disconnect}},
        {0x91, {puback, pubrec, suback, unsuback}},
        {0x92, {pubrel, pubcomp}},
        {0x93, {disconnect}},
        {0x94, {disconnect}},
        {0x95, {connack, disconnect}},
        {0x96, {disconnect}},
        {0x97, {connack, puback, pubrec, suback, disconnect}},
        {0x98, {disconnect}},
        {0x99, {connack, puback, pubrec, disconnect}},
        {0x9A, {connack, disconnect}},
        {0x9B, {connack, disconnect}},
        {0x9C, {connack, disconnect}},
        {0x9D, {connack, disconnect}},
        {0x9E, {suback, disconnect}},
        {0x9F, {connack, disconnect}},
        {0xA0, {disconnect}},
        {0xA1, {suback, disconnect}},
        {0xA2, {suback, disconnect}},
    };
    return table;
}

bool is_in_table(unsigned code, PacketType type) {
    return std::ranges::any_of(reason_table(), [&](const ReasonRow& row) {
        return row.code == code && std::ranges::find(row.packets, type) != row.packets.end();
    });
}

TEST(Decoder, TakesReasonCodesOnlyInTheirPackets) {
    struct Form {
        PacketType type;
        std::string_view before;
        std::string_view after;
    };
    using enum PacketType;
    for (const Form& form : {Form{connack, "20 03 00", "00"}, Form{puback, "40 03 0007", ""},
                             Form{pubrec, "50 03 0007", ""}, Form{pubrel, "62 03 0007", ""},
                             Form{pubcomp, "70 03 0007", ""}, Form{suback, "90 04 0007 00", ""},
                             Form{unsuback, "B0 04 0007 00", ""}, Form{disconnect, "E0 01", ""},
                             Form{auth, "F0 06", "04 15 0001 6D"}})
        for (unsigned code = 0; code <= 0xFF; ++code) {
            base::Bytes bytes = hex(form.before);
            bytes.push_back(static_cast<std::uint8_t>(code));
            base::append(bytes, hex(form.after));
            const auto packet = decode(bytes, Version::v5);
            if (is_in_table(code, form.type)) {
                EXPECT_TRUE(packet) << form.before << " code " << code;
            } else {
                EXPECT_EQ(packet.error(), protocol_error) << form.before << " code " << code;
            }
        }
}

struct Refusal {
    std::string_view what;
    Version version;
    std::string_view digits;
    ReasonCode reason;
};

constexpr auto v3 = Version::v3_1_1;
constexpr auto v5 = Version::v5;

constexpr Refusal kConnectRefusals[] = {
    {"level 3", v3, "10 0D 0004 4D515454 03 02 003C 0001 61", unsupported_protocol_version},
    {"level 6", v3, "10 0D 0004 4D515454 06 02 003C 0001 61", unsupported_protocol_version},
    {"bridge bit in the level", v3, "10 0D 0004 4D515454 84 02 003C 0001 61",
     unsupported_protocol_version},
    {"another level says nothing of the rest", v3, "10 07 0004 4D515454 06",
     unsupported_protocol_version},
    {"3.1's protocol name", v3, "10 0F 0006 4D5149736470 03 02 003C 0001 61",
     unsupported_protocol_version},
    {"protocol name in small letters", v3, "10 0D 0004 6D717474 04 02 003C 0001 61",
     unsupported_protocol_version},
    {"reserved flag", v3, "10 0D 0004 4D515454 04 03 003C 0001 61", malformed_packet},
    {"reserved flag", v5, "10 0E 0004 4D515454 05 03 003C 00 0001 61", malformed_packet},
    {"will QoS 3", v3, "10 13 0004 4D515454 04 1E 003C 0001 61 0001 77 0001 78", malformed_packet},
    {"will QoS 3", v5, "10 15 0004 4D515454 05 1E 003C 00 0001 61 00 0001 77 0001 78",
     malformed_packet},
    {"will QoS without a will", v3, "10 0D 0004 4D515454 04 0A 003C 0001 61", malformed_packet},
    {"will retain without a will", v3, "10 0D 0004 4D515454 04 22 003C 0001 61", malformed_packet},
    {"will retain without a will", v5, "10 0E 0004 4D515454 05 22 003C 00 0001 61",
     malformed_packet},
    {"password without a user name", v3, "10 10 0004 4D515454 04 42 003C 0001 61 0001 70",
     malformed_packet},
    {"empty will topic", v3, "10 12 0004 4D515454 04 06 003C 0001 61 0000 0001 78",
     topic_name_invalid},
    {"wildcard in the will topic", v3, "10 13 0004 4D515454 04 06 003C 0001 61 0001 23 0001 78",
     topic_name_invalid},
    {"client identifier with U+0000", v3, "10 0D 0004 4D515454 04 02 003C 0001 00",
     malformed_packet},
    {"client identifier with a surrogate", v3, "10 0F 0004 4D515454 04 02 003C 0003 EDA080",
     malformed_packet},
    {"user name not UTF-8", v3, "10 10 0004 4D515454 04 82 003C 0001 61 0001 FF", malformed_packet},
    {"will topic not UTF-8", v3, "10 13 0004 4D515454 04 06 003C 0001 61 0001 FF 0001 78",
     malformed_packet},
    {"trailing byte", v3, "10 0E 0004 4D515454 04 02 003C 0001 61 00", malformed_packet},
    {"trailing byte", v5, "10 0F 0004 4D515454 05 02 003C 00 0001 61 00", malformed_packet},
    {"user name missing", v3, "10 0D 0004 4D515454 04 82 003C 0001 61", malformed_packet},
    {"Receive Maximum 0", v5, "10 11 0004 4D515454 05 02 003C 03 21 0000 0001 61", protocol_error},
    {"Maximum Packet Size 0", v5, "10 13 0004 4D515454 05 02 003C 05 27 00000000 0001 61",
     protocol_error},
    {"Request Problem Information 2", v5, "10 10 0004 4D515454 05 02 003C 02 17 02 0001 61",
     protocol_error},
    {"a property of PUBLISH", v5, "10 10 0004 4D515454 05 02 003C 02 01 01 0001 61",
     malformed_packet},
    {"a property twice", v5, "10 14 0004 4D515454 05 02 003C 06 21 0001 21 0001 0001 61",
     protocol_error},
    {"Will Delay Interval outside the will", v5,
     "10 13 0004 4D515454 05 02 003C 05 18 00000001 0001 61", malformed_packet},
    {"Session Expiry Interval inside the will", v5,
     "10 19 0004 4D515454 05 06 003C 00 0001 61 05 11 00000001 0001 77 0000", malformed_packet},
    {"Authentication Data without a method", v5,
     "10 12 0004 4D515454 05 02 003C 04 16 0001 FF 0001 61", protocol_error},
    {"properties longer than the packet", v5, "10 0E 0004 4D515454 05 02 003C 7F 0001 61",
     malformed_packet},
};

constexpr Refusal kPublishRefusals[] = {
    {"QoS 3", v3, "36 08 0003 612F62 0007 78", malformed_packet},
    {"QoS 3", v5, "36 09 0003 612F62 0007 00 78", malformed_packet},
    {"DUP at QoS 0", v3, "38 06 0003 612F62 78", malformed_packet},
    {"DUP at QoS 0", v5, "38 07 0003 612F62 00 78", malformed_packet},
    {"packet identifier 0", v3, "32 08 0003 612F62 0000 78", protocol_error},
    {"packet identifier 0", v5, "34 09 0003 612F62 0000 00 78", protocol_error},
    {"packet identifier missing", v3, "32 05 0003 612F62", malformed_packet},
    {"empty topic", v3, "30 03 0000 78", topic_name_invalid},
    {"empty topic without an alias", v5, "30 04 0000 00 78", protocol_error},
    {"empty topic, other properties", v5, "30 06 0000 02 01 01 78", protocol_error},
    {"plus in the topic", v3, "30 05 0003 612F2B", topic_name_invalid},
    {"hash in the topic", v5, "30 06 0003 612F23 00", topic_name_invalid},
    {"U+0000 in the topic", v3, "30 05 0003 610062", malformed_packet},
    {"overlong form in the topic", v3, "30 04 0002 C0AF", malformed_packet},
    {"surrogate in the topic", v5, "30 06 0003 EDA080 00", malformed_packet},
    {"topic longer than the packet", v3, "30 05 0004 612F62", malformed_packet},
    {"no topic at all", v3, "30 00", malformed_packet},
    {"Property Length missing", v5, "30 05 0003 612F62", malformed_packet},
    {"properties longer than the packet", v5, "30 07 0003 612F62 02 78", malformed_packet},
    {"Property Length not the shortest", v5, "30 08 0003 612F62 8000 78", malformed_packet},
    {"Property Length of five bytes", v5, "30 0B 0003 612F62 8080808001 78", malformed_packet},
    {"Topic Alias 0", v5, "30 0A 0003 612F62 03 23 0000 78", protocol_error},
    {"Topic Alias twice", v5, "30 0D 0003 612F62 06 23 0001 23 0001 78", protocol_error},
    {"Payload Format Indicator 2", v5, "30 09 0003 612F62 02 01 02 78", protocol_error},
    {"Subscription Identifier 0", v5, "30 09 0003 612F62 02 0B 00 78", protocol_error},
    {"a property of CONNECT", v5, "30 0A 0003 612F62 03 21 0001 78", malformed_packet},
    {"unknown property", v5, "30 09 0003 612F62 02 04 00 78", malformed_packet},
    {"wildcard in the Response Topic", v5, "30 0B 0003 612F62 04 08 0001 2B 78", protocol_error},
    {"user property not UTF-8", v5, "30 0E 0003 612F62 07 26 0001 6B 0001 FF 78", malformed_packet},
};

constexpr Refusal kSubscribeRefusals[] = {
    {"SUBSCRIBE packet identifier 0", v3, "82 06 0000 0001 23 00", protocol_error},
    {"SUBSCRIBE packet identifier 0", v5, "82 07 0000 00 0001 23 00", protocol_error},
    {"SUBSCRIBE without filters", v3, "82 02 0001", protocol_error},
    {"SUBSCRIBE without filters", v5, "82 03 0001 00", protocol_error},
    {"SUBSCRIBE without options", v3, "82 05 0001 0001 23", malformed_packet},
    {"SUBSCRIBE QoS 3", v3, "82 06 0001 0001 23 03", protocol_error},
    {"SUBSCRIBE QoS 3", v5, "82 07 0001 00 0001 23 03", protocol_error},
    {"SUBSCRIBE reserved bit 2", v3, "82 06 0001 0001 23 04", malformed_packet},
    {"SUBSCRIBE reserved bit 5", v3, "82 06 0001 0001 23 20", malformed_packet},
    {"SUBSCRIBE reserved bit 6", v5, "82 07 0001 00 0001 23 40", malformed_packet},
    {"SUBSCRIBE reserved bit 7", v5, "82 07 0001 00 0001 23 80", malformed_packet},
    {"SUBSCRIBE Retain Handling 3", v5, "82 07 0001 00 0001 23 30", protocol_error},
    {"SUBSCRIBE No Local on a shared subscription", v5,
     "82 10 0001 00 000A 2473686172652F672F61 04", protocol_error},
    {"SUBSCRIBE empty filter", v3, "82 05 0001 0000 00", topic_filter_invalid},
    {"SUBSCRIBE hash not last", v3, "82 08 0001 0003 232F61 00", topic_filter_invalid},
    {"SUBSCRIBE plus inside a level", v5, "82 08 0001 00 0002 612B 00", topic_filter_invalid},
    {"SUBSCRIBE shared without a filter", v5, "82 0E 0001 00 0008 2473686172652F67 00",
     topic_filter_invalid},
    {"SUBSCRIBE filter not UTF-8", v3, "82 06 0001 0001 FF 00", malformed_packet},
    {"SUBSCRIBE second filter invalid", v3, "82 0B 0001 0001 23 00 0002 612B 00",
     topic_filter_invalid},
    {"SUBSCRIBE two Subscription Identifiers", v5, "82 0B 0001 04 0B 01 0B 02 0001 23 00",
     protocol_error},
    {"SUBSCRIBE Subscription Identifier 0", v5, "82 09 0001 02 0B 00 0001 23 00", protocol_error},
    {"SUBSCRIBE with a Reason String", v5, "82 0B 0001 04 1F 0001 72 0001 23 00", malformed_packet},
    {"UNSUBSCRIBE packet identifier 0", v3, "A2 05 0000 0001 23", protocol_error},
    {"UNSUBSCRIBE without filters", v3, "A2 02 0001", protocol_error},
    {"UNSUBSCRIBE without filters", v5, "A2 03 0001 00", protocol_error},
    {"UNSUBSCRIBE invalid filter", v5, "A2 07 0001 00 0002 612B", topic_filter_invalid},
    {"UNSUBSCRIBE half a filter", v3, "A2 06 0001 0001 23 00", malformed_packet},
    {"UNSUBSCRIBE with a Subscription Identifier", v5, "A2 08 0001 02 0B 01 0001 23",
     malformed_packet},
};

constexpr Refusal kAnswerRefusals[] = {
    {"CONNACK reserved flag", v3, "20 02 02 00", malformed_packet},
    {"CONNACK reserved flag", v5, "20 03 80 00 00", malformed_packet},
    {"CONNACK session present though refused", v3, "20 02 01 05", protocol_error},
    {"CONNACK session present though refused", v5, "20 03 01 87 00", protocol_error},
    {"CONNACK without its properties", v5, "20 02 00 00", malformed_packet},
    {"CONNACK trailing byte", v3, "20 03 00 00 00", malformed_packet},
    {"CONNACK Maximum QoS 2", v5, "20 05 00 00 02 24 02", protocol_error},
    {"PUBACK packet identifier 0", v3, "40 02 0000", protocol_error},
    {"PUBREC packet identifier 0", v5, "50 02 0000", protocol_error},
    {"PUBREL packet identifier 0", v5, "62 03 0000 00", protocol_error},
    {"PUBCOMP packet identifier 0", v3, "70 02 0000", protocol_error},
    {"PUBACK empty", v3, "40 00", malformed_packet},
    {"PUBACK half a packet identifier", v5, "40 01 00", malformed_packet},
    {"PUBACK with a reason", v3, "40 03 0007 00", malformed_packet},
    {"PUBACK trailing byte", v5, "40 05 0007 00 00 00", malformed_packet},
    {"PUBACK with a property of PUBLISH", v5, "40 06 0007 00 02 01 01", malformed_packet},
    {"PUBACK two Reason Strings", v5, "40 0C 0007 00 08 1F 0001 72 1F 0001 72", protocol_error},
    {"SUBACK packet identifier 0", v3, "90 03 0000 00", protocol_error},
    {"SUBACK without reasons", v3, "90 02 0001", protocol_error},
    {"SUBACK without reasons", v5, "90 03 0001 00", protocol_error},
    {"SUBACK reserved code", v3, "90 03 0001 03", protocol_error},
    {"SUBACK 5.0's code", v3, "90 03 0001 87", protocol_error},
    {"UNSUBACK packet identifier 0", v3, "B0 02 0000", protocol_error},
    {"UNSUBACK with reasons", v3, "B0 03 0001 00", malformed_packet},
    {"UNSUBACK without reasons", v5, "B0 03 0001 00", protocol_error},
    {"DISCONNECT with a body", v3, "E0 02 00 00", malformed_packet},
    {"DISCONNECT trailing byte", v5, "E0 03 00 00 00", malformed_packet},
    {"DISCONNECT with a property of PUBLISH", v5, "E0 04 00 02 01 01", malformed_packet},
    {"DISCONNECT Session Expiry Interval twice", v5, "E0 0C 00 0A 11 00000000 11 00000000",
     protocol_error},
    {"AUTH without a method", v5, "F0 02 18 00", protocol_error},
    {"AUTH reason alone", v5, "F0 01 18", malformed_packet},
    {"AUTH data without a method", v5, "F0 06 18 04 16 0001 FF", protocol_error},
    {"AUTH trailing byte", v5, "F0 07 18 04 15 0001 6D 00", malformed_packet},
};

void expect_refusals(std::span<const Refusal> refusals) {
    for (const Refusal& refusal : refusals) {
        const base::Bytes bytes = hex(refusal.digits);
        ASSERT_EQ(*frame_length(bytes, kNoLimit), std::optional(bytes.size()))
            << refusal.what << ": the vector itself is wrong";
        const auto packet = decode(bytes, refusal.version);
        ASSERT_FALSE(packet) << refusal.what << " is accepted";
        EXPECT_EQ(packet.error(), refusal.reason)
            << refusal.what << ": " << to_string(packet.error());
    }
}

TEST(Decoder, RefusesWrongConnects) {
    expect_refusals(kConnectRefusals);
}
TEST(Decoder, RefusesWrongPublishes) {
    expect_refusals(kPublishRefusals);
}
TEST(Decoder, RefusesWrongSubscribesAndUnsubscribes) {
    expect_refusals(kSubscribeRefusals);
}
TEST(Decoder, RefusesWrongAnswers) {
    expect_refusals(kAnswerRefusals);
}

}  // namespace
}  // namespace sallyport::mqtt
