// Records that the spool has no room for, owned, in the order in which they came: publishes of
// QoS > 0, whose acknowledgement waits with them, and changes of quality.
//
// A client that hears nothing for too long ends its connection and sends again, on its next one,
// what was not acknowledged. A QoS 1 publish that still waits then is not taken a second time: it
// keeps its place, and the newest copy is the one that is answered. Else a disk that is slower than
// its clients' patience would be kept busy with copies that nobody waits for any more, and those
// that somebody waits for would never come to their turn.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "common/mqtt/broker.hpp"
#include "common/tunnel/frame.hpp"
#include "edge-agent/spool/spool.hpp"

namespace sallyport::edge_core {

class WaitingRecords {
public:
    struct Waiting {
        tunnel::BatchRecord record;  // views value and properties
        base::Bytes value, properties;
        std::string client_id;
        mqtt::AckToken token;  // of the last time it was sent; none: a change of quality, a will
        std::optional<spool::Receipt> receipt;
        std::size_t bytes = 0;
    };

    explicit WaitingRecords(std::size_t bytes_max) : bytes_max_(bytes_max) {}
    WaitingRecords(const WaitingRecords&) = delete;
    WaitingRecords& operator=(const WaitingRecords&) = delete;
    ~WaitingRecords() = default;

    /// Keeps a copy behind what waits already; false beyond the bound.
    bool add(tunnel::BatchRecord record, const mqtt::Published& published,
             const std::optional<spool::Receipt>& receipt);
    bool add(tunnel::BatchRecord record);
    /// True: `record` is that of a publish that waits, sent once more: DUP is set, and client,
    /// packet identifier and bytes are the same.
    bool join(const tunnel::BatchRecord& record, const mqtt::Published& published);

    bool empty() const { return waiting_.empty(); }
    const Waiting& front() const { return waiting_.front(); }
    const Waiting& back() const { return waiting_.back(); }
    void pop_front();

private:
    using Name = std::pair<std::string_view, std::uint16_t>;  // views the client_id of its record

    bool add(Waiting waiting);
    static Name name_of(const Waiting& waiting) {
        return {waiting.client_id, waiting.token.packet_id};
    }

    std::size_t bytes_max_, bytes_ = 0;
    std::deque<Waiting> waiting_;
    std::map<Name, Waiting*> by_name_;  // the newest of each name
};

}  // namespace sallyport::edge_core
