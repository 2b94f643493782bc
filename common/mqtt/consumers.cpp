// Sessions named in BrokerOptions::consumers: what waits for them is waited for.
#include "common/mqtt/broker_impl.hpp"

namespace sallyport::mqtt {

std::vector<ConsumerState> Broker::Impl::consumers() const {
    std::vector<ConsumerState> all;
    all.reserve(options_.consumers.size());
    for (const auto& client_id : options_.consumers) {
        auto& state = all.emplace_back();
        state.client_id = client_id;
        state.lost_messages = consumers_.find(client_id)->second;
        const auto found = sessions_.find(client_id);
        if (found == sessions_.end()) continue;
        const Session& session = *found->second;
        state.has_session = true;
        state.connected = online(session) != nullptr;
        state.waiting_messages = session.outbound.waiting() + session.outbound.in_flight();
        state.waiting_bytes = session.outbound.bytes();
        state.holding_since = session.holding_since;
    }
    return all;
}

/// What is published in the second step adds nothing to the queue of a lasting consumer.
bool Broker::Impl::holds_back_passing() const {
    if (holding_ == 0) return false;
    std::size_t by_consumers = 0;
    for (const auto& [client_id, lost] : consumers_) {
        const auto found = sessions_.find(client_id);
        if (found == sessions_.end()) continue;
        const Session& session = *found->second;
        if (session.lists_are_kept && session.holding_since) ++by_consumers;
    }
    return holding_ > by_consumers;
}

/// A consumer's is as long as it asks for: at an expiry all would be lost that waits there.
base::Duration Broker::Impl::session_expiry_max(std::string_view client_id) const {
    if (!consumers_.contains(client_id)) return limits_.max_session_expiry;
    return std::chrono::seconds(0xFFFF'FFFFLL);  // 3.1.2.11.2: it does not expire
}

/// Its session ends, by its own will or at its expiry, and with it what waits there.
void Broker::Impl::let_go_of_consumer(Session& session) {
    auto& lost = consumers_.find(session.client_id)->second;
    session.outbound.for_each([&](const Delivery& delivery) {
        if (delivery.message) ++lost;  // of one that is released its client has the message
    });
    if (session.holding_since) --holding_;
    session.holding_since.reset();
}

}  // namespace sallyport::mqtt
