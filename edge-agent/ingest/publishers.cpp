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

void Publishers::published(std::string_view client, record::TagId tag, bool is_will) {
    if (last_publisher_ == nullptr || last_client_ != client) {
        auto found = publishers_.find(client);
        if (found == publishers_.end()) found = publishers_.emplace(client, Publisher{}).first;
        last_client_ = client;
        last_publisher_ = &found->second;
    }
    if (tag >= tags_.size()) tags_.resize(std::max<std::size_t>(tag + 1, tags_.size() * 2));
    auto& state = tags_[tag];
    state.quality = Quality::good;
    if (is_will) last_publisher_->will_tag = tag;
    if (state.publisher == last_publisher_) return;
    state.publisher = last_publisher_;
    last_publisher_->tags.push_back(tag);
}

std::optional<QualityChange> Publishers::connected(std::string_view client) {
    const auto found = publishers_.find(client);
    if (found == publishers_.end()) return std::nullopt;
    if (std::exchange(found->second.stale_at, std::nullopt)) find_next_stale();
    found->second.will_tag.reset();
    return change(found->second, Quality::uncertain_last_usable, Quality::bad_not_connected);
}

std::optional<QualityChange> Publishers::gone(std::string_view client, bool in_order,
                                              base::Now now) {
    const auto found = publishers_.find(client);
    if (found == publishers_.end()) return std::nullopt;
    if (in_order) {
        found->second.stale_at = now.instant + kStaleAfterDisconnect;
        next_stale_ = base::earlier(next_stale_, found->second.stale_at);
        return std::nullopt;
    }
    return change(found->second, Quality::bad_not_connected, std::nullopt);
}

std::optional<QualityChange> Publishers::expire(base::Now now) {
    if (!next_stale_ || *next_stale_ > now.instant) return std::nullopt;
    for (auto& [client, publisher] : publishers_) {
        if (!publisher.stale_at || *publisher.stale_at > now.instant) continue;
        publisher.stale_at.reset();
        find_next_stale();
        if (auto changed = change(publisher, Quality::uncertain_last_usable, Quality::good))
            return changed;
    }
    return std::nullopt;
}

void Publishers::find_next_stale() {
    next_stale_.reset();
    for (const auto& [client, publisher] : publishers_)
        next_stale_ = base::earlier(next_stale_, publisher.stale_at);
}

std::optional<QualityChange> Publishers::change(Publisher& publisher, Quality to,
                                                std::optional<Quality> only_from) {
    std::erase_if(publisher.tags,
                  [&](record::TagId tag) { return tags_[tag].publisher != &publisher; });
    QualityChange changed{to, {}};
    for (const auto tag : publisher.tags) {
        auto& quality = tags_[tag].quality;
        if (quality == to || tag == publisher.will_tag || (only_from && quality != *only_from))
            continue;
        quality = to;
        changed.tags.push_back(tag);
    }
    if (changed.tags.empty()) return std::nullopt;
    return changed;
}

}  // namespace sallyport::ingest
