#include "common/ops/words.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

namespace sallyport::ops {
namespace {

constexpr std::size_t kDateChars = 10, kClockChars = 8;  // of RFC 3339

struct Unit {
    std::int64_t seconds;
    std::string_view name, smaller_name;
    std::int64_t smaller_seconds;
};
constexpr std::array<Unit, 3> kUnits{{
    {86400, "d", "h", 3600},
    {3600, "h", "min", 60},
    {60, "min", "s", 1},
}};

}  // namespace

std::string in_words(base::Duration time) {
    const auto seconds = std::max(0.0, std::chrono::duration<double>(time).count());
    if (seconds < 0.95) return fmt::format("{:.1f} s", seconds);
    const auto whole = std::llround(std::min(seconds, 1e12));
    for (const auto& unit : kUnits) {
        if (whole < unit.seconds) continue;
        const auto rest = whole % unit.seconds / unit.smaller_seconds;
        if (rest == 0) return fmt::format("{} {}", whole / unit.seconds, unit.name);
        return fmt::format("{} {} {} {}", whole / unit.seconds, unit.name, rest, unit.smaller_name);
    }
    return fmt::format("{} s", whole);
}

std::string with_commas(std::uint64_t number) {
    auto text = std::to_string(number);
    for (auto at = text.size(); at > 3;) text.insert(at -= 3, 1, ',');
    return text;
}

std::string counted(std::uint64_t number, std::string_view thing) {
    return fmt::format("{} {}{}", with_commas(number), thing, number == 1 ? "" : "s");
}

std::string bytes_in_words(std::uint64_t bytes) {
    constexpr std::array<std::string_view, 5> kNames{"KiB", "MiB", "GiB", "TiB", "PiB"};
    constexpr double kStep = 1024;
    if (bytes < 1024) return fmt::format("{} bytes", bytes);
    auto value = static_cast<double>(bytes) / kStep;
    std::size_t name = 0;
    while (value >= kStep && name + 1 < kNames.size()) {
        value /= kStep;
        ++name;
    }
    return fmt::format("{:.1f} {}", value, kNames[name]);
}

std::string rate_in_words(double per_second) {
    const auto rate = std::clamp(per_second, 0.0, 1e15);
    if (rate > 0 && rate < 9.95) return fmt::format("{:.1f}/s", rate);
    return with_commas(static_cast<std::uint64_t>(std::llround(rate))) + "/s";
}

std::string clock_in_words(base::WallTime at, base::WallTime now) {
    const auto full = base::to_rfc3339(at);
    const auto date = full.substr(0, kDateChars);
    const auto clock = full.substr(kDateChars + 1, kClockChars);
    return date == base::to_rfc3339(now).substr(0, kDateChars) ? clock : date + ' ' + clock;
}

}  // namespace sallyport::ops
