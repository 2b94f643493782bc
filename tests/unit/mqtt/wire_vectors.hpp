// Whole packets as bytes, written out field by field, for every test of the codec.
#pragma once

#include <string_view>
#include <vector>

#include "common/mqtt/decode.hpp"
#include "common/mqtt/encode.hpp"

namespace sallyport::mqtt::vectors {

/// Bytes from hexadecimal digits; spaces only separate.
inline base::Bytes hex(std::string_view digits) {
    const auto value = [](char c) { return c <= '9' ? c - '0' : c - 'A' + 10; };
    base::Bytes bytes;
    int pending = -1;
    for (const char c : digits) {
        if (c == ' ') continue;
        if (pending < 0) {
            pending = value(c);
            continue;
        }
        bytes.push_back(static_cast<std::uint8_t>(pending * 16 + value(c)));
        pending = -1;
    }
    return bytes;
}

struct WireVector {
    std::string_view name;
    Version version;
    std::string_view digits;
};

/// Valid packets, each in the one form that the encoder gives it.
inline const std::vector<WireVector>& valid_packets() {
    using enum Version;
    static const std::vector<WireVector> packets{
        {"CONNECT", v3_1_1, "10 0D 0004 4D515454 04 02 003C 0001 61"},
        {"CONNECT with everything", v3_1_1,
         "10 1D 0004 4D515454 04 EE 003C 0001 61 0003 772F74 0002 FF00 0001 75 0002 7000"},
        {"CONNACK", v3_1_1, "20 02 01 00"},
        {"CONNACK refused", v3_1_1, "20 02 00 05"},
        {"PUBLISH QoS 0", v3_1_1, "30 06 0003 612F62 78"},
        {"PUBLISH QoS 1 dup retain", v3_1_1, "3B 08 0003 612F62 0007 78"},
        {"PUBLISH QoS 2 empty", v3_1_1, "34 07 0003 612F62 FFFF"},
        {"PUBACK", v3_1_1, "40 02 0007"},
        {"PUBREC", v3_1_1, "50 02 0007"},
        {"PUBREL", v3_1_1, "62 02 0007"},
        {"PUBCOMP", v3_1_1, "70 02 0007"},
        {"SUBSCRIBE", v3_1_1, "82 0C 0001 0001 23 00 0003 2B2F62 02"},
        {"SUBACK", v3_1_1, "90 06 0001 00 01 02 80"},
        {"UNSUBSCRIBE", v3_1_1, "A2 0A 0001 0001 23 0003 2B2F62"},
        {"UNSUBACK", v3_1_1, "B0 02 0001"},
        {"PINGREQ", v3_1_1, "C0 00"},
        {"PINGRESP", v3_1_1, "D0 00"},
        {"DISCONNECT", v3_1_1, "E0 00"},
        {"CONNECT", v5, "10 0E 0004 4D515454 05 02 003C 00 0001 61"},
        {"CONNECT with everything", v5,
         "10 59 0004 4D515454 05 F4 003C"
         "23 11 00000E10 15 0001 6D 16 0001 FF 17 00 19 01 21 000A 22 0005"
         "   26 0001 6B 0001 76 27 00010000"
         "0000"
         "1D 01 01 02 0000003C 03 0001 74 08 0001 72 09 0001 00 18 00000005 26 0000 0000"
         "0001 77 0000 0001 75 0001 70"},
        {"CONNECT password alone", v5, "10 11 0004 4D515454 05 42 0000 00 0001 61 0001 70"},
        {"CONNACK", v5, "20 03 00 00 00"},
        {"CONNACK refused", v5, "20 03 00 87 00"},
        {"CONNACK with everything", v5,
         "20 3E 01 00"
         "3B 11 00000001 12 0001 63 13 003C 15 0001 6D 16 0000 1A 0001 69 1C 0001 73 1F 0001 72"
         "   21 0001 22 0000 24 01 25 00 26 0001 6B 0001 76 27 00000001 28 01 29 01 2A 01"},
        {"PUBLISH QoS 0", v5, "30 07 0003 612F62 00 78"},
        {"PUBLISH QoS 2 with everything", v5,
         "35 34 0003 612F62 0007"
         "2B 01 01 02 00000001 03 0001 74 08 0001 72 09 0001 FF 0B 01 0B FFFFFF7F 23 0001"
         "   26 0001 6B 0001 76 26 0001 6B 0001 76"
         "78"},
        {"PUBLISH by alias", v5, "30 07 0000 03 23 0005 78"},
        {"PUBACK short", v5, "40 02 0007"},
        {"PUBACK reason", v5, "40 03 0007 10"},
        {"PUBACK reason and properties", v5, "40 08 0007 87 04 1F 0001 72"},
        {"PUBACK success and properties", v5, "40 08 0007 00 04 1F 0001 72"},
        {"PUBREC short", v5, "50 02 0007"},
        {"PUBREC reason", v5, "50 03 0007 91"},
        {"PUBREL short", v5, "62 02 0007"},
        {"PUBREL reason", v5, "62 03 0007 92"},
        {"PUBCOMP short", v5, "70 02 0007"},
        {"PUBCOMP reason", v5, "70 03 0007 92"},
        {"SUBSCRIBE", v5, "82 16 0001 02 0B 01 0001 23 2E 000A 2473686172652F672F61 01"},
        {"SUBACK", v5, "90 06 0001 00 00 02 87"},
        {"SUBACK with properties", v5, "90 08 0001 04 1F 0001 72 01"},
        {"UNSUBSCRIBE", v5, "A2 0D 0001 07 26 0001 6B 0001 76 0001 23"},
        {"UNSUBACK", v5, "B0 05 0001 00 00 11"},
        {"PINGREQ", v5, "C0 00"},
        {"PINGRESP", v5, "D0 00"},
        {"DISCONNECT short", v5, "E0 00"},
        {"DISCONNECT reason", v5, "E0 01 04"},
        {"DISCONNECT success and properties", v5, "E0 07 00 05 11 00000000"},
        {"DISCONNECT reason and properties", v5, "E0 0A 9D 08 1C 0001 73 1F 0001 72"},
        {"AUTH short", v5, "F0 00"},
        {"AUTH", v5, "F0 0A 18 08 15 0001 6D 16 0001 FF"},
    };
    return packets;
}

struct EncodePacket {
    base::Bytes& out;
    Version version;

    void operator()(const Connect& packet) const { encode(out, packet); }
    void operator()(const Pingreq& packet) const { encode(out, packet); }
    void operator()(const Pingresp& packet) const { encode(out, packet); }
    void operator()(const Auth& packet) const { encode(out, packet); }
    void operator()(const auto& packet) const { encode(out, packet, version); }
};

inline base::Bytes encoded(const Packet& packet, Version version) {
    base::Bytes out;
    std::visit(EncodePacket{out, version}, packet);
    return out;
}

}  // namespace sallyport::mqtt::vectors
