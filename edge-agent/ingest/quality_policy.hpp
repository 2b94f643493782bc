// What a [[forward]] says of its tags while no value comes.
#pragma once

#include <optional>

#include "common/base/time.hpp"

namespace sallyport::ingest {

struct QualityPolicy {
    /// Without an update for this long a value is Uncertain.LastUsable; nothing: off.
    std::optional<base::Duration> stale_after{};
    /// A normal DISCONNECT says nothing of the client's values.
    bool keep_on_disconnect = false;
    /// A publisher that is back has its tags' qualities back, not only when it has published them.
    bool restore_on_reconnect = false;
};

}  // namespace sallyport::ingest
