// What a person is told of the sessions that `[sink] consumers` names: that one has no session to
// keep anything for, that one holds the edges, that one has ended with messages in its queue.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "common/base/notice.hpp"
#include "common/base/time.hpp"
#include "common/mqtt/broker.hpp"

namespace sallyport::it_core {

class ConsumerWatch {
public:
    /// So long it may hold, or be absent, before anybody is told.
    static constexpr base::Duration kToldAfter = std::chrono::seconds(10);

    ConsumerWatch(const mqtt::Broker& broker, base::Now now);

    void expire(base::Now now, base::Notices& notices);
    /// Nothing where there are no consumers.
    std::optional<base::Instant> next_deadline() const { return next_look_; }

private:
    static constexpr base::Duration kLookInterval = std::chrono::seconds(1);

    struct Watched {
        base::Instant absent_since;
        bool absence_told = false, holding_told = false;
        std::uint64_t lost_told = 0;
    };

    void look(const mqtt::ConsumerState& consumer, Watched& watched, base::Now now,
              base::Notices& notices);

    const mqtt::Broker& broker_;
    std::map<std::string, Watched> watched_;  // by client identifier
    std::optional<base::Instant> next_look_;
};

}  // namespace sallyport::it_core
