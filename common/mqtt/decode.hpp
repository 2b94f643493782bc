// Bytes -> packets. Two steps, so that nothing is buffered or allocated on the word of a length
// field: `frame_length` looks at a fixed header only; `decode` takes exactly one whole packet.
#pragma once

#include <cstddef>
#include <optional>

#include "common/base/result.hpp"
#include "common/mqtt/packet.hpp"

namespace sallyport::mqtt {

/// Length of the packet that `input` starts with, fixed header included; nothing while the fixed
/// header is not complete. malformed_packet: a type of 0 or a Remaining Length over four bytes
/// (2.1.4). packet_too_large: over `packet_bytes_max`, known before the packet is received.
base::Result<std::optional<std::size_t>, ReasonCode> frame_length(base::ByteView input,
                                                                  std::size_t packet_bytes_max);

/// Decodes one whole packet. `version` is what CONNECT agreed on and is ignored for CONNECT itself.
/// Checks everything that can be seen in the packet alone: flags, UTF-8 (1.5.4: no U+0000, no
/// surrogates), property kinds and repeats (2.2.2.2), QoS 3, packet identifier 0, wildcards in a
/// topic name, empty filter lists, payload format. The error is the reason code to answer with:
/// malformed_packet, protocol_error, unsupported_protocol_version, topic_name_invalid,
/// topic_filter_invalid …
base::Result<Packet, ReasonCode> decode(base::ByteView packet, Version version);

/// Walks a raw property block that decode() has accepted.
class PropertyReader {
public:
    explicit PropertyReader(base::ByteView block) : rest_(block) {}
    std::optional<Property> next();

private:
    base::ByteView rest_;
};

/// The first property of that kind in an accepted block.
std::optional<Property> find_property(base::ByteView block, PropertyId id);

}  // namespace sallyport::mqtt
