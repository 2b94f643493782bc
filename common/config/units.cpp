#include "common/config/units.hpp"

#include <array>
#include <charconv>
#include <limits>

namespace sallyport::config {
namespace {

struct Unit {
    std::string_view name;
    std::uint64_t factor;
};
// Largest first: the formatters take the first that divides.
constexpr std::array<Unit, 5> kDurationUnits{{{"d", 86'400'000'000'000},
                                              {"h", 3'600'000'000'000},
                                              {"m", 60'000'000'000},
                                              {"s", 1'000'000'000},
                                              {"ms", 1'000'000}}};
constexpr std::array<Unit, 5> kSizeUnits{{{"TiB", 1ULL << 40U},
                                          {"GiB", 1ULL << 30U},
                                          {"MiB", 1ULL << 20U},
                                          {"KiB", 1ULL << 10U},
                                          {"B", 1}}};

template <std::size_t N>
std::optional<std::uint64_t> parse_quantity(std::string_view text, const std::array<Unit, N>& units,
                                            std::uint64_t max) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{}) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    for (const auto& unit : units) {
        if (unit.name != text) continue;
        if (number > max / unit.factor) return std::nullopt;
        return number * unit.factor;
    }
    return std::nullopt;
}

template <std::size_t N>
std::string format_quantity(std::uint64_t amount, const std::array<Unit, N>& units,
                            std::string_view unit_of_zero) {
    if (amount == 0) return "0" + std::string(unit_of_zero);
    for (const auto& unit : units)
        if (amount % unit.factor == 0)
            return std::to_string(amount / unit.factor) + std::string(unit.name);
    return std::to_string(amount) + "ns";
}

}  // namespace

std::optional<base::Duration> parse_duration(std::string_view text) {
    const auto ns =
        parse_quantity(text, kDurationUnits,
                       static_cast<std::uint64_t>(std::numeric_limits<base::Duration::rep>::max()));
    if (!ns) return std::nullopt;
    return base::Duration{static_cast<base::Duration::rep>(*ns)};
}

std::string format_duration(base::Duration duration) {
    return format_quantity(static_cast<std::uint64_t>(duration.count()), kDurationUnits, "s");
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
    return parse_quantity(text, kSizeUnits, std::numeric_limits<std::uint64_t>::max());
}

std::string format_size(std::uint64_t bytes) {
    return format_quantity(bytes, kSizeUnits, "B");
}

}  // namespace sallyport::config
