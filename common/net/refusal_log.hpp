// Keeps strangers from filling the log: of the refusals within one interval the first is told, the
// others are counted and named with the next one that is told.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/time.hpp"

namespace sallyport::net {

class RefusalLog {
public:
    explicit RefusalLog(base::Duration interval) : interval_(interval) {}

    /// The text to log, or nothing where this refusal is only counted.
    std::optional<std::string> tell(std::string_view what, base::Instant now) {
        if (last_told_ && now - *last_told_ < interval_) {
            ++suppressed_;
            return std::nullopt;
        }
        last_told_ = now;
        std::string text(what);
        if (suppressed_ > 0)
            text += " (" + std::to_string(suppressed_) + " more refused since the last one named)";
        suppressed_ = 0;
        return text;
    }

private:
    base::Duration interval_;
    std::optional<base::Instant> last_told_;
    std::uint64_t suppressed_ = 0;
};

}  // namespace sallyport::net
