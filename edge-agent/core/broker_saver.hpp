// The way of the broker's changes to the disk: one batch under way at a time, and the same one
// again, a second later, until the store has taken it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "common/base/time.hpp"
#include "common/mqtt/broker.hpp"

namespace sallyport::edge_core {

/// One transaction, for the storage thread.
struct BrokerJob {
    std::shared_ptr<const mqtt::DurableChanges> changes;
};
struct BrokerDone {
    std::uint64_t upto = 0;            // of the job's changes
    std::optional<std::string> error;  // nothing: it is on the disk
};

class BrokerSaver {
public:
    static constexpr base::Duration kRetryAfter = std::chrono::seconds(1);

    explicit BrokerSaver(mqtt::Broker& broker) : broker_(broker) {}

    std::optional<BrokerJob> next_job(base::Now now);
    void complete(const BrokerDone& done, base::Now now);
    std::optional<base::Instant> next_deadline() const { return retry_at_; }
    bool is_failing() const { return failing_; }

private:
    mqtt::Broker& broker_;
    std::shared_ptr<const mqtt::DurableChanges> batch_;  // until it is saved
    bool out_ = false;                                   // it is with the storage thread
    bool failing_ = false;
    std::optional<base::Instant> retry_at_;
};

}  // namespace sallyport::edge_core
