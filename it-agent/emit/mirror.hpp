// Format `mirror`: the same topic, bytes, QoS and retain flag as on the OT side, with what
// Sallyport knows of the value as MQTT 5 user properties: quality, quality-code, source-time, edge,
// epoch, seq, historical.
#pragma once

#include <string>
#include <string_view>

#include "common/base/bytes.hpp"
#include "common/record/record.hpp"

namespace sallyport::emit {

/// Where a record came from, ready to be written into properties.
struct Origin {
    std::string edge;   // "<plant>/<name>"
    std::string epoch;  // 16 hex digits
};
std::string epoch_text(record::Epoch epoch);

/// Appends the property block of an emitted record to `block` (cleared first): the device's own
/// properties, without user properties of our names, then ours. `quality` is what the far side is
/// to be told. Its Message Expiry Interval is left out: what is left of that is another at each
/// moment (Value::expires_at).
void mirror_properties(base::Bytes& block, const record::Record& record, const Origin& origin,
                       record::Quality quality, bool historical);

/// Whether a user property of this name is ours.
bool is_own_name(std::string_view name);

/// Whether the block is an emitted record's: it has user properties of where it came from.
bool is_emitted(base::ByteView block);

/// The same block with another quality: for the retained copy of a value that has become stale.
base::Bytes with_quality(base::ByteView block, record::Quality quality);

/// The prefix of an [[edge]] with {plant} and {edge} filled in.
std::string expand_prefix(std::string_view prefix, std::string_view plant, std::string_view edge);

}  // namespace sallyport::emit
