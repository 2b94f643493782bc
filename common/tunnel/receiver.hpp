// The it-agent's end of one session: checks that the edge's entries arrive whole, defined and in
// sequence, keeps the credit, and says what is to be handed over. Knows frames, not stores or
// sinks.
//
//   greeting --Log--> asked (owner answers with resume()) --> receiving --end--> gone
//
// Invariants: every seq between the resumed position and the newest entry came in a Batch or was
// named by a Gap; a record's tag was defined in this session; bytes outstanding stay within the
// credit plus one entry.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/tunnel/credit_window.hpp"
#include "common/tunnel/link.hpp"

namespace sallyport::tunnel {

struct ReceiverLimits {
    std::size_t tags_max = 2'000'000;           // defined in one session
    std::size_t topic_bytes_max = 256U << 20U;  // of all of them
    std::uint64_t window_bytes_max = kWindowBytesMax;
};

enum class ReceiverFailure {
    malformed,
    out_of_turn,  // a frame that may not come in this state or direction
    undefined_tag,
    hole,           // seqs missing that no Gap named
    overlap,        // seqs that this session has had already
    unknown_epoch,  // not in the Log, or older than what came before
    overrun,        // more than credit allows
    limit,          // more tags or topic bytes than this side holds
};
std::string_view to_string(ReceiverFailure failure);

/// An entry to hand over. Records borrow from `body`, which borrows from the received message.
struct BatchArrived {
    BatchHead head;
    Position end;
    base::ByteView body;
};
struct ReceiverFailed {
    ReceiverFailure reason{};
};
using ReceiverEvent =
    std::variant<std::monostate, Log, Define, BatchArrived, Gap, Beat, ReceiverFailed>;

class Receiver {
public:
    Receiver(SessionId id, std::string peer, const ReceiverLimits& limits, base::Now now);

    ReceiverEvent receive(const SessionFrame& frame, base::Now now);
    /// Records of the last BatchArrived.
    const std::vector<BatchRecord>& records() const { return records_; }
    /// The topic of a tag defined in this session.
    const std::string& topic(record::TagId tag) const;

    /// The answer to a Log: go on behind `position` (epoch 0: from the log's beginning).
    void resume(std::uint64_t store, const Position& position);
    /// The sink has everything up to `position`; `bytes` of batches are free again. Said again on
    /// each Beat that tells of records without an ack.
    void acknowledge(const Position& position, std::uint64_t bytes, base::Now now);

    std::optional<base::Bytes> next_frame();

    SessionId id() const { return id_; }
    const std::string& peer() const { return peer_; }
    const CreditWindow& window() const { return window_; }

private:
    ReceiverEvent receive_log(const SessionFrame& frame);
    ReceiverEvent receive_define(const SessionFrame& frame);
    ReceiverEvent receive_batch(const SessionFrame& frame);
    ReceiverEvent receive_gap(const SessionFrame& frame);
    ReceiverEvent receive_beat(const SessionFrame& frame);
    /// Moves to `first` of `epoch`, or says why the sequence does not allow it.
    std::optional<ReceiverFailure> step_to(record::Epoch epoch, record::Seq first);
    std::optional<std::size_t> run_of(record::Epoch epoch) const;

    SessionId id_;
    std::string peer_;
    ReceiverLimits limits_;
    CreditWindow window_;
    enum class State { greeting, asked, receiving } state_ = State::greeting;
    std::vector<Run> runs_;
    std::size_t run_ = 0;              // index in runs_ of the entry expected next
    record::Seq expected_ = 0;         // its first seq
    std::vector<std::string> topics_;  // by tag id; empty: not defined
    std::size_t topic_bytes_ = 0;
    std::vector<BatchRecord> records_;
    std::optional<Position> acknowledged_;  // the newest, in this session
    std::deque<base::Bytes> outgoing_;
};

}  // namespace sallyport::tunnel
