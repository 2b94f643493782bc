#include "it-agent/emit/mirror.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "common/mqtt/decode.hpp"
#include "common/mqtt/encode.hpp"

namespace sallyport::emit {
namespace {

constexpr std::array<std::string_view, 7> kOwnNames{
    "quality", "quality-code", "source-time", "edge", "epoch", "seq", "historical"};

void append_user_property(base::Bytes& block, std::string_view name, std::string_view value) {
    mqtt::Property property;
    property.id = mqtt::PropertyId::user_property;
    property.text = name;
    property.value = value;
    mqtt::append_property(block, property);
}

void append_quality(base::Bytes& block, record::Quality quality) {
    append_user_property(block, "quality", to_string(quality));
    fmt::format_int code(record::code(quality));
    append_user_property(block, "quality-code", {code.data(), code.size()});
}

bool is_user_property(const mqtt::Property& property) {
    return property.id == mqtt::PropertyId::user_property;
}

}  // namespace

bool is_own_name(std::string_view name) {
    return std::ranges::find(kOwnNames, name) != kOwnNames.end();
}

std::string epoch_text(record::Epoch epoch) {
    return fmt::format("{:016x}", epoch);
}

void mirror_properties(base::Bytes& block, const record::Record& record, const Origin& origin,
                       record::Quality quality, bool historical) {
    block.clear();
    mqtt::PropertyReader reader(record.properties);
    while (const auto property = reader.next()) {
        const bool ours = is_user_property(*property) && is_own_name(property->text);
        const bool is_expiry = property->id == mqtt::PropertyId::message_expiry_interval;
        if (!ours && !is_expiry) mqtt::append_property(block, *property);
    }
    append_quality(block, quality);
    append_user_property(block, "source-time", base::to_rfc3339(record.source_time));
    append_user_property(block, "edge", origin.edge);
    append_user_property(block, "epoch", origin.epoch);
    fmt::format_int seq(record.seq);
    append_user_property(block, "seq", {seq.data(), seq.size()});
    if (historical) append_user_property(block, "historical", "true");
}

bool is_emitted(base::ByteView block) {
    bool edge = false, epoch = false, seq = false;
    mqtt::PropertyReader reader(block);
    while (const auto property = reader.next()) {
        if (!is_user_property(*property)) continue;
        edge = edge || property->text == "edge";
        epoch = epoch || property->text == "epoch";
        seq = seq || property->text == "seq";
    }
    return edge && epoch && seq;
}

base::Bytes with_quality(base::ByteView block, record::Quality quality) {
    base::Bytes changed;
    mqtt::PropertyReader reader(block);
    while (const auto property = reader.next()) {
        const bool replaced = is_user_property(*property) &&
                              (property->text == "quality" || property->text == "quality-code");
        if (!replaced) mqtt::append_property(changed, *property);
    }
    append_quality(changed, quality);
    return changed;
}

std::string expand_prefix(std::string_view prefix, std::string_view plant, std::string_view edge) {
    std::string expanded(prefix);
    const auto fill = [&expanded](std::string_view mark, std::string_view with) {
        for (auto at = expanded.find(mark); at != std::string::npos;
             at = expanded.find(mark, at + with.size()))
            expanded.replace(at, mark.size(), with);
    };
    fill("{plant}", plant);
    fill("{edge}", edge);
    return expanded;
}

}  // namespace sallyport::emit
