#include "it-agent/emit/vqt.hpp"

#include <gtest/gtest.h>

#include "common/mqtt/decode.hpp"
#include "common/mqtt/encode.hpp"
#include "it-agent/emit/mirror.hpp"

namespace sallyport::emit {
namespace {

using namespace std::string_view_literals;
using record::Quality;

std::string json_value(std::string_view payload, std::string_view place = "") {
    std::string out;
    append_json_value(out, base::as_bytes(payload), record::JsonPointer::parse(place).value());
    EXPECT_TRUE(record::is_json(out)) << out;
    return out;
}

TEST(Vqt, WhatIsJsonStandsAsItIs) {
    for (const auto* payload :
         {"21.50", "\"open\"", "true", "null", "{\"a\": [1]}", "1e5", "12345678901234567890"})
        EXPECT_EQ(json_value(payload), payload);
}

TEST(Vqt, TakesTheValueFromItsPlace) {
    EXPECT_EQ(json_value(R"({"value": 1.10, "quality": "Good"})", "/value"), "1.10");
    EXPECT_EQ(json_value(R"({"d":[{"v":"x"}]})", "/d/0/v"), R"("x")");
    EXPECT_EQ(json_value(R"({"v":1})", "/value"), R"({"v":1})") << "it has no such place";
    EXPECT_EQ(json_value(R"({"value":1,"value":2})", "/value"), R"({"value":1,"value":2})");
    EXPECT_EQ(json_value("21.5", "/value"), "21.5");
}

TEST(Vqt, OtherTextIsAString) {
    EXPECT_EQ(json_value("open"), R"("open")");
    EXPECT_EQ(json_value(""), R"("")");
    EXPECT_EQ(json_value("say \"hi\"\n"), "\"say \\\"hi\\\"\\u000a\"");
    EXPECT_EQ(json_value("{broken"), R"("{broken")");
    EXPECT_EQ(json_value("NaN"), R"("NaN")");
}

TEST(Vqt, OtherBytesAreBase64) {
    EXPECT_EQ(json_value("\xff"), R"({"base64":"/w=="})");
    EXPECT_EQ(json_value("\xff\xfe"), R"({"base64":"//4="})");
    EXPECT_EQ(json_value("\xff\xfe\xfd"), R"({"base64":"//79"})");
    EXPECT_EQ(json_value("a\0b"sv), R"({"base64":"YQBi"})");
}

class VqtMessageTest : public testing::Test {
protected:
    static base::Bytes block(base::ByteView device, bool historical) {
        record::Record record;
        record.seq = 17;
        record.source_time = {1'700'000'000'000'000'006};
        record.properties = device;
        base::Bytes made;
        mirror_properties(made, record, {"acme/line3", epoch_text(1)}, Quality::good, historical);
        return made;
    }
    static std::vector<std::string> properties(const VqtMessage& message) {
        std::vector<std::string> lines;
        mqtt::PropertyReader reader(message.properties);
        while (const auto each = reader.next())
            lines.push_back(std::to_string(static_cast<int>(each->id)) + " " +
                            std::string(each->text) + " " + std::string(each->value));
        return lines;
    }
};

TEST_F(VqtMessageTest, SaysValueQualityTimeAndOrigin) {
    VqtMessage message;
    vqt_message(message, "21.5", block({}, false), Quality::bad_last_known);
    EXPECT_EQ(message.payload,
              R"({"value":21.5,"quality":"Bad.LastKnown","code":20,)"
              R"("timestamp":"2023-11-14T22:13:20.000000006Z","edge":"acme/line3","seq":17})");
    vqt_message(message, "1", block({}, true), Quality::good);
    EXPECT_TRUE(message.payload.ends_with(R"("seq":17,"historical":true})"));
    EXPECT_TRUE(record::is_json(message.payload));
}

TEST_F(VqtMessageTest, KeepsTheDevicesPropertiesButForTheForm) {
    base::Bytes device;
    mqtt::append_property(device, {mqtt::PropertyId::content_type, 0, "text/plain", {}});
    mqtt::append_property(device, {mqtt::PropertyId::payload_format_indicator, 1, {}, {}});
    mqtt::append_property(device, {mqtt::PropertyId::user_property, 0, "unit", "K"});
    mqtt::append_property(device, {mqtt::PropertyId::user_property, 0, "quality", "forged"});
    VqtMessage message;
    vqt_message(message, "1", block(device, false), Quality::good);
    EXPECT_EQ(properties(message), (std::vector<std::string>{"3 application/json ", "38 unit K",
                                                             "38 epoch 0000000000000001"}));
}

}  // namespace
}  // namespace sallyport::emit
