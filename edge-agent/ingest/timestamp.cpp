#include "edge-agent/ingest/timestamp.hpp"

#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <limits>
#include <string>

namespace sallyport::ingest {
namespace {

constexpr std::int64_t kNsOfSecond = 1'000'000'000;
constexpr std::size_t kNumberBytesMax = 64;
constexpr int kExponentMax = 100;  // beyond it nothing is a time

/// Reads a text from its front.
class Front {
public:
    explicit Front(std::string_view text) : text_(text) {}

    /// Exactly `digits` decimal digits.
    std::optional<int> number(std::size_t digits) {
        if (text_.size() < digits) return std::nullopt;
        int value = 0;
        for (const char c : text_.substr(0, digits)) {
            if (c < '0' || c > '9') return std::nullopt;
            value = value * 10 + (c - '0');
        }
        text_.remove_prefix(digits);
        return value;
    }
    /// One of these characters; 0: another stands there.
    char one_of(std::string_view choices) {
        if (text_.empty() || choices.find(text_[0]) == std::string_view::npos) return 0;
        const char c = text_[0];
        text_.remove_prefix(1);
        return c;
    }
    bool at_end() const { return text_.empty(); }

private:
    std::string_view text_;
};

/// ".5" and so on, in ns; 0 where there is none.
std::optional<std::int64_t> fraction_ns(Front& front) {
    if (front.one_of(".") == 0) return 0;
    std::int64_t ns = 0;
    int digits = 0;
    for (; const auto digit = front.number(1); ++digits)
        if (digits < 9) ns = ns * 10 + *digit;
    if (digits == 0) return std::nullopt;
    for (; digits < 9; ++digits) ns *= 10;
    return ns;
}

/// "Z" or "+01:00", in seconds east of UTC.
std::optional<int> offset_s(Front& front) {
    if (front.one_of("Zz") != 0) return 0;
    const char sign = front.one_of("+-");
    const auto hours = front.number(2);
    const bool colon = front.one_of(":") != 0;
    const auto minutes = front.number(2);
    if (sign == 0 || !hours || !colon || !minutes || *hours > 23 || *minutes > 59)
        return std::nullopt;
    const int seconds = *hours * 3600 + *minutes * 60;
    return sign == '-' ? -seconds : seconds;
}

std::optional<std::int64_t> days_since_1970(Front& front) {
    const auto year = front.number(4);
    const bool first_dash = front.one_of("-") != 0;
    const auto month = front.number(2);
    const bool second_dash = front.one_of("-") != 0;
    const auto day = front.number(2);
    if (!year || !first_dash || !month || !second_dash || !day) return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year{*year},
                                           std::chrono::month{static_cast<unsigned>(*month)},
                                           std::chrono::day{static_cast<unsigned>(*day)}};
    if (!date.ok()) return std::nullopt;
    return std::chrono::sys_days{date}.time_since_epoch().count();
}

std::optional<base::WallTime> to_wall_time(std::int64_t seconds, std::int64_t ns) {
    constexpr auto kSecondsMax = std::numeric_limits<std::int64_t>::max() / kNsOfSecond - 1;
    if (seconds > kSecondsMax || seconds < -kSecondsMax) return std::nullopt;
    return base::WallTime{seconds * kNsOfSecond + ns};
}

/// A number as its digits and where its point stands: 1.25e3 is "125" with four before the point.
struct Decimal {
    std::array<char, kNumberBytesMax> digits{};
    int count = 0;
    int before_point = 0;
    bool is_negative = false;
};

std::optional<Decimal> parse_decimal(std::string_view text) {
    if (text.size() > kNumberBytesMax) return std::nullopt;
    Decimal decimal;
    decimal.is_negative = text.starts_with('-');
    if (decimal.is_negative) text.remove_prefix(1);
    bool behind_point = false;
    std::size_t at = 0;
    for (; at < text.size() && text[at] != 'e' && text[at] != 'E'; ++at) {
        if (text[at] == '.' && !behind_point && at > 0) {
            behind_point = true;
        } else if (text[at] >= '0' && text[at] <= '9') {
            decimal.digits[static_cast<std::size_t>(decimal.count++)] = text[at];
            if (!behind_point) ++decimal.before_point;
        } else {
            return std::nullopt;
        }
    }
    if (decimal.count == 0) return std::nullopt;
    if (at == text.size()) return decimal;
    auto power = text.substr(at + 1);
    if (power.starts_with('+')) power.remove_prefix(1);
    int exponent = 0;
    const auto [rest, error] = std::from_chars(power.data(), power.data() + power.size(), exponent);
    if (error != std::errc{} || rest != power.data() + power.size()) return std::nullopt;
    if (exponent > kExponentMax || exponent < -kExponentMax) return std::nullopt;
    decimal.before_point += exponent;
    return decimal;
}

/// The whole part of the number × 10^`shift`; nothing beyond 64 bits.
std::optional<std::int64_t> scaled(const Decimal& decimal, int shift) {
    constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
    std::int64_t value = 0;
    for (int i = 0; i < decimal.before_point + shift; ++i) {
        const int digit = i < decimal.count ? decimal.digits[static_cast<std::size_t>(i)] - '0' : 0;
        if (value > (kMax - digit) / 10) return std::nullopt;
        value = value * 10 + digit;
    }
    return decimal.is_negative ? -value : value;
}

TimeFormat format_by_size(std::int64_t number) {
    const auto size = number < 0 ? -number : number;
    if (size < 100'000'000'000) return TimeFormat::s;
    if (size < 100'000'000'000'000) return TimeFormat::ms;
    if (size < 100'000'000'000'000'000) return TimeFormat::us;
    return TimeFormat::ns;
}

/// ns are 10^this of the unit.
std::optional<int> digits_to_ns(TimeFormat format) {
    switch (format) {
        case TimeFormat::s: return 9;
        case TimeFormat::ms: return 6;
        case TimeFormat::us: return 3;
        case TimeFormat::ns: return 0;
        case TimeFormat::automatic:
        case TimeFormat::iso: break;
    }
    return std::nullopt;
}

}  // namespace

std::optional<base::WallTime> parse_rfc3339(std::string_view text) {
    Front front(text);
    const auto days = days_since_1970(front);
    const bool separated = front.one_of("Tt ") != 0;
    const auto hour = front.number(2);
    const bool first_colon = front.one_of(":") != 0;
    const auto minute = front.number(2);
    const bool second_colon = front.one_of(":") != 0;
    const auto second = front.number(2);
    const auto fraction = fraction_ns(front);
    const auto offset = offset_s(front);
    if (!days || !separated || !hour || !first_colon || !minute || !second_colon || !second ||
        !fraction || !offset || !front.at_end())
        return std::nullopt;
    if (*hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
    const std::int64_t minutes = *days * 1440 + std::int64_t{*hour} * 60 + *minute - *offset / 60;
    const bool is_last_minute = (minutes + 1) % 1440 == 0;
    if (*second == 60 && !is_last_minute) return std::nullopt;
    return to_wall_time(minutes * 60 + *second, *fraction);
}

std::optional<base::WallTime> parse_time_number(std::string_view number, TimeFormat format) {
    const auto decimal = parse_decimal(number);
    if (!decimal) return std::nullopt;
    if (format == TimeFormat::automatic) {
        const auto whole = scaled(*decimal, 0);
        if (!whole) return std::nullopt;
        format = format_by_size(*whole);
    }
    const auto shift = digits_to_ns(format);
    if (!shift) return std::nullopt;
    const auto ns = scaled(*decimal, *shift);
    if (!ns) return std::nullopt;
    return base::WallTime{*ns};
}

}  // namespace sallyport::ingest
