// What the it-agent keeps on disk, and its one transaction: positions, tags and retained messages
// of the entries it hands over, the ledger of what it does not, and what of the broker outlives the
// process. Implemented with SQLite on the storage thread (runtime/), and by a model in the
// simulation.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/bytes.hpp"
#include "common/mqtt/durable_state.hpp"
#include "common/mqtt/packet.hpp"
#include "common/record/ledger.hpp"
#include "common/tunnel/frame.hpp"

namespace sallyport::sinks {

struct StoredPosition {
    std::string edge;  // "<plant>/<name>"
    tunnel::Position position;
};
struct StoredTag {
    std::string edge, topic;
    record::Quality quality = record::Quality::good;  // the tag's own, without overlays
};
struct StoredRetained {
    std::string topic;       // as emitted
    base::Bytes payload;     // empty: nothing is retained there any more
    base::Bytes properties;  // without Message Expiry Interval, which `expires_at` stands for
    mqtt::Qos qos = mqtt::Qos::at_most_once;
    std::optional<base::WallTime> expires_at{};
};

/// What a start finds.
struct StoreState {
    std::uint64_t store_id = 0;  // random, drawn when the store was made
    std::vector<StoredPosition> positions;
    std::vector<StoredTag> tags;
    std::vector<StoredRetained> retained;
    std::vector<record::LedgerRow> ledger{};
    mqtt::DurableState broker{};  // its retained messages are those of `retained`, once more
};

/// An entry whose records this transaction hands over.
struct HandedOver {
    std::string edge;
    std::shared_ptr<const base::Bytes> body;  // a schema::Batch
    record::Seq after = 0;                    // only records above this seq are new
};

/// One transaction: all of it or nothing, durable when it is done.
struct StoreJob {
    std::uint64_t id = 0;
    std::vector<StoredPosition> positions;
    std::vector<StoredTag> tags;
    std::vector<StoredRetained> retained;
    std::vector<HandedOver> handed_over;
    record::LedgerChange ledger;  // of what the positions pass, or will
    mqtt::DurableChanges broker;  // after all the others
};
struct StoreDone {
    std::uint64_t id = 0;
    std::optional<std::string> error;  // nothing: committed
};

class Store {
public:
    Store() = default;
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;
    virtual ~Store() = default;

    virtual StoreState load() = 0;
    /// On the storage thread. The error's text, or nothing when it is durable.
    virtual std::optional<std::string> commit(const StoreJob& job) = 0;
};

}  // namespace sallyport::sinks
