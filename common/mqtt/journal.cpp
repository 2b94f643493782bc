#include "common/mqtt/journal.hpp"

#include <functional>
#include <utility>

#include "common/base/assert.hpp"

namespace sallyport::mqtt {
namespace {

std::shared_ptr<const DurableMessage> copy_durable(const StoredMessage& message, base::Now now) {
    return std::make_shared<const DurableMessage>(to_durable(message, now));
}

}  // namespace

DurableMessage to_durable(const StoredMessage& message, base::Now now) {
    DurableMessage durable{message.topic,     message.payload, message.properties,
                           message.publisher, message.qos,     std::nullopt};
    if (message.expires_at) durable.expires_at = now.wall + (*message.expires_at - now.instant);
    return durable;
}

std::size_t Journal::ThingHash::operator()(const Thing& thing) const noexcept {
    constexpr std::uint64_t kOdd = 0x9E37'79B9'7F4A'7C15U;
    std::uint64_t hash = std::hash<std::string_view>{}(thing.text);
    for (const std::uint64_t part :
         {static_cast<std::uint64_t>(thing.kind), thing.owner, thing.number}) {
        hash = (hash ^ part) * kOdd;
        hash ^= hash >> 32U;
    }
    return hash;
}

void Journal::put(const Thing& thing, DurableChange change, bool is_new, StoredMessagePtr message) {
    ++last_;
    const auto [at, is_first] = by_thing_.try_emplace(thing, open_.end());
    if (is_first) {
        at->second = open_.insert(open_.end(), {std::move(change), std::move(message), is_new});
        return;
    }
    at->second->change = std::move(change);
    at->second->message = std::move(message);
}

void Journal::drop(const Thing& thing, DurableChange gone) {
    ++last_;
    const auto at = by_thing_.find(thing);
    if (at == by_thing_.end()) {
        const auto entry = open_.insert(open_.end(), {std::move(gone), {}, false});
        by_thing_.emplace(thing, entry);
    } else if (at->second->is_new) {
        open_.erase(at->second);
        by_thing_.erase(at);
    } else {
        at->second->change = std::move(gone);
        at->second->message.reset();
    }
    settle();
}

void Journal::drop_last(const Thing& thing, DurableChange gone) {
    ++last_;
    const auto at = by_thing_.find(thing);
    const bool was_never_there = at != by_thing_.end() && at->second->is_new;
    if (!was_never_there) open_.push_back({std::move(gone), {}, false});
    forget(thing);
}

void Journal::forget(const Thing& thing) {
    const auto at = by_thing_.find(thing);
    if (at == by_thing_.end()) return;
    open_.erase(at->second);
    by_thing_.erase(at);
    settle();
}

void Journal::add(DurableChange change) {
    ++last_;
    open_.push_back({std::move(change), {}, false});
}

/// Where nothing is left to be written, nothing has to be waited for.
void Journal::settle() {
    if (open_.empty() && !under_way_) saved_ = last_;
}

std::optional<DurableChanges> Journal::take(base::Now now) {
    if (under_way_ || open_.empty()) return std::nullopt;
    DurableChanges batch{last_, {}};
    batch.changes.reserve(open_.size());
    for (Entry& entry : open_) {
        if (entry.message) {
            if (auto* message = std::get_if<MessagePut>(&entry.change))
                message->message = copy_durable(*entry.message, now);
            else if (auto* retained = std::get_if<RetainedPut>(&entry.change))
                retained->message = copy_durable(*entry.message, now);
        }
        batch.changes.push_back(std::move(entry.change));
    }
    open_.clear();
    by_thing_.clear();
    under_way_ = last_;
    return batch;
}

void Journal::saved(std::uint64_t upto) {
    SALLYPORT_ASSERT(under_way_ == upto);
    under_way_.reset();
    saved_ = upto;
    settle();
}

}  // namespace sallyport::mqtt
