// The 16-bit OPC Classic quality, QQSSSSLL in the low byte (OPC DA 3.00 specification,
// section 6.8).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace sallyport::record {

enum class Quality : std::uint16_t {
    bad = 0,
    bad_configuration_error = 4,
    bad_not_connected = 8,
    bad_device_failure = 12,
    bad_sensor_failure = 16,
    bad_last_known = 20,
    bad_comm_failure = 24,
    bad_out_of_service = 28,
    bad_waiting_for_initial_data = 32,
    uncertain = 64,
    uncertain_last_usable = 68,
    good = 192,
    good_local_override = 216,
};

/// The canonical name, e.g. "Bad.LastKnown"; for an unlisted code the name of its two quality bits.
std::string_view to_string(Quality quality);
constexpr std::uint16_t code(Quality quality) {
    return static_cast<std::uint16_t>(quality);
}
constexpr bool is_good(Quality quality) {
    return (code(quality) & 0xC0) == 0xC0;
}

/// So is the reserved quality, 10 in its two bits.
constexpr bool is_bad(Quality quality) {
    return (code(quality) & 0x40) == 0;
}

/// OPC UA status code (OPC 10000-8, annex A.3.2.3) that stands for it. Lossy: the limit bits, which
/// that annex maps to the code's info bits, and the vendor byte are left out.
std::uint32_t to_opcua_status(Quality quality);
/// Sparkplug's quality values 0, 192, 500 (Sparkplug 3.0, 6.4.7). Lossy: every uncertain or stale
/// quality becomes 500, every other bad one 0.
std::uint32_t to_sparkplug_quality(Quality quality);

/// The quality of that name in any spelling: "Bad.SensorFailure", "GOOD", "bad_sensor_failure", or
/// OPC UA's symbol, "BadSensorFailure"; "Stale" is Uncertain.LastUsable.
std::optional<Quality> quality_from_name(std::string_view name);
/// What a number says: up to 65,535 an OPC Classic code (so 0 is Bad), but for Sparkplug's 500,
/// which is stale; beyond, or negative, a 32-bit OPC UA status code.
std::optional<Quality> quality_from_number(std::int64_t number);

}  // namespace sallyport::record
