// Format `vqt`: value, quality and time as one JSON object, for applications that do not read MQTT
// 5 user properties:
//
//   {"value":21.5,"quality":"Good","code":192,"timestamp":"2026-01-02T03:04:05.000000006Z",
//    "edge":"acme/line3","seq":17}          and "historical":true on what was sent late
#pragma once

#include "common/base/bytes.hpp"
#include "common/record/json_text.hpp"
#include "common/record/quality.hpp"

namespace sallyport::emit {

/// Appends a payload as a JSON value: of a payload that is JSON, the value at `place` as it stands
/// there, or all of it where there is none; another text as a string; other bytes as
/// {"base64":"…"}.
void append_json_value(std::string& out, base::ByteView payload, const record::JsonPointer& place);

/// What is published for a value. `block` is its property block in format `mirror`, which says the
/// rest of what is known of it.
struct VqtMessage {
    std::string payload;
    base::Bytes properties;  // the device's own, Content Type application/json, and the epoch
};
/// Fills `message` (cleared first). `value` is a JSON value.
void vqt_message(VqtMessage& message, std::string_view value, base::ByteView block,
                 record::Quality quality);

}  // namespace sallyport::emit
