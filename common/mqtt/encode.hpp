// Packets -> bytes, appended to `out`. The caller keeps within the wire limits (asserted).
// In 3.1.1 properties and reason codes are left out, CONNACK and SUBACK codes mapped to that
// version's.
#pragma once

#include "common/mqtt/packet.hpp"

namespace sallyport::mqtt {

void encode(base::Bytes& out, const Connect& packet);
void encode(base::Bytes& out, const Connack& packet, Version version);
void encode(base::Bytes& out, const Publish& packet, Version version);
void encode(base::Bytes& out, const Acknowledgement& packet, Version version);
void encode(base::Bytes& out, const Subscribe& packet, Version version);
void encode(base::Bytes& out, const Suback& packet, Version version);
void encode(base::Bytes& out, const Unsubscribe& packet, Version version);
void encode(base::Bytes& out, const Unsuback& packet, Version version);
void encode(base::Bytes& out, const Pingreq& packet);
void encode(base::Bytes& out, const Pingresp& packet);
void encode(base::Bytes& out, const Disconnect& packet, Version version);
void encode(base::Bytes& out, const Auth& packet);

/// Size of the packet that encode(Publish) would append.
std::size_t encoded_size(const Publish& packet, Version version);

/// Appends one property to a raw block.
void append_property(base::Bytes& block, const Property& property);

}  // namespace sallyport::mqtt
