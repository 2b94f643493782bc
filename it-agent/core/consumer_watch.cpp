#include "it-agent/core/consumer_watch.hpp"

#include <utility>

#include <fmt/format.h>

namespace sallyport::it_core {

using base::NoticeLevel;

ConsumerWatch::ConsumerWatch(const mqtt::Broker& broker, base::Now now) : broker_(broker) {
    for (const auto& consumer : broker_.consumers())
        watched_[consumer.client_id].absent_since = now.instant;
    if (!watched_.empty()) next_look_ = now.instant + kLookInterval;
}

void ConsumerWatch::expire(base::Now now, base::Notices& notices) {
    if (!next_look_ || now.instant < *next_look_) return;
    next_look_ = now.instant + kLookInterval;
    for (const auto& consumer : broker_.consumers())
        look(consumer, watched_.at(consumer.client_id), now, notices);
}

void ConsumerWatch::look(const mqtt::ConsumerState& consumer, Watched& watched, base::Now now,
                         base::Notices& notices) {
    const auto is_due = [&](base::Instant since, bool& told) {
        return now.instant >= since + kToldAfter && !std::exchange(told, true);
    };
    if (consumer.has_session) {
        watched.absent_since = now.instant;
        if (std::exchange(watched.absence_told, false))
            notices.add(NoticeLevel::info,
                        fmt::format("the consumer {} has a session now", consumer.client_id));
    } else if (is_due(watched.absent_since, watched.absence_told)) {
        notices.add(NoticeLevel::alarm,
                    fmt::format("the consumer {} has no session: nothing is kept for it until it "
                                "has connected and subscribed",
                                consumer.client_id));
    }
    if (consumer.lost_messages > watched.lost_told)
        notices.add(NoticeLevel::alarm,
                    fmt::format("the session of the consumer {} has ended, and with it {} messages "
                                "that waited for it",
                                consumer.client_id, consumer.lost_messages - watched.lost_told));
    watched.lost_told = consumer.lost_messages;
    if (!consumer.holding_since) {
        if (std::exchange(watched.holding_told, false))
            notices.add(NoticeLevel::info,
                        fmt::format("the consumer {} holds the edges no more", consumer.client_id));
    } else if (is_due(consumer.holding_since->instant, watched.holding_told)) {
        notices.add(
            NoticeLevel::alarm,
            fmt::format("the consumer {} holds the edges since {}: it {}, and {} messages wait for "
                        "it; let it read, or take it out of consumers",
                        consumer.client_id, to_rfc3339(consumer.holding_since->wall),
                        consumer.connected ? "reads too slowly" : "is not connected",
                        consumer.waiting_messages));
    }
}

}  // namespace sallyport::it_core
