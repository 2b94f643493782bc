// Reads the field types of section 1.5 from one packet. The first failure sticks: every later read
// gives zero or nothing, so that a decoder reads like the standard's table and asks once, at the
// end.
#pragma once

#include <optional>

#include "common/mqtt/packet.hpp"
#include "common/mqtt/utf8.hpp"

namespace sallyport::mqtt {

class WireReader {
public:
    explicit WireReader(base::ByteView bytes) : rest_(bytes) {}

    std::uint8_t read_u8() {
        const base::ByteView bytes = take(1);
        return bytes.empty() ? std::uint8_t{0} : bytes[0];
    }

    std::uint16_t read_u16() {
        const base::ByteView bytes = take(2);
        if (bytes.empty()) return 0;
        return static_cast<std::uint16_t>(bytes[0] << 8U | bytes[1]);
    }

    std::uint32_t read_u32() {
        const base::ByteView bytes = take(4);
        if (bytes.empty()) return 0;
        return std::uint32_t{bytes[0]} << 24U | std::uint32_t{bytes[1]} << 16U |
               std::uint32_t{bytes[2]} << 8U | std::uint32_t{bytes[3]};
    }

    /// Variable Byte Integer in its shortest form, as MQTT-1.5.5-1 demands.
    std::uint32_t read_varint() {
        std::uint32_t value = 0;
        for (std::uint32_t shift = 0; shift <= 21; shift += 7) {
            const std::uint8_t byte = read_u8();
            value |= (byte & 0x7FU) << shift;
            if ((byte & 0x80U) != 0) continue;
            if (byte == 0 && shift != 0) fail(ReasonCode::malformed_packet);
            return failed() ? 0 : value;
        }
        fail(ReasonCode::malformed_packet);
        return 0;
    }

    /// Two Byte Integer length, then that many bytes.
    base::ByteView read_binary() { return take(read_u16()); }

    /// UTF-8 Encoded String.
    std::string_view read_text() {
        const std::string_view text = base::as_text(read_binary());
        if (is_valid_utf8(text)) return text;
        fail(ReasonCode::malformed_packet);
        return {};
    }

    base::ByteView take(std::size_t count) {
        if (count > rest_.size()) {
            fail(ReasonCode::malformed_packet);
            return {};
        }
        const base::ByteView taken = rest_.first(count);
        rest_ = rest_.subspan(count);
        return taken;
    }

    base::ByteView take_rest() { return take(rest_.size()); }

    /// Refuses the packet for `reason` unless it is refused already.
    void fail(ReasonCode reason) {
        if (!error_) error_ = reason;
        rest_ = {};
    }

    bool empty() const { return rest_.empty(); }
    std::size_t size() const { return rest_.size(); }
    bool failed() const { return error_.has_value(); }
    std::optional<ReasonCode> error() const { return error_; }

private:
    base::ByteView rest_;
    std::optional<ReasonCode> error_;
};

}  // namespace sallyport::mqtt
