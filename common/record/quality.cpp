#include "common/record/quality.hpp"

#include <array>

namespace sallyport::record {
namespace {

struct Row {
    Quality quality;
    std::string_view name;
    std::uint32_t opcua_status;
    std::uint32_t sparkplug;
};

// OPC UA codes: OPC 10000-6, annex A.2. GoodLocalOverride 0x00960000, UncertainLastUsableValue
// 0x40900000, and so on.
constexpr std::array<Row, 13> kTable{{
    {Quality::bad, "Bad", 0x80000000, 0},
    {Quality::bad_configuration_error, "Bad.ConfigurationError", 0x80890000, 0},
    {Quality::bad_not_connected, "Bad.NotConnected", 0x808A0000, 0},
    {Quality::bad_device_failure, "Bad.DeviceFailure", 0x808B0000, 0},
    {Quality::bad_sensor_failure, "Bad.SensorFailure", 0x808C0000, 0},
    {Quality::bad_last_known, "Bad.LastKnown", 0x808D0000, 500},
    {Quality::bad_comm_failure, "Bad.CommFailure", 0x80310000, 0},
    {Quality::bad_out_of_service, "Bad.OutOfService", 0x808D0000, 0},
    {Quality::bad_waiting_for_initial_data, "Bad.WaitingForInitialData", 0x80320000, 0},
    {Quality::uncertain, "Uncertain", 0x40000000, 500},
    {Quality::uncertain_last_usable, "Uncertain.LastUsable", 0x40900000, 500},
    {Quality::good, "Good", 0x00000000, 192},
    {Quality::good_local_override, "Good.LocalOverride", 0x00960000, 192},
}};

/// The row of a quality; of an unlisted one, the row of its two quality bits alone.
const Row& row_of(Quality quality) {
    for (const auto& row : kTable)
        if (row.quality == quality) return row;
    const auto bits = static_cast<Quality>(code(quality) & 0xC0);
    for (const auto& row : kTable)
        if (row.quality == bits) return row;
    return kTable[0];
}

}  // namespace

std::string_view to_string(Quality quality) {
    return row_of(quality).name;
}
std::uint32_t to_opcua_status(Quality quality) {
    return row_of(quality).opcua_status;
}
std::uint32_t to_sparkplug_quality(Quality quality) {
    return row_of(quality).sparkplug;
}

}  // namespace sallyport::record
