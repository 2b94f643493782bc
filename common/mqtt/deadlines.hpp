// The broker's deadlines in order of time. Who sets one remembers its instant in a slot, which is
// how it is found again; nothing here is touched per packet (keep alives are judged anew when they
// come due).
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <set>

#include "common/base/time.hpp"

namespace sallyport::mqtt {

enum class DeadlineKind : std::uint8_t {
    connection,  // key: ConnectionId; CONNECT is due or the keep alive is to be judged
    will,        // key: session; the Will Delay Interval has passed
    session,     // key: session; the Session Expiry Interval has passed
    progress,    // key: session; judge whether a congested subscriber still makes progress
};

struct Deadline {
    base::Instant at;
    DeadlineKind kind{};
    std::uint64_t key = 0;

    friend auto operator<=>(const Deadline&, const Deadline&) = default;
};

class Deadlines {
public:
    using Slot = std::optional<base::Instant>;

    /// Moves the deadline that `slot` remembers, if any, to `at`.
    void set(Slot& slot, base::Instant at, DeadlineKind kind, std::uint64_t key) {
        cancel(slot, kind, key);
        ordered_.insert({at, kind, key});
        slot = at;
    }

    void cancel(Slot& slot, DeadlineKind kind, std::uint64_t key) {
        if (slot) ordered_.erase({*slot, kind, key});
        slot.reset();
    }

    Slot first() const { return ordered_.empty() ? Slot{} : Slot{ordered_.begin()->at}; }

    /// Takes the first deadline that has come; its owner clears the slot.
    std::optional<Deadline> take_due(base::Instant now) {
        if (ordered_.empty() || ordered_.begin()->at > now) return std::nullopt;
        return ordered_.extract(ordered_.begin()).value();
    }

private:
    std::set<Deadline> ordered_;
};

}  // namespace sallyport::mqtt
