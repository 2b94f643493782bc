// Records that the spool has no room for, owned, in the order in which they came: publishes of
// QoS > 0, whose acknowledgement waits with them, and changes of quality.
//
// A client that hears nothing for too long ends its connection and sends again, on its next one,
// what was not acknowledged. A QoS 1 publish that still waits then is not taken a second time: it
// keeps its place, and the newest copy is the one that is answered. Else a disk that is slower than
// its clients' patience would be kept busy with copies that nobody waits for any more, and those
// that somebody waits for would never come to their turn. For the same reason a client is read on
// until a window of its publishes waits: what it sends again finds its places at once.
#pragma once

#include <algorithm>
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

    struct Limits {
        std::size_t bytes_max = 0;             // of all
        std::size_t publishes_per_client = 1;  // the window; it ends, too, where a client has a
                                               // 16th of bytes_max, and is 1 where half is taken
    };
    explicit WaitingRecords(const Limits& limits) : limits_(limits) {}
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

    /// The client's window is full: it is not to be read on until pop_front() returns its token.
    bool fills_window(const mqtt::Published& published);

    bool empty() const { return waiting_.empty(); }
    const Waiting& front() const { return waiting_.front(); }
    const Waiting& back() const { return waiting_.back(); }
    /// The newest token of a client that is to be read on, as half of its window has become free.
    std::optional<mqtt::AckToken> pop_front();

private:
    struct Share {
        std::size_t publishes = 0, bytes = 0;
        std::optional<mqtt::AckToken> unread;  // its window is full, or was a moment ago
    };
    using Name = std::pair<std::string_view, std::uint16_t>;  // views the client_id of its record

    bool add(Waiting waiting);
    bool is_within(const Share& share, std::size_t part) const {
        const auto most = bytes_ > limits_.bytes_max / 2 ? 1 : limits_.publishes_per_client;
        return share.publishes < std::max<std::size_t>(most / part, 1) &&
               share.bytes < limits_.bytes_max / kClientsPerBytes / part;
    }
    static Name name_of(const Waiting& waiting) {
        return {waiting.client_id, waiting.token.packet_id};
    }

    static constexpr std::size_t kClientsPerBytes = 16;

    Limits limits_;
    std::size_t bytes_ = 0;
    std::deque<Waiting> waiting_;
    std::map<std::string, Share, std::less<>> shares_;  // of each client that has a publish here
    std::map<Name, Waiting*> by_name_;                  // the newest of each name
};

}  // namespace sallyport::edge_core
