#include "it-agent/emit/mirror.hpp"

#include <algorithm>

#include <gtest/gtest.h>

#include "common/mqtt/decode.hpp"
#include "common/mqtt/encode.hpp"

namespace sallyport::emit {
namespace {

using mqtt::PropertyId;
using record::Quality;
using Lines = std::vector<std::string>;

const Origin kOrigin{"acme/line3", epoch_text(0xABCDEF)};

void add_user(base::Bytes& block, std::string_view name, std::string_view value) {
    mqtt::append_property(block, {PropertyId::user_property, 0, name, value});
}
/// "name=value" of user properties, "#id" of others, in order.
Lines lines_of(base::ByteView block) {
    Lines lines;
    mqtt::PropertyReader reader(block);
    while (const auto property = reader.next())
        lines.push_back(property->id == PropertyId::user_property
                            ? std::string(property->text) + "=" + std::string(property->value)
                            : "#" + std::to_string(static_cast<int>(property->id)));
    return lines;
}
record::Record a_record(base::ByteView properties = {}) {
    record::Record record;
    record.seq = 42;
    record.source_time = {1'700'000'000'000'000'001};
    record.properties = properties;
    return record;
}

TEST(MirrorProperties, SayWhatIsKnownOfTheValue) {
    base::Bytes block{1, 2, 3};  // what stood there is gone
    mirror_properties(block, a_record(), kOrigin, Quality::good, false);
    EXPECT_EQ(lines_of(block), (Lines{"quality=Good", "quality-code=192",
                                      "source-time=2023-11-14T22:13:20.000000001Z",
                                      "edge=acme/line3", "epoch=0000000000abcdef", "seq=42"}));
}

TEST(MirrorProperties, SayThatARecordIsHistorical) {
    base::Bytes block;
    mirror_properties(block, a_record(), kOrigin, Quality::uncertain_last_usable, true);
    const auto lines = lines_of(block);
    EXPECT_EQ(lines.front(), "quality=Uncertain.LastUsable");
    EXPECT_EQ(lines.back(), "historical=true");
}

TEST(MirrorProperties, KeepTheDevicesOwnInOrderAndInFront) {
    base::Bytes device;
    mqtt::append_property(device, {PropertyId::payload_format_indicator, 1, {}, {}});
    add_user(device, "unit", "°C");
    mqtt::append_property(device, {PropertyId::content_type, 0, "text/plain", {}});
    add_user(device, "unit", "K");
    base::Bytes block;
    mirror_properties(block, a_record(device), kOrigin, Quality::good, false);
    const auto lines = lines_of(block);
    ASSERT_EQ(lines.size(), 10U);
    EXPECT_EQ(Lines(lines.begin(), lines.begin() + 5),
              (Lines{"#1", "unit=°C", "#3", "unit=K", "quality=Good"}));
}

TEST(MirrorProperties, LeaveOutADevicesPropertiesOfOurNames) {
    base::Bytes device;
    for (const auto* name :
         {"quality", "quality-code", "source-time", "edge", "epoch", "seq", "historical"})
        add_user(device, name, "forged");
    add_user(device, "Quality", "the device's");
    base::Bytes block;
    mirror_properties(block, a_record(device), kOrigin, Quality::bad_not_connected, false);
    const auto lines = lines_of(block);
    ASSERT_EQ(lines.size(), 7U);
    EXPECT_EQ(lines[0], "Quality=the device's");
    EXPECT_EQ(lines[1], "quality=Bad.NotConnected");
    for (const auto& line : lines) EXPECT_EQ(line.find("forged"), std::string::npos) << line;
}

TEST(WithQuality, ReplacesQualityAndNothingElse) {
    base::Bytes device, block;
    add_user(device, "unit", "K");
    mirror_properties(block, a_record(device), kOrigin, Quality::good, true);
    const auto stale = with_quality(block, Quality::bad_last_known);
    auto before = lines_of(block);
    auto after = lines_of(stale);
    EXPECT_NE(std::ranges::find(after, "quality=Bad.LastKnown"), after.end());
    EXPECT_NE(std::ranges::find(after, "quality-code=20"), after.end());
    const auto is_quality = [](const auto& line) { return line.starts_with("quality"); };
    EXPECT_EQ(std::ranges::count_if(after, is_quality), 2);
    std::erase_if(before, is_quality);
    std::erase_if(after, is_quality);
    EXPECT_EQ(before, after);
}

TEST(WithQuality, GivesQualityToABlockThatHasNone) {
    EXPECT_EQ(lines_of(with_quality({}, Quality::good)),
              (Lines{"quality=Good", "quality-code=192"}));
}

TEST(ExpandPrefix, FillsInPlantAndEdge) {
    EXPECT_EQ(expand_prefix("", "acme", "line3"), "");
    EXPECT_EQ(expand_prefix("ot/", "acme", "line3"), "ot/");
    EXPECT_EQ(expand_prefix("{plant}/{edge}/", "acme", "line3"), "acme/line3/");
    EXPECT_EQ(expand_prefix("{edge}-{edge}/{other}", "acme", "line3"), "line3-line3/{other}");
}

}  // namespace
}  // namespace sallyport::emit
