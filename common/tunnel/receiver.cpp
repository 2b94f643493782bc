#include "common/tunnel/receiver.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "common/base/assert.hpp"

namespace sallyport::tunnel {
namespace {

ReceiverEvent failed(ReceiverFailure reason) {
    return ReceiverFailed{reason};
}

}  // namespace

std::string_view to_string(ReceiverFailure failure) {
    switch (failure) {
        case ReceiverFailure::malformed: return "malformed frame";
        case ReceiverFailure::out_of_turn: return "frame out of turn";
        case ReceiverFailure::undefined_tag: return "record of an undefined tag";
        case ReceiverFailure::hole: return "records missing without a gap being named";
        case ReceiverFailure::overlap: return "records repeated within a session";
        case ReceiverFailure::unknown_epoch: return "epoch that the log does not hold";
        case ReceiverFailure::overrun: return "more sent than credit allows";
        case ReceiverFailure::limit: return "more tags than this side holds";
    }
    return "?";
}

Receiver::Receiver(SessionId id, std::string peer, const ReceiverLimits& limits, base::Now now)
    : id_(id), peer_(std::move(peer)), limits_(limits), window_(now, limits.window_bytes_max) {}

ReceiverEvent Receiver::receive(const SessionFrame& frame, base::Now /*now*/) {
    if (frame.kind == FrameKind::log) return receive_log(frame);
    if (state_ != State::receiving) return failed(ReceiverFailure::out_of_turn);
    switch (frame.kind) {
        case FrameKind::define: return receive_define(frame);
        case FrameKind::batch: return receive_batch(frame);
        case FrameKind::gap: return receive_gap(frame);
        case FrameKind::beat: return receive_beat(frame);
        default: return failed(ReceiverFailure::out_of_turn);
    }
}

ReceiverEvent Receiver::receive_log(const SessionFrame& frame) {
    if (state_ != State::greeting) return failed(ReceiverFailure::out_of_turn);
    auto log = decode_log(frame.body);
    if (!log || log->runs.empty()) return failed(ReceiverFailure::malformed);
    runs_ = log->runs;
    state_ = State::asked;
    return std::move(*log);
}

void Receiver::resume(std::uint64_t store, const Position& position) {
    SALLYPORT_ASSERT(state_ == State::asked);
    state_ = State::receiving;
    run_ = 0;
    expected_ = 0;  // any run may begin
    if (const auto run = run_of(position.epoch); run) {
        run_ = *run;
        expected_ = position.seq + 1;
    }
    outgoing_.push_back(encode(id_, Resume{store, position, window_.limit()}));
}

std::optional<std::size_t> Receiver::run_of(record::Epoch epoch) const {
    const auto run = std::ranges::find(runs_, epoch, &Run::epoch);
    if (run == runs_.end()) return std::nullopt;
    return static_cast<std::size_t>(run - runs_.begin());
}

std::optional<ReceiverFailure> Receiver::step_to(record::Epoch epoch, record::Seq first) {
    const auto run = run_of(epoch);
    if (!run || *run < run_) return ReceiverFailure::unknown_epoch;
    if (*run == run_ && expected_ != 0) {
        if (first < expected_) return ReceiverFailure::overlap;
        if (first > expected_) return ReceiverFailure::hole;
        return std::nullopt;
    }
    // Into a later run: the one behind us must be complete, runs between empty, this one at its
    // start.
    if (expected_ != 0 && expected_ <= runs_[run_].last) return ReceiverFailure::hole;
    for (std::size_t i = run_ + (expected_ != 0 ? 1 : 0); i < *run; ++i)
        if (runs_[i].last >= runs_[i].first) return ReceiverFailure::hole;
    if (first != runs_[*run].first) return ReceiverFailure::hole;
    run_ = *run;
    return std::nullopt;
}

ReceiverEvent Receiver::receive_define(const SessionFrame& frame) {
    auto define = decode_define(frame.body);
    if (!define) return failed(ReceiverFailure::malformed);
    for (const auto& tag : define->tags) {
        topic_bytes_ += tag.topic.size();
        if (tag.id >= limits_.tags_max || topic_bytes_ > limits_.topic_bytes_max)
            return failed(ReceiverFailure::limit);
        if (tag.id >= topics_.size())
            topics_.resize(std::max<std::size_t>(tag.id + 1, topics_.size() + topics_.size() / 2));
        if (!topics_[tag.id].empty()) return failed(ReceiverFailure::out_of_turn);
        topics_[tag.id] = tag.topic;
    }
    return std::move(*define);
}

ReceiverEvent Receiver::receive_batch(const SessionFrame& frame) {
    if (!window_.received(frame.body.size())) return failed(ReceiverFailure::overrun);
    const auto head = decode_batch(frame.body, records_);
    if (!head) return failed(ReceiverFailure::malformed);
    if (const auto failure = step_to(head->epoch, head->first)) return failed(*failure);
    const auto is_defined = [this](record::TagId tag) {
        return tag < topics_.size() && !topics_[tag].empty();
    };
    for (const auto& record : records_) {
        if (!is_defined(record.tag) || !std::ranges::all_of(record.also_tags, is_defined))
            return failed(ReceiverFailure::undefined_tag);
    }
    expected_ = head->last + 1;
    const Position end{
        head->epoch, head->last,
        head->whole_checksum != 0 ? head->whole_checksum : batch_checksum(head->epoch, frame.body)};
    return BatchArrived{*head, end, frame.body};
}

ReceiverEvent Receiver::receive_gap(const SessionFrame& frame) {
    const auto gap = decode_gap(frame.body);
    if (!gap || gap->from == 0) return failed(ReceiverFailure::malformed);
    // An empty range says "begin again": the position was not known, but nothing before is missing.
    const bool begins_again = gap->why == GapReason::unknown_position && gap->to + 1 == gap->from;
    if (gap->to < gap->from && !begins_again) return failed(ReceiverFailure::malformed);
    if (gap->to == std::numeric_limits<record::Seq>::max())
        return failed(ReceiverFailure::malformed);
    const auto run = run_of(gap->epoch);
    if (!run) return failed(ReceiverFailure::unknown_epoch);
    // All but a restart go on where the sequence stands, or where a later run begins.
    if (gap->why != GapReason::unknown_position && expected_ != 0 &&
        (gap->from != expected_ || *run < run_)) {
        if (const auto failure = step_to(gap->epoch, gap->from)) return failed(*failure);
    }
    run_ = *run;
    expected_ = gap->to + 1;
    return *gap;
}

ReceiverEvent Receiver::receive_beat(const SessionFrame& frame) {
    const auto beat = decode_beat(frame.body);
    if (!beat) return failed(ReceiverFailure::malformed);
    outgoing_.push_back(encode(id_, Echo{beat->count, beat->clock}));
    // Whatever became of the newest Ack, an edge that still waits for one gets it again.
    if (acknowledged_ && beat->spooled_records > 0)
        outgoing_.push_back(encode(id_, Ack{*acknowledged_, window_.limit(), 0}));
    return *beat;
}

const std::string& Receiver::topic(record::TagId tag) const {
    SALLYPORT_ASSERT(tag < topics_.size());
    return topics_[tag];
}

void Receiver::acknowledge(const Position& position, std::uint64_t bytes, base::Now now) {
    window_.consumed(bytes, now);
    acknowledged_ = position;
    outgoing_.push_back(encode(id_, Ack{position, window_.limit(), 0}));
}

std::optional<base::Bytes> Receiver::next_frame() {
    if (outgoing_.empty()) return std::nullopt;
    auto frame = std::move(outgoing_.front());
    outgoing_.pop_front();
    return frame;
}

}  // namespace sallyport::tunnel
