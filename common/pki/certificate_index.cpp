#include "common/pki/certificate_index.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <optional>
#include <string_view>

namespace sallyport::pki {
namespace {

constexpr std::string_view kHeader =
    "# serial\trole\tname\tnot before\tnot after\tSPKI SHA-256\tstatus\n";
constexpr std::size_t kFields = 7;

bool is_hex(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    });
}

std::optional<int> digits(std::string_view text) {
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value < 0) return std::nullopt;
    return value;
}

/// Reads back what base::to_rfc3339 writes and nothing else: the text must come out again.
std::optional<base::WallTime> parse_time(std::string_view text) {
    using namespace std::chrono;
    constexpr std::string_view kForm = "2026-01-02T03:04:05.000000006Z";
    if (text.size() != kForm.size()) return std::nullopt;
    const auto y = digits(text.substr(0, 4)), mo = digits(text.substr(5, 2)),
               d = digits(text.substr(8, 2)), h = digits(text.substr(11, 2)),
               mi = digits(text.substr(14, 2)), s = digits(text.substr(17, 2)),
               ns = digits(text.substr(20, 9));
    if (!y || !mo || !d || !h || !mi || !s || !ns || *y < 1970 || *y > 2261) return std::nullopt;
    const year_month_day date{year{*y}, month{static_cast<unsigned>(*mo)},
                              day{static_cast<unsigned>(*d)}};
    if (!date.ok()) return std::nullopt;
    const auto at = sys_days{date}.time_since_epoch() + hours{*h} + minutes{*mi} + seconds{*s} +
                    nanoseconds{*ns};
    const base::WallTime time{duration_cast<nanoseconds>(at).count()};
    if (base::to_rfc3339(time) != text) return std::nullopt;
    return time;
}

std::optional<std::array<std::string_view, kFields>> split(std::string_view line) {
    std::array<std::string_view, kFields> fields{};
    for (std::size_t i = 0; i < kFields; ++i) {
        const auto end = line.find('\t');
        if ((end == std::string_view::npos) != (i + 1 == kFields)) return std::nullopt;
        fields[i] = line.substr(0, end);
        line.remove_prefix(end == std::string_view::npos ? line.size() : end + 1);
    }
    return fields;
}

std::optional<IssuedCertificate> parse_line(std::string_view line) {
    const auto fields = split(line);
    if (!fields) return std::nullopt;
    const auto& [serial, role_text, name, from, until, spki, status] = *fields;
    const auto role = base::parse_role(role_text);
    const auto not_before = parse_time(from), not_after = parse_time(until);
    if (!is_hex(serial) || !role || !base::is_valid_name(name) || !not_before || !not_after ||
        !is_hex(spki) || (status != "valid" && status != "replaced"))
        return std::nullopt;
    return IssuedCertificate{std::string(serial), *role,      std::string(name),
                             *not_before,         *not_after, std::string(spki),
                             std::string(status)};
}

}  // namespace

std::vector<IssuedCertificate> parse_index(const std::string& text, const std::string& path) {
    std::vector<IssuedCertificate> certificates;
    std::string_view rest = text;
    for (std::size_t number = 1; !rest.empty(); ++number) {
        const auto end = rest.find('\n');
        const auto line = rest.substr(0, end);
        auto certificate = parse_line(line);
        if (end == std::string_view::npos || (!certificate && !line.empty() && line[0] != '#'))
            throw StorageError(path + " line " + std::to_string(number) +
                               " is damaged; restore the file from a backup");
        rest.remove_prefix(end + 1);
        if (certificate) certificates.push_back(std::move(*certificate));
    }
    return certificates;
}

std::string format_index(const std::vector<IssuedCertificate>& certificates) {
    std::string text{kHeader};
    for (const auto& one : certificates) {
        text += one.serial + '\t' + std::string(base::to_string(one.role)) + '\t' + one.name + '\t';
        text += base::to_rfc3339(one.not_before) + '\t' + base::to_rfc3339(one.not_after) + '\t';
        text += one.spki_sha256 + '\t' + one.status + '\n';
    }
    return text;
}

}  // namespace sallyport::pki
