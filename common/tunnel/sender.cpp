#include "common/tunnel/sender.hpp"

#include <algorithm>
#include <utility>

namespace sallyport::tunnel {

Sender::Sender(SessionId id, std::string peer, const Log& log, const SenderTimers& timers,
               base::Now now)
    : id_(id), peer_(std::move(peer)), timers_(timers), began_(now.instant) {
    outgoing_.push_back(encode(id_, log));
}

SenderEvent Sender::receive(const SessionFrame& frame, base::Now now) {
    switch (frame.kind) {
        case FrameKind::resume: return resume(frame, now);
        case FrameKind::ack: return acknowledge(frame, now);
        case FrameKind::echo: {
            const auto echo = decode_echo(frame.body);
            if (!echo || echo->count == 0 || echo->count > beats_) return SenderFailed{};
            newest_echo_ = echo->count;
            last_echo_ = heard_at_ = now.instant;
            return Echoed{echo->count};
        }
        default: return SenderFailed{};  // nothing else may travel toward the edge
    }
}

SenderEvent Sender::resume(const SessionFrame& frame, base::Now now) {
    const auto resume = decode_resume(frame.body);
    if (!resume || streaming_) return SenderFailed{};
    streaming_ = true;
    store_ = resume->store;
    credit_ = resume->credit;
    newest_acked_ = resume->position;
    next_beat_ = now.instant;  // the first Beat at once: the far side learns where the log stands
    last_progress_ = heard_at_ = now.instant;
    return *resume;
}

SenderEvent Sender::acknowledge(const SessionFrame& frame, base::Now now) {
    const auto ack = decode_ack(frame.body);
    if (!ack || !streaming_) return SenderFailed{};
    credit_ = std::max(credit_, ack->credit);
    if (ack->position == newest_acked_) {  // had before the resume, or credit alone
        if (ack->position.epoch == 0) return std::monostate{};
        return Acked{ack->position, ack->refused};
    }
    const auto named = std::ranges::find(unacked_, ack->position);
    if (named == unacked_.end()) return SenderFailed{};
    newest_acked_ = ack->position;
    unacked_.erase(unacked_.begin(), named + 1);
    last_progress_ = now.instant;
    return Acked{ack->position, ack->refused};
}

bool Sender::expire(base::Now now) const {
    return streaming_ || now.instant < began_ + timers_.resume_within;
}

std::optional<base::Instant> Sender::next_deadline() const {
    return streaming_ ? next_beat_ : began_ + timers_.resume_within;
}

bool Sender::note_definition(record::TagId tag) {
    if (tag >= defined_.size())
        defined_.resize(std::max<std::size_t>(tag + 1, defined_.size() * 2));
    if (defined_[tag]) return false;
    defined_[tag] = true;
    return true;
}

void Sender::queue_definitions(Define& define) {
    if (define.tags.empty()) return;
    outgoing_.push_back(encode(id_, define));
    define.tags.clear();
}

void Sender::queue_entry(const Position& end, base::ByteView body) {
    sent_bytes_ += body.size();
    unacked_.push_back(end);
    outgoing_.push_back(encode_frame(id_, FrameKind::batch, body));
}

void Sender::send_gap(const Gap& gap) {
    outgoing_.push_back(encode(id_, gap));
}

void Sender::send_beat(const Progress& progress, base::Now now) {
    next_beat_ = now.instant + timers_.beat_interval;
    outgoing_.push_back(
        encode(id_, Beat{progress.tail, now.wall, progress.behind, progress.spooled_records,
                         ++beats_, newest_echo_, now.instant - heard_at_}));
}

std::optional<base::Bytes> Sender::next_frame() {
    if (outgoing_.empty()) return std::nullopt;
    auto frame = std::move(outgoing_.front());
    outgoing_.pop_front();
    return frame;
}

}  // namespace sallyport::tunnel
