// The it-agent's store as a model: a transaction is atomic, durable when it is done, and may be
// done although nobody lived to hear it. Its journal is what the checker takes for delivered.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "it-agent/sinks/store.hpp"

namespace sallyport::simulation {

/// One record as the sink had it.
struct Delivered {
    std::string edge;
    record::Epoch epoch = 0;
    record::Seq seq = 0;
    std::string value;
};

class ModelStore final : public sinks::Store {
public:
    explicit ModelStore(std::uint64_t id) { state_.store_id = id; }

    sinks::StoreState load() override;
    std::optional<std::string> commit(const sinks::StoreJob& job) override;

    /// The next `count` commits fail without effect.
    void fail(std::uint64_t count) { failures_left_ = count; }
    std::uint64_t failures() const { return failures_; }
    const std::vector<Delivered>& journal() const { return journal_; }
    /// The newest committed position of an edge over all its epochs; 0: none.
    record::Seq newest_position(const std::string& edge) const;

private:
    sinks::StoreState state_;
    std::map<std::pair<std::string, record::Epoch>, tunnel::Position> positions_;
    std::map<std::pair<std::string, std::string>, record::Quality> tags_;
    std::map<std::string, sinks::StoredRetained> retained_;
    std::vector<Delivered> journal_;
    std::uint64_t failures_left_ = 0, failures_ = 0;
};

}  // namespace sallyport::simulation
