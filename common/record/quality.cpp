#include "common/record/quality.hpp"

#include <algorithm>
#include <array>
#include <limits>

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

// OPC UA's symbols that are not simply the names above without their dots (OPC 10000-6, annex A.2),
// and Sparkplug's word.
struct Alias {
    std::string_view name;
    Quality quality;
};
constexpr std::array<Alias, 4> kAliases{{
    {"UncertainLastUsableValue", Quality::uncertain_last_usable},
    {"BadCommunicationError", Quality::bad_comm_failure},
    {"BadNoCommunication", Quality::bad_comm_failure},
    {"Stale", Quality::uncertain_last_usable},
}};

constexpr std::int64_t kSparkplugStale = 500;

constexpr char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// The same letters, whatever their case and the separators between them.
bool is_same_name(std::string_view a, std::string_view b) {
    constexpr std::string_view kSeparators = "._- ";
    for (;;) {
        a.remove_prefix(std::min(a.find_first_not_of(kSeparators), a.size()));
        b.remove_prefix(std::min(b.find_first_not_of(kSeparators), b.size()));
        if (a.empty() || b.empty()) return a.empty() && b.empty();
        if (lower(a[0]) != lower(b[0])) return false;
        a.remove_prefix(1);
        b.remove_prefix(1);
    }
}

/// What a status code stands for: its own row where there is one, else its severity.
Quality from_opcua_status(std::uint32_t status) {
    constexpr std::uint32_t kCode = 0xFFFF'0000;  // the rest are info bits
    if ((status & kCode) == to_opcua_status(Quality::bad_out_of_service))
        return Quality::bad_out_of_service;  // Bad.LastKnown shares it
    for (const auto& row : kTable)
        if (row.opcua_status == (status & kCode)) return row.quality;
    switch (status >> 30U) {
        case 0: return Quality::good;
        case 1: return Quality::uncertain;
        default: return Quality::bad;
    }
}

}  // namespace

std::optional<Quality> quality_from_name(std::string_view name) {
    for (const auto& row : kTable)
        if (is_same_name(row.name, name)) return row.quality;
    for (const auto& alias : kAliases)
        if (is_same_name(alias.name, name)) return alias.quality;
    return std::nullopt;
}

std::optional<Quality> quality_from_number(std::int64_t number) {
    constexpr std::int64_t kClassicMax = std::numeric_limits<std::uint16_t>::max();
    if (number == kSparkplugStale) return Quality::uncertain_last_usable;
    if (number >= 0 && number <= kClassicMax) return static_cast<Quality>(number);
    if (number < std::numeric_limits<std::int32_t>::min() ||
        number > std::numeric_limits<std::uint32_t>::max())
        return std::nullopt;
    return from_opcua_status(static_cast<std::uint32_t>(number));
}

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
