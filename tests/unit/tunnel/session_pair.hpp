// A sender and a receiver joined by nothing but their frames: what one gives is handed to the other
// when the test says so.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "common/tunnel/receiver.hpp"
#include "common/tunnel/sender.hpp"
#include "tests/unit/tunnel/samples.hpp"

namespace sallyport::tunnel {

/// An entry as the spool keeps it: one record for each seq, of the tags in turn.
struct Entry {
    Position end;
    base::Bytes body;
    std::vector<record::TagId> tags;
};

inline Entry entry(record::Epoch epoch, record::Seq first, record::Seq last,
                   std::vector<record::TagId> tags = {1}, std::string_view value = "21.5") {
    std::vector<BatchRecord> records;
    for (auto seq = first; seq <= last; ++seq)
        records.push_back(samples::record(seq, tags[(seq - first) % tags.size()], value));
    Entry made{{epoch, last, 0}, encode_batch({epoch, first, last}, records), std::move(tags)};
    made.end.checksum = batch_checksum(epoch, made.body);
    return made;
}

inline base::Bytes batch_frame(const Entry& entry) {
    return encode_frame(samples::kSession, FrameKind::batch, entry.body);
}
inline base::Bytes define_frame(const std::vector<record::TagId>& tags) {
    Define define;
    for (const auto tag : tags) define.tags.push_back({tag, "plant/" + std::to_string(tag)});
    return encode(samples::kSession, define);
}

/// What a receiver was told, kept beyond the message it came in.
struct Arrived {
    std::vector<Position> entries;
    std::vector<std::uint64_t> entry_bytes;
    std::vector<record::Seq> seqs;       // of all records, in their order
    std::vector<record::TagId> defined;  // in their order
    std::vector<Gap> gaps;
    std::vector<Beat> beats;
    std::optional<Log> log;
    std::optional<ReceiverFailure> failure;
};

/// Gives one frame to the receiver and notes what became of it.
inline void deliver(Receiver& receiver, base::ByteView message, Arrived& arrived, base::Now now) {
    auto event = receiver.receive(samples::session_frame(message), now);
    if (const auto* batch = std::get_if<BatchArrived>(&event)) {
        arrived.entries.push_back(batch->end);
        arrived.entry_bytes.push_back(batch->body.size());
        for (const auto& record : receiver.records()) arrived.seqs.push_back(record.seq);
    } else if (const auto* define = std::get_if<Define>(&event)) {
        for (const auto& tag : define->tags) arrived.defined.push_back(tag.id);
    } else if (const auto* gap = std::get_if<Gap>(&event)) {
        arrived.gaps.push_back(*gap);
    } else if (const auto* beat = std::get_if<Beat>(&event)) {
        arrived.beats.push_back(*beat);
    } else if (auto* log = std::get_if<Log>(&event)) {
        arrived.log = std::move(*log);
    } else if (const auto* failed = std::get_if<ReceiverFailed>(&event)) {
        arrived.failure = failed->reason;
    }
}

inline const Log kTwoRuns{{{1, 1, 10}, {2, 11, 20}}};

class SessionPair {
public:
    explicit SessionPair(const Log& log = kTwoRuns, const ReceiverLimits& limits = {})
        : sender(samples::kSession, "acme/hq", log, {}, now),
          receiver(samples::kSession, "acme/line3", limits, now) {}

    /// Log over, Resume back: the session streams.
    void greet(const Position& position = {}) {
        to_it();
        ASSERT_TRUE(arrived.log);
        receiver.resume(kStore, position);
        to_edge();
        ASSERT_TRUE(sender.is_streaming());
    }

    void send(const Entry& entry) {
        sender.send_entry(entry.end, entry.body, entry.tags,
                          [](record::TagId tag) { return "plant/" + std::to_string(tag); });
    }

    /// Hands over all that waits, until the receiver has had enough.
    void to_it() {
        while (auto message = sender.next_frame()) {
            kinds_to_it.push_back(FrameKind{decode_frame(*message)->kind});
            if (!arrived.failure) deliver(receiver, *message, arrived, now);
        }
    }
    void to_edge() {
        while (auto message = receiver.next_frame()) {
            kinds_to_edge.push_back(FrameKind{decode_frame(*message)->kind});
            replies.push_back(sender.receive(samples::session_frame(*message), now));
        }
    }
    /// The sink has everything up to the n-th entry that arrived.
    void acknowledge(std::size_t n, std::uint64_t bytes) {
        receiver.acknowledge(arrived.entries.at(n), bytes, now);
        to_edge();
    }
    bool sender_failed() const {
        for (const auto& reply : replies)
            if (std::holds_alternative<SenderFailed>(reply)) return true;
        return false;
    }

    static constexpr std::uint64_t kStore = 77;
    base::Now now = samples::at({});
    Sender sender;
    Receiver receiver;
    Arrived arrived;
    std::vector<SenderEvent> replies;
    std::vector<FrameKind> kinds_to_it, kinds_to_edge;
};

}  // namespace sallyport::tunnel
