// The owner's own messages, at once or in two steps around its commit.
#include <algorithm>
#include <utility>

#include "common/mqtt/broker_impl.hpp"
#include "common/mqtt/decode.hpp"

namespace sallyport::mqtt {
namespace {

Publish to_publish(const Message& message) {
    Publish packet;
    packet.topic = message.topic;
    packet.payload = message.payload;
    packet.properties = message.properties;
    packet.qos = message.qos;
    packet.retain = message.retain;
    return packet;
}

}  // namespace

void Broker::Impl::publish(const Message& message, base::Now now) {
    now_ = now;
    passing_owner_keeps_ = message.owner_keeps_retained;
    distribute(to_publish(message), nullptr);
    passing_owner_keeps_ = false;
    release_saved();
}

void Broker::Impl::set_retained(const Message& message, base::Now now) {
    now_ = now;
    StoredMessagePtr stored;
    if (!message.payload.empty()) {
        stored = store(to_publish(message), {}, now_.instant);
        stored->owner_keeps_retained = message.owner_keeps_retained;
    }
    passing_owner_keeps_ = message.owner_keeps_retained;
    retain(message.topic, stored);
    passing_owner_keeps_ = false;
}

std::uint64_t Broker::Impl::publish_to_lasting(const Message& message, base::Now now) {
    now_ = now;
    const std::uint64_t stage = ++last_stage_;
    step_ = Step::lasting;
    distribute(to_publish(message), nullptr);
    step_ = Step::all;
    if (message.retain) stage_retained(message, stage);
    if (!stage_.sessions.empty() || !stage_.groups.empty()) {
        std::ranges::sort(stage_.sessions);
        std::ranges::sort(stage_.groups);
        stages_.emplace(stage, std::exchange(stage_, {}));
    }
    release_saved();
    return stage;
}

void Broker::Impl::publish_to_passing(const Message& message, std::uint64_t stage, base::Now now) {
    now_ = now;
    if (const auto served = stages_.find(stage); served != stages_.end()) {
        stage_ = std::move(served->second);
        stages_.erase(served);
    }
    step_ = Step::passing;
    const auto expiry = find_property(message.properties, PropertyId::message_expiry_interval);
    if (!expiry || expiry->number > 0) distribute(to_publish(message), nullptr);
    step_ = Step::all;
    stage_ = {};
    if (message.retain && stage != kUnstaged)
        show_staged_retained(message.topic, stage);
    else if (message.retain)
        set_retained(message, now);
    release_saved();
}

/// The retained copy is on its way to the disk, and replaces what late subscribers are given only
/// in the second step.
void Broker::Impl::stage_retained(const Message& message, std::uint64_t stage) {
    StoredMessagePtr stored;
    if (!message.payload.empty()) {
        stored = store(to_publish(message), {}, now_.instant);
        stored->owner_keeps_retained = message.owner_keeps_retained;
    }
    const auto [staged, is_first] = staged_retained_.try_emplace(std::string(message.topic));
    const bool is_new = is_first && retained_.find(message.topic) == nullptr;
    staged->second = {stage, stored};
    if (stored)
        keep_retained(stored, is_new);
    else if (message.owner_keeps_retained)
        forget_retained(message.topic);
    else if (!is_new)
        unkeep_retained(message.topic);
}

/// Unless another publish has overtaken it in between, or a later stage is to come.
void Broker::Impl::show_staged_retained(std::string_view topic, std::uint64_t stage) {
    const auto staged = staged_retained_.find(topic);
    if (staged == staged_retained_.end() || staged->second.stage != stage) return;
    const StoredMessagePtr message = std::move(staged->second.message);
    staged_retained_.erase(staged);
    if (!message) {
        retained_.erase(topic);
        counters_.retained = retained_.size();
        return;
    }
    if (!show_retained(message) && !message->owner_keeps_retained) unkeep_retained(topic);
}

/// Into the store of what subscribers are given. What has expired goes from there and from the
/// disk. False: there was no room, and nothing is shown on its topic any more.
bool Broker::Impl::show_retained(const StoredMessagePtr& message) {
    retained_expired_.clear();
    const bool is_there = retained_.set(message, now_.instant, &retained_expired_);
    for (const auto& expired : retained_expired_)
        if (expired->topic != message->topic && !expired->owner_keeps_retained &&
            !staged_retained_.contains(expired->topic))
            unkeep_retained(expired->topic);
    retained_expired_.clear();
    counters_.retained = retained_.size();
    return is_there;
}

bool Broker::Impl::replace_retained(std::string_view topic, std::optional<base::ByteView> payload,
                                    base::ByteView properties) {
    const auto shown = retained_.find(topic);
    if (!shown) return false;
    const auto changed = altered(*shown, payload, properties);
    if (staged_retained_.contains(topic))  // which is another message, and on its way to the disk
        show_retained(changed);
    else
        retain(topic, changed);
    return true;
}

StoredMessagePtr Broker::Impl::altered(const StoredMessage& message,
                                       std::optional<base::ByteView> payload,
                                       base::ByteView properties) {
    Publish packet;
    packet.properties = properties;
    auto changed = std::make_shared<StoredMessage>(message);
    changed->number = 0;  // another message than the one that queues hold
    changed->deliveries = 0;
    if (payload) changed->payload.assign(payload->begin(), payload->end());
    const auto fresh = store(packet, {}, now_.instant);
    changed->properties = fresh->properties;
    if (fresh->expires_at) changed->expires_at = fresh->expires_at;
    return changed;
}

}  // namespace sallyport::mqtt
