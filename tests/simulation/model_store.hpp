// The it-agent's store as a model: a transaction is atomic, durable when it is done, and may be
// done although nobody lived to hear it. Its journal is what the checker takes for delivered.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "it-agent/sinks/store.hpp"
#include "tests/unit/mqtt/model_store.hpp"

namespace sallyport::simulation {

/// One record as the sink had it.
struct Delivered {
    std::string edge;
    record::Epoch epoch = 0;
    record::Seq seq = 0;
    std::vector<record::TagId> tags;
    record::Quality quality = record::Quality::good;
    bool has_value = false;
    std::string value;
    mqtt::Qos qos = mqtt::Qos::at_most_once;
};

class ModelStore final : public sinks::Store {
public:
    explicit ModelStore(std::uint64_t id) { contents_.store_id = id; }

    sinks::StoreState load() override;
    std::optional<std::string> commit(const sinks::StoreJob& job) override;

    /// The next `count` commits fail without effect.
    void fail(std::uint64_t count) { failures_left_ = count; }
    std::uint64_t failures() const { return failures_; }
    const std::vector<Delivered>& journal() const { return contents_.journal; }
    std::map<std::string, std::string> retained() const;
    /// What the broker's rows contradict each other in; empty: nothing.
    const std::string& broker_faults() const { return contents_.broker.faults; }
    /// The committed position in an epoch of an edge; 0: none.
    record::Seq position(const std::string& edge, record::Epoch epoch) const;
    /// Of a record that was not delivered: no position has passed it, or it stands in the ledger.
    /// By seq: a gap is of the run in which it ends, and may begin in an earlier one.
    bool is_settled(const std::string& edge, record::Seq seq) const;

    /// Another store takes its place, empty.
    void lose(std::uint64_t new_id);
    /// A copy is taken; it may take the store's place later.
    void copy() { copy_ = contents_; }
    bool has_copy() const { return copy_.has_value(); }
    void restore() { contents_ = *copy_; }

private:
    struct Contents {
        std::uint64_t store_id = 0;
        std::map<std::pair<std::string, record::Epoch>, tunnel::Position> positions;
        std::map<std::pair<std::string, std::string>, record::Quality> tags;
        mqtt::ModelStore broker;  // the sink's retained messages too
        std::map<std::uint64_t, record::LedgerRow> ledger;
        std::vector<Delivered> journal;
    };

    Contents contents_;
    std::optional<Contents> copy_;
    std::uint64_t failures_left_ = 0, failures_ = 0;
};

}  // namespace sallyport::simulation
