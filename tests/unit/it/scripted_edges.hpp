// What an it-agent sees beyond its link: a relay that opens sessions, and behind it edges that send
// entries. Frames in and out; who carries them is for the fixture.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "common/tunnel/sender.hpp"

namespace sallyport::it_core {

struct EdgeSession {
    tunnel::Sender sender;
    std::optional<tunnel::Resume> resumed{};
    std::vector<record::Seq> acks{};
    std::uint64_t echoes = 0;
};

/// One edge's log: what it has given out keeps its seq and checksum over every session.
class EdgeLog {
public:
    explicit EdgeLog(record::Epoch epoch) : epoch_(epoch) {}

    /// A record of an entry of its own; its seq.
    record::Seq add(const std::string& topic, const std::string& value, std::uint16_t flags = 0,
                    record::Quality quality = record::Quality::good,
                    base::ByteView properties = {}) {
        tunnel::BatchRecord record;
        record.seq = bodies_.size() + 1;
        record.tag = tag(topic);
        record.flags = static_cast<std::uint16_t>(flags | record::kHasValue);
        record.quality = quality;
        record.value = base::as_bytes(value);
        record.properties = properties;
        record.source_time = record.arrival_time = {1'700'000'000'000'000'000};
        bodies_.push_back(tunnel::encode_batch({epoch_, record.seq, record.seq, 0}, {&record, 1}));
        tags_.push_back(record.tag);
        return record.seq;
    }
    tunnel::Log log() const { return {{{epoch_, 1, bodies_.size()}}}; }
    record::Epoch epoch() const { return epoch_; }
    record::Seq last() const { return bodies_.size(); }
    tunnel::Position position(record::Seq seq) const {
        return {epoch_, seq, tunnel::batch_checksum(epoch_, bodies_.at(seq - 1))};
    }
    void send(tunnel::Sender& sender, record::Seq seq) const {
        const auto topic_of = [this](record::TagId id) { return std::string_view(topics_.at(id)); };
        sender.send_entry(position(seq), bodies_.at(seq - 1), {tags_.at(seq - 1)}, topic_of);
    }

private:
    record::TagId tag(const std::string& topic) {
        for (record::TagId id = 0; id < topics_.size(); ++id)
            if (topics_[id] == topic) return id;
        topics_.push_back(topic);
        return static_cast<record::TagId>(topics_.size() - 1);
    }

    record::Epoch epoch_;
    std::vector<base::Bytes> bodies_;
    std::vector<record::TagId> tags_;
    std::vector<std::string> topics_;
};

class ScriptedEdges {
public:
    explicit ScriptedEdges(base::Now now) : link_(tunnel::LinkSide::relay, {}, now) {}

    void receive(base::ByteView message, base::Now now) {
        const auto event = link_.receive(message, now);
        if (std::holds_alternative<tunnel::Hello>(event))
            link_.send_control(encode(tunnel::Welcome{1, tunnel::kFrameBytesMax, 10, 1}));
        if (const auto* closed = std::get_if<tunnel::Closed>(&event)) closed_.push_back(*closed);
        if (const auto* bye = std::get_if<tunnel::Bye>(&event)) bye_ = *bye;
        if (const auto* frame = std::get_if<tunnel::SessionFrame>(&event)) take(*frame, now);
        EXPECT_FALSE(std::holds_alternative<tunnel::LinkFailed>(event));
    }
    bool take_output(base::Bytes& out) {
        for (auto& [id, session] : sessions_)
            while (auto frame = session.sender.next_frame())
                link_.send_ordered(id, std::move(*frame));
        return link_.take_output(out);
    }

    EdgeSession& open(std::uint64_t id, const std::string& edge, const tunnel::Log& log,
                      base::Now now) {
        const tunnel::SessionId session{id};
        link_.send_control(encode(tunnel::Opened{session, edge, {"#"}}));
        return sessions_.emplace(session, EdgeSession{tunnel::Sender(session, edge, log, {}, now)})
            .first->second;
    }
    void send(const base::Bytes& frame) { link_.send_control(frame); }

    const std::vector<tunnel::Closed>& closed() const { return closed_; }
    const std::optional<tunnel::Bye>& bye() const { return bye_; }

private:
    void take(const tunnel::SessionFrame& frame, base::Now now) {
        const auto found = sessions_.find(frame.session);
        if (found == sessions_.end()) return;
        auto& session = found->second;
        const auto event = session.sender.receive(frame, now);
        if (const auto* resume = std::get_if<tunnel::Resume>(&event)) session.resumed = *resume;
        if (const auto* acked = std::get_if<tunnel::Acked>(&event))
            session.acks.push_back(acked->position.seq);
        if (std::holds_alternative<tunnel::Echoed>(event)) ++session.echoes;
        if (std::holds_alternative<tunnel::SenderFailed>(event))
            ADD_FAILURE() << "the it-agent broke the protocol";
    }

    tunnel::Link link_;
    std::map<tunnel::SessionId, EdgeSession> sessions_;
    std::vector<tunnel::Closed> closed_;
    std::optional<tunnel::Bye> bye_;
};

}  // namespace sallyport::it_core
