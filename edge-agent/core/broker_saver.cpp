#include "edge-agent/core/broker_saver.hpp"

#include <utility>

#include "common/base/assert.hpp"

namespace sallyport::edge_core {

std::optional<BrokerJob> BrokerSaver::next_job(base::Now now) {
    if (out_ || (retry_at_ && now.instant < *retry_at_)) return std::nullopt;
    if (!batch_) {
        auto changes = broker_.next_changes();
        if (!changes) return std::nullopt;
        batch_ = std::make_shared<const mqtt::DurableChanges>(std::move(*changes));
    }
    retry_at_.reset();
    out_ = true;
    return BrokerJob{batch_};
}

void BrokerSaver::complete(const BrokerDone& done, base::Now now) {
    SALLYPORT_ASSERT(out_ && done.upto == batch_->upto);
    out_ = false;
    failing_ = done.error.has_value();
    if (failing_) {
        retry_at_ = now.instant + kRetryAfter;
        return;
    }
    batch_.reset();
    broker_.changes_saved(done.upto, now);
}

}  // namespace sallyport::edge_core
