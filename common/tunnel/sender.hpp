// The edge's end of one session: what it may send, what of it is acknowledged. Knows frames and
// credit, not the spool; the uplink feeds it entries.
//
//   greeting (Log sent) --Resume--> streaming --end--> gone
//
// Invariants: a tag is defined before its first record; an entry starts only while the bytes sent
// are below the credit; an Ack names an entry of this session that is not acknowledged yet, else
// the far side has broken the protocol.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/tunnel/link.hpp"

namespace sallyport::tunnel {

struct SenderTimers {
    base::Duration beat_interval = std::chrono::seconds(2);
    base::Duration resume_within = std::chrono::seconds(10);
};

/// What a Beat tells of the spool.
struct Progress {
    record::Seq tail = 0;
    base::Duration behind{};
    std::uint64_t spooled_records = 0;
};

struct Acked {
    Position position;
    std::uint64_t refused = 0;
};
struct Echoed {
    std::uint64_t count = 0;
};
struct SenderFailed {};  // the far side broke the protocol, or never resumed
using SenderEvent = std::variant<std::monostate, Resume, Acked, Echoed, SenderFailed>;

class Sender {
public:
    /// Queues the Log.
    Sender(SessionId id, std::string peer, const Log& log, const SenderTimers& timers,
           base::Now now);

    SenderEvent receive(const SessionFrame& frame, base::Now now);
    /// False: no Resume in time.
    bool expire(base::Now now) const;
    bool beat_due(base::Now now) const { return streaming_ && now.instant >= next_beat_; }
    std::optional<base::Instant> next_deadline() const;

    bool may_send() const { return streaming_ && sent_bytes_ < credit_; }
    /// Queues the entry behind definitions of its tags that this session has not had. `topic_of`
    /// gives a tag's topic (string_view). `tags` are all tags of the entry's records.
    template <class TopicOf>
    void send_entry(const Position& end, base::ByteView body,
                    const std::vector<record::TagId>& tags, const TopicOf& topic_of) {
        Define define;
        for (const auto tag : tags) {
            if (!note_definition(tag)) continue;
            define.tags.push_back({tag, std::string(topic_of(tag))});
            if (define.tags.size() == kDefineTagsMax) queue_definitions(define);
        }
        queue_definitions(define);
        queue_entry(end, body);
    }
    void send_gap(const Gap& gap);
    void send_beat(const Progress& progress, base::Now now);

    std::optional<base::Bytes> next_frame();

    SessionId id() const { return id_; }
    const std::string& peer() const { return peer_; }
    bool is_streaming() const { return streaming_; }
    std::size_t unacked_entries() const { return unacked_.size(); }
    std::uint64_t store() const { return store_; }
    std::optional<base::Instant> last_progress() const { return last_progress_; }
    std::optional<base::Instant> last_echo() const { return last_echo_; }

private:
    bool note_definition(record::TagId tag);
    void queue_definitions(Define& define);
    void queue_entry(const Position& end, base::ByteView body);
    SenderEvent resume(const SessionFrame& frame, base::Now now);
    SenderEvent acknowledge(const SessionFrame& frame, base::Now now);

    SessionId id_;
    std::string peer_;
    SenderTimers timers_;
    bool streaming_ = false;
    base::Instant began_, next_beat_;
    std::uint64_t store_ = 0;
    std::uint64_t credit_ = 0, sent_bytes_ = 0;
    std::uint64_t beats_ = 0;
    std::uint64_t newest_echo_ = 0;  // 0: the Resume
    base::Instant heard_at_;
    Position newest_acked_;  // at first the position of the Resume
    std::vector<bool> defined_;
    std::deque<Position> unacked_;
    std::deque<base::Bytes> outgoing_;
    std::optional<base::Instant> last_progress_, last_echo_;
};

}  // namespace sallyport::tunnel
