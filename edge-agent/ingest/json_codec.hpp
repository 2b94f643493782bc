// Payload codec `json`: what a JSON payload says of its value's quality and time. The bytes pass
// unchanged whatever it finds.
#pragma once

#include <array>
#include <optional>

#include "common/base/bytes.hpp"
#include "common/base/time.hpp"
#include "common/record/json_text.hpp"
#include "common/record/quality.hpp"
#include "edge-agent/ingest/timestamp.hpp"

namespace sallyport::ingest {

/// Where a payload has what, as the configuration's json_value, json_quality, json_time.
struct JsonPlaces {
    record::JsonPointer value, quality, time;
    TimeFormat time_format = TimeFormat::automatic;
};

/// What the codec makes of one payload.
struct Reading {
    record::Quality quality = record::Quality::good;
    std::optional<base::WallTime>
        source_time;               // nothing: the payload has none that can be believed
    bool is_readable = true;       // false: then the quality is Uncertain, or bad
    bool is_time_believed = true;  // false: it had one
};

class JsonCodec {
public:
    /// A time further ahead of the arrival than this is not believed.
    static constexpr base::Duration kAheadMax = std::chrono::hours(24);
    /// 2000-01-01: clocks that were never set say less.
    static constexpr base::WallTime kBelievedFrom{946'684'800'000'000'000};

    explicit JsonCodec(const JsonPlaces& places)
        : places_{places.value, places.quality, places.time}, time_format_(places.time_format) {}

    /// Total: whatever the payload is. Not readable: no JSON, no value at its place, or a quality
    /// or time that is no such thing, or that stands there twice. Allocates nothing.
    Reading read(base::ByteView payload, base::WallTime arrival) const;

private:
    std::array<record::JsonPointer, 3> places_;
    TimeFormat time_format_;
};

}  // namespace sallyport::ingest
