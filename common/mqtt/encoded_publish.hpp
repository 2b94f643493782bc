// One message on its way to many subscribers: each form of it (version, QoS, retain flag) is
// encoded once, into memory that is used again for the next message; the packet identifier is set
// in each copy.
#pragma once

#include <array>
#include <cstddef>

#include "common/mqtt/packet.hpp"

namespace sallyport::mqtt {

class EncodedPublish {
public:
    /// Begins with another message, borrowed until the next reset.
    void reset(const Publish& message);
    std::size_t size(Version version, Qos qos, bool retain) {
        return form(version, qos, retain).size();
    }
    /// `packet_id` is 0 for QoS 0.
    void append_to(base::Bytes& out, Version version, Qos qos, bool retain,
                   std::uint16_t packet_id);

private:
    const base::Bytes& form(Version version, Qos qos, bool retain);

    Publish message_;
    std::array<base::Bytes, 12> forms_;
};

}  // namespace sallyport::mqtt
