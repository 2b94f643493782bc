#include "edge-agent/ingest/json_codec.hpp"

#include <charconv>
#include <string_view>

namespace sallyport::ingest {
namespace {

using record::Quality;

/// A string without its quotes; nothing for one with escapes, which no name and no time needs.
std::optional<std::string_view> plain_text(std::string_view piece) {
    if (!record::is_json_string(piece)) return std::nullopt;
    const auto text = piece.substr(1, piece.size() - 2);
    if (text.find('\\') != std::string_view::npos) return std::nullopt;
    return text;
}

std::optional<Quality> quality_of_number(std::string_view text) {
    std::int64_t number = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || rest != text.data() + text.size()) return std::nullopt;
    return record::quality_from_number(number);
}

std::optional<Quality> quality_of(std::string_view piece) {
    if (piece == "true") return Quality::good;
    if (piece == "false") return Quality::bad;
    if (record::is_json_number(piece)) return quality_of_number(piece);
    const auto text = plain_text(piece);
    if (!text) return std::nullopt;
    const auto number = quality_of_number(*text);
    return number ? number : record::quality_from_name(*text);
}

std::optional<base::WallTime> time_of(std::string_view piece, TimeFormat format) {
    if (record::is_json_number(piece)) return parse_time_number(piece, format);
    const auto text = plain_text(piece);
    if (!text) return std::nullopt;
    if (format == TimeFormat::iso) return parse_rfc3339(*text);
    const auto number = parse_time_number(*text, format);
    return number || format != TimeFormat::automatic ? number : parse_rfc3339(*text);
}

bool is_there(const record::JsonFound& found) {
    return !found.text.empty() && found.text != "null";
}

/// An edge whose own clock was never set can judge only what is as old.
bool is_believable(base::WallTime time, base::WallTime arrival) {
    if (time < JsonCodec::kBelievedFrom) return false;
    return arrival < JsonCodec::kBelievedFrom || time <= arrival + JsonCodec::kAheadMax;
}

}  // namespace

Reading JsonCodec::read(base::ByteView payload, base::WallTime arrival) const {
    const Reading unreadable{Quality::uncertain, std::nullopt, false, true};
    const auto text = base::as_text(payload);
    if (!record::is_json(text)) return unreadable;
    std::array<record::JsonFound, 3> found;
    record::find_in_json(text, places_, found);
    const auto& [value, quality, time] = found;

    Reading reading;
    reading.is_readable =
        !value.text.empty() && !value.is_ambiguous && !quality.is_ambiguous && !time.is_ambiguous;
    if (is_there(time) && !time.is_ambiguous) {
        reading.source_time = time_of(time.text, time_format_);
        if (!reading.source_time) reading.is_readable = false;
        if (reading.source_time && !is_believable(*reading.source_time, arrival)) {
            reading.source_time.reset();
            reading.is_time_believed = false;
        }
    }
    if (is_there(quality) && !quality.is_ambiguous) {
        const auto said = quality_of(quality.text);
        reading.is_readable = reading.is_readable && said.has_value();
        if (said) reading.quality = *said;
    }
    // What could not be read makes nothing better than its device says.
    if (!reading.is_readable && !record::is_bad(reading.quality))
        reading.quality = Quality::uncertain;
    return reading;
}

}  // namespace sallyport::ingest
