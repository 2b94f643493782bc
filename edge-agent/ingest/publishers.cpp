#include "edge-agent/ingest/publishers.hpp"

#include <algorithm>
#include <utility>

namespace sallyport::ingest {

using record::Quality;

namespace {

/// What is bad, or has been told to be old, does not become stale: that would make it look better.
bool can_become_stale(Quality quality) {
    return !record::is_bad(quality) && quality != Quality::uncertain_last_usable;
}

}  // namespace

Publishers::Publishers(const std::vector<QualityPolicy>& policies)
    : after_disconnect_(timers_.queue_for(kStaleAfterDisconnect)) {
    policies_.emplace_back();
    for (const auto& policy : policies) {
        auto& made = policies_.emplace_back(
            Policy{std::nullopt, policy.keep_on_disconnect, policy.restore_on_reconnect});
        if (policy.stale_after) made.stale_queue = timers_.queue_for(*policy.stale_after);
    }
}

Publishers::TagState& Publishers::state_of(record::TagId tag) {
    if (tag >= tags_.size()) tags_.resize(std::max<std::size_t>(tag + 1, tags_.size() * 2));
    return tags_[tag];
}

QualityChanges Publishers::restarted(const std::vector<KnownTag>& tags, base::Now now) {
    QualityChanges changes;
    for (const auto& known : tags) {
        auto& state = state_of(known.tag);
        state.policy = known.rule ? static_cast<std::uint32_t>(*known.rule + 1) : 0;
        state.own = Quality::uncertain_last_usable;
        change(known.tag, Quality::uncertain_last_usable, changes);
        if (known.publisher.empty()) continue;
        auto& entry = entry_of(known.publisher, false);
        entry.second.awaited = true;
        give_to(entry, known.tag);
        back_until_ = now.instant + kBackAfterRestart;
    }
    return changes;
}

Publishers::Entry& Publishers::entry_of(std::string_view client, bool online) {
    if (last_ != nullptr && last_->first == client) return *last_;
    auto found = publishers_.find(client);
    if (found == publishers_.end()) {
        found = publishers_.emplace(client, Publisher{}).first;
        found->second.online = online;
    }
    last_ = &*found;
    return *found;
}

void Publishers::give_to(Entry& entry, record::TagId tag) {
    auto& state = tags_[tag];
    take_from(state);
    state.publisher = &entry;
    state.place = static_cast<std::uint32_t>(entry.second.tags.size());
    entry.second.tags.push_back(tag);
}

/// The tag leaves whoever published it last; who is gone and has no tag left is forgotten.
void Publishers::take_from(TagState& state) {
    auto* const entry = std::exchange(state.publisher, nullptr);
    if (entry == nullptr) return;
    auto& publisher = entry->second;
    const auto moved = publisher.tags.back();
    tags_[moved].place = state.place;
    publisher.tags[state.place] = moved;
    publisher.tags.pop_back();
    if (publisher.online || !publisher.tags.empty()) return;
    if (last_ == entry) last_ = nullptr;
    publishers_.erase(publishers_.find(entry->first));
}

void Publishers::published(const Update& update, base::Now now) {
    // A will speaks for a client that is gone.
    auto& entry = entry_of(update.client, !update.is_will);
    auto& state = state_of(update.tag);
    state.own = state.shown = update.quality;
    state.policy = static_cast<std::uint32_t>(update.rule + 1);
    if (update.is_will) entry.second.will_tag = update.tag;
    if (const auto queue = policy_of(state).stale_queue)
        timers_.begin(*queue, update.tag, now);
    else
        timers_.end(update.tag);
    if (state.publisher == &entry) return;
    give_to(entry, update.tag);
    last_ = &entry;
    not_saved(update.tag);
}

QualityChanges Publishers::connected(std::string_view client) {
    QualityChanges changes;
    const auto found = publishers_.find(client);
    if (found == publishers_.end()) return changes;
    auto& publisher = found->second;
    publisher.online = true;
    publisher.awaited = false;
    publisher.will_tag.reset();
    for (const auto tag : publisher.tags) {
        if (!policy_of(tags_[tag]).stale_queue) timers_.end(tag);
        if (tags_[tag].shown != tags_[tag].own) change(tag, when_back(tag), changes);
    }
    return changes;
}

/// What a tag that its publisher's absence has changed is when the publisher is back.
Quality Publishers::when_back(record::TagId tag) const {
    const auto& state = tags_[tag];
    if (record::is_bad(state.own)) return state.own;
    const auto& policy = policy_of(state);
    const bool is_in_time = !policy.stale_queue || timers_.waits(tag);
    return policy.restore_on_reconnect && is_in_time ? state.own : Quality::uncertain_last_usable;
}

QualityChanges Publishers::gone(std::string_view client, bool in_order, base::Now now) {
    QualityChanges changes;
    const auto found = publishers_.find(client);
    if (found == publishers_.end()) return changes;
    auto& publisher = found->second;
    publisher.online = false;
    for (const auto tag : publisher.tags) {
        const auto& policy = policy_of(tags_[tag]);
        if (!in_order) {
            if (tag != publisher.will_tag) change(tag, Quality::bad_not_connected, changes);
        } else if (!policy.stale_queue && !policy.keep_on_disconnect) {
            timers_.begin(after_disconnect_, tag, now);
        }
    }
    if (publisher.tags.empty()) {
        if (last_ == &*found) last_ = nullptr;
        publishers_.erase(found);
    }
    return changes;
}

QualityChanges Publishers::expire(base::Now now) {
    QualityChanges changes;
    for (const auto tag : timers_.take_due(now))
        if (can_become_stale(tags_[tag].shown))
            change(tag, Quality::uncertain_last_usable, changes);
    if (back_until_ && *back_until_ <= now.instant) {
        back_until_.reset();
        miss_awaited(changes);
    }
    return changes;
}

/// A minute after the edge's start: whoever is not back has lost its tags. Where leaving in order
/// says nothing (on_disconnect = "keep"), nor does being away.
void Publishers::miss_awaited(QualityChanges& changes) {
    for (auto& [client, publisher] : publishers_) {
        if (!std::exchange(publisher.awaited, false)) continue;
        for (const auto tag : publisher.tags)
            if (!policy_of(tags_[tag]).keep_on_disconnect)
                change(tag, Quality::bad_not_connected, changes);
    }
}

void Publishers::change(record::TagId tag, Quality to, QualityChanges& changes) {
    auto& shown = tags_[tag].shown;
    if (shown == to) return;
    shown = to;
    auto same = std::ranges::find(changes, to, &QualityChange::quality);
    if (same == changes.end()) same = changes.insert(same, {to, {}});
    same->tags.push_back(tag);
}

Quality Publishers::quality(record::TagId tag) const {
    return tag < tags_.size() ? tags_[tag].shown : Quality::good;
}

std::string_view Publishers::publisher(record::TagId tag) const {
    if (tag >= tags_.size() || tags_[tag].publisher == nullptr) return {};
    return tags_[tag].publisher->first;
}

std::vector<record::TagId> Publishers::take_unsaved(std::size_t max) {
    const auto count = std::min(max, unsaved_.size());
    const auto rest = unsaved_.end() - static_cast<std::ptrdiff_t>(count);
    std::vector<record::TagId> taken(rest, unsaved_.end());
    unsaved_.erase(rest, unsaved_.end());
    for (const auto tag : taken) tags_[tag].unsaved = false;
    return taken;
}

void Publishers::not_saved(record::TagId tag) {
    if (!std::exchange(tags_[tag].unsaved, true)) unsaved_.push_back(tag);
}

}  // namespace sallyport::ingest
