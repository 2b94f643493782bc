#include "edge-agent/ingest/publishers.hpp"

#include <algorithm>
#include <utility>

namespace sallyport::ingest {

using record::Quality;

std::optional<QualityChange> Publishers::restarted(std::vector<record::TagId> tags) {
    if (tags.empty()) return std::nullopt;
    tags_.resize(std::ranges::max(tags) + 1);
    for (const auto tag : tags) tags_[tag].quality = Quality::uncertain_last_usable;
    return QualityChange{Quality::uncertain_last_usable, std::move(tags)};
}

Publishers::Entry& Publishers::entry_of(std::string_view client) {
    if (last_ != nullptr && last_->first == client) return *last_;
    auto found = publishers_.find(client);
    if (found == publishers_.end()) found = publishers_.emplace(client, Publisher{}).first;
    last_ = &*found;
    return *found;
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
    const bool was_due = publisher.stale_at.has_value();
    if (last_ == entry) last_ = nullptr;
    publishers_.erase(publishers_.find(entry->first));
    if (was_due) find_next_stale();
}

void Publishers::published(std::string_view client, record::TagId tag, bool is_will) {
    auto& entry = entry_of(client);
    if (tag >= tags_.size()) tags_.resize(std::max<std::size_t>(tag + 1, tags_.size() * 2));
    auto& state = tags_[tag];
    state.quality = Quality::good;
    if (is_will) entry.second.will_tag = tag;
    if (state.publisher == &entry) return;
    take_from(state);
    state.publisher = &entry;
    state.place = entry.second.tags.size();
    entry.second.tags.push_back(tag);
}

std::optional<QualityChange> Publishers::connected(std::string_view client) {
    const auto found = publishers_.find(client);
    if (found == publishers_.end()) return std::nullopt;
    found->second.online = true;
    if (std::exchange(found->second.stale_at, std::nullopt)) find_next_stale();
    found->second.will_tag.reset();
    return change(found->second, tags_, Quality::uncertain_last_usable, Quality::bad_not_connected);
}

std::optional<QualityChange> Publishers::gone(std::string_view client, bool in_order,
                                              base::Now now) {
    const auto found = publishers_.find(client);
    if (found == publishers_.end()) return std::nullopt;
    found->second.online = false;
    if (in_order) {
        found->second.stale_at = now.instant + kStaleAfterDisconnect;
        next_stale_ = base::earlier(next_stale_, found->second.stale_at);
        return std::nullopt;
    }
    return change(found->second, tags_, Quality::bad_not_connected, std::nullopt);
}

std::optional<QualityChange> Publishers::expire(base::Now now) {
    if (!next_stale_ || *next_stale_ > now.instant) return std::nullopt;
    for (auto& [client, publisher] : publishers_) {
        if (!publisher.stale_at || *publisher.stale_at > now.instant) continue;
        publisher.stale_at.reset();
        find_next_stale();
        if (auto changed = change(publisher, tags_, Quality::uncertain_last_usable, Quality::good))
            return changed;
    }
    return std::nullopt;
}

void Publishers::find_next_stale() {
    next_stale_.reset();
    for (const auto& [client, publisher] : publishers_)
        next_stale_ = base::earlier(next_stale_, publisher.stale_at);
}

std::optional<QualityChange> Publishers::change(Publisher& publisher, std::vector<TagState>& tags,
                                                Quality to, std::optional<Quality> only_from) {
    QualityChange changed{to, {}};
    for (const auto tag : publisher.tags) {
        auto& quality = tags[tag].quality;
        if (quality == to || tag == publisher.will_tag || (only_from && quality != *only_from))
            continue;
        quality = to;
        changed.tags.push_back(tag);
    }
    if (changed.tags.empty()) return std::nullopt;
    return changed;
}

}  // namespace sallyport::ingest
