#include "it-agent/emit/vqt.hpp"

#include <iterator>

#include <fmt/format.h>

#include "common/base/base64.hpp"
#include "common/mqtt/decode.hpp"
#include "common/mqtt/encode.hpp"
#include "common/mqtt/utf8.hpp"
#include "it-agent/emit/mirror.hpp"

namespace sallyport::emit {
namespace {

using mqtt::PropertyId;

/// What the payload is in now, not what the device's was.
bool is_replaced(const mqtt::Property& property) {
    return property.id == PropertyId::content_type ||
           property.id == PropertyId::payload_format_indicator;
}

}  // namespace

void append_json_value(std::string& out, base::ByteView payload, const record::JsonPointer& place) {
    const auto text = base::as_text(payload);
    if (record::is_json(text)) {
        record::JsonFound found;
        record::find_in_json(text, {&place, 1}, {&found, 1});
        out += found.text.empty() || found.is_ambiguous ? text : found.text;
    } else if (mqtt::is_valid_utf8(text)) {
        record::append_json_string(out, text);
    } else {
        out += R"({"base64":")";
        base::append_base64(out, payload);
        out += "\"}";
    }
}

void vqt_message(VqtMessage& message, std::string_view value, base::ByteView block,
                 record::Quality quality) {
    message.payload.clear();
    message.properties.clear();
    std::string_view source_time, edge, seq;
    bool historical = false;
    mqtt::append_property(message.properties,
                          {PropertyId::content_type, 0, "application/json", {}});
    mqtt::PropertyReader reader(block);
    while (const auto property = reader.next()) {
        if (is_replaced(*property)) continue;
        const auto name = property->id == PropertyId::user_property ? property->text : "";
        if (name == "source-time")
            source_time = property->value;
        else if (name == "edge")
            edge = property->value;
        else if (name == "seq")
            seq = property->value;
        else if (name == "historical")
            historical = true;
        else if (name == "epoch" || !is_own_name(name))
            mqtt::append_property(message.properties, *property);
    }
    fmt::format_to(
        std::back_inserter(message.payload),
        R"({{"value":{},"quality":"{}","code":{},"timestamp":"{}","edge":"{}","seq":{}{}}})", value,
        to_string(quality), record::code(quality), source_time, edge, seq.empty() ? "null" : seq,
        historical ? R"(,"historical":true)" : "");
}

}  // namespace sallyport::emit
