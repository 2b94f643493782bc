#include "common/mqtt/encoded_publish.hpp"

#include "common/mqtt/encode.hpp"

namespace sallyport::mqtt {
namespace {

/// A form that held a larger message than this gives its memory back.
constexpr std::size_t kKeptBytes = 64U << 10U;

/// Behind the fixed header and the topic (3.3.2).
std::size_t packet_id_offset(base::ByteView packet, std::size_t topic_bytes) {
    std::size_t offset = 1;
    while ((packet[offset] & 0x80U) != 0) ++offset;
    return offset + 1 + 2 + topic_bytes;
}

}  // namespace

void EncodedPublish::reset(const Publish& message) {
    message_ = message;
    for (auto& form : forms_) {
        form.clear();
        if (form.capacity() > kKeptBytes) form = base::Bytes{};
    }
}

void EncodedPublish::append_to(base::Bytes& out, Version version, Qos qos, bool retain,
                               std::uint16_t packet_id) {
    const auto& encoded = form(version, qos, retain);
    const std::size_t start = out.size();
    base::append(out, encoded);
    if (qos == Qos::at_most_once) return;
    const std::size_t at = start + packet_id_offset(encoded, message_.topic.size());
    out[at] = static_cast<std::uint8_t>(packet_id >> 8U);
    out[at + 1] = static_cast<std::uint8_t>(packet_id & 0xFFU);
}

const base::Bytes& EncodedPublish::form(Version version, Qos qos, bool retain) {
    const std::size_t index = (version == Version::v5 ? 6U : 0U) +
                              static_cast<std::size_t>(qos) * 2U + (retain ? 1U : 0U);
    auto& encoded = forms_[index];
    if (!encoded.empty()) return encoded;
    Publish packet = message_;
    packet.qos = qos;
    packet.retain = retain;
    packet.dup = false;
    packet.packet_id = qos == Qos::at_most_once ? 0 : 1;  // a placeholder that is valid
    encode(encoded, packet, version);
    return encoded;
}

}  // namespace sallyport::mqtt
