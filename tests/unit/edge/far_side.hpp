// What an edge sees beyond its link: a relay that opens sessions, and behind it it-agents that
// resume, take entries and acknowledge them. Frames in and out; who carries them is for the
// fixture.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "common/tunnel/receiver.hpp"

namespace sallyport::edge_core {

inline const base::Identity kRelayIdentity{"acme", base::Role::relay, "dmz1"};

struct GotRecord {
    record::Seq seq = 0;
    std::string topic, value;
    record::Quality quality{};
    std::uint16_t flags = 0;
    base::WallTime source_time{};
    std::vector<std::string> also;  // topics of the further tags

    bool has_value() const { return (flags & record::kHasValue) != 0; }
};
struct GotEntry {
    tunnel::Position end;
    std::uint64_t whole_checksum = 0;
    std::size_t bytes = 0;
    std::vector<GotRecord> records;
    std::vector<tunnel::Absent> absent{};
};

struct FarSession {
    tunnel::Receiver receiver;
    tunnel::Log log{};
    std::vector<std::string> defined{};
    std::vector<GotEntry> entries{};
    std::vector<tunnel::Gap> gaps{};
    std::vector<tunnel::Beat> beats{};
    std::optional<std::size_t> entries_before_beats{};  // that came before the first of them

    /// "topic=value" of everything that came; a change of quality alone is "topic:Quality".
    std::vector<std::string> story() const {
        std::vector<std::string> lines;
        for (const auto& entry : entries)
            for (const auto& record : entry.records) {
                auto line = record.topic;
                for (const auto& also : record.also) line += "," + also;
                lines.push_back(record.has_value()
                                    ? line + "=" + record.value
                                    : line + ":" + std::string(to_string(record.quality)));
            }
        return lines;
    }
};

class FarSide {
public:
    explicit FarSide(base::Now now) : link_(tunnel::LinkSide::relay, {}, now) {}

    void receive(base::ByteView message, base::Now now) {
        const auto event = link_.receive(message, now);
        if (std::holds_alternative<tunnel::Hello>(event))
            link_.send_control(encode(tunnel::Welcome{1, tunnel::kFrameBytesMax, 10, 1}));
        if (const auto* closed = std::get_if<tunnel::Closed>(&event)) closed_.push_back(*closed);
        if (const auto* bye = std::get_if<tunnel::Bye>(&event)) bye_ = *bye;
        if (const auto* frame = std::get_if<tunnel::SessionFrame>(&event)) take(*frame, now);
        EXPECT_FALSE(std::holds_alternative<tunnel::LinkFailed>(event));
    }
    bool take_output(base::Bytes& out) { return link_.take_output(out); }

    /// A route has both ends up. `peer` is "<plant>/<name>".
    FarSession& open(std::uint64_t id, const std::string& peer,
                     const std::vector<std::string>& topics, base::Now now) {
        const tunnel::SessionId session{id};
        link_.send_control(encode(tunnel::Opened{session, peer, topics}));
        tunnel::ReceiverLimits limits;
        limits.window_bytes_max = window_bytes_max_;
        return sessions_.emplace(session, FarSession{tunnel::Receiver(session, peer, limits, now)})
            .first->second;
    }
    void close(FarSession& session, tunnel::SessionEnd reason) {
        link_.send_control(encode(tunnel::Closed{session.receiver.id(), reason}));
    }
    void send(const base::Bytes& frame) { link_.send_control(frame); }
    void acknowledge(FarSession& session, const GotEntry& entry, base::Now now) {
        session.receiver.acknowledge(entry.end, entry.bytes, now);
        collect(session);
    }

    const std::vector<tunnel::Closed>& closed() const { return closed_; }
    const std::optional<tunnel::Bye>& bye() const { return bye_; }

    bool resumes_ = true;       // false: Logs stay unanswered
    bool acknowledges_ = true;  // false: entries are taken and not acknowledged
    tunnel::Position resume_at_{};
    std::uint64_t window_bytes_max_ = tunnel::kWindowBytesMax;  // of sessions opened from now on
    std::uint64_t store_ = 77;

private:
    void take(const tunnel::SessionFrame& frame, base::Now now) {
        const auto found = sessions_.find(frame.session);
        if (found == sessions_.end()) return;
        auto& session = found->second;
        auto event = session.receiver.receive(frame, now);
        if (const auto* failed = std::get_if<tunnel::ReceiverFailed>(&event))
            ADD_FAILURE() << "the edge broke the protocol: " << to_string(failed->reason);
        if (auto* log = std::get_if<tunnel::Log>(&event)) {
            session.log = std::move(*log);
            if (resumes_) session.receiver.resume(store_, resume_at_);
        }
        if (const auto* define = std::get_if<tunnel::Define>(&event))
            for (const auto& tag : define->tags) session.defined.push_back(tag.topic);
        if (const auto* gap = std::get_if<tunnel::Gap>(&event)) session.gaps.push_back(*gap);
        if (const auto* beat = std::get_if<tunnel::Beat>(&event)) {
            if (session.beats.empty()) session.entries_before_beats = session.entries.size();
            session.beats.push_back(*beat);
        }
        if (const auto* batch = std::get_if<tunnel::BatchArrived>(&event)) {
            note(session, *batch);
            if (acknowledges_) session.receiver.acknowledge(batch->end, batch->body.size(), now);
        }
        collect(session);
    }
    static void note(FarSession& session, const tunnel::BatchArrived& batch) {
        GotEntry entry{
            batch.end, batch.head.whole_checksum, batch.body.size(), {}, batch.head.absent};
        for (const auto& record : session.receiver.records()) {
            GotRecord got{record.seq,
                          session.receiver.topic(record.tag),
                          std::string(base::as_text(record.value)),
                          record.quality,
                          record.flags,
                          record.source_time,
                          {}};
            for (const auto tag : record.also_tags) got.also.push_back(session.receiver.topic(tag));
            entry.records.push_back(std::move(got));
        }
        session.entries.push_back(std::move(entry));
    }
    void collect(FarSession& session) {
        while (auto frame = session.receiver.next_frame()) link_.send_control(std::move(*frame));
    }

    tunnel::Link link_;
    std::map<tunnel::SessionId, FarSession> sessions_;
    std::vector<tunnel::Closed> closed_;
    std::optional<tunnel::Bye> bye_;
};

}  // namespace sallyport::edge_core
