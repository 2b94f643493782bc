#include "edge-agent/core/edge_core.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/tunnel/frame.hpp"

namespace sallyport::edge_core {
namespace {

constexpr std::size_t kQualityTagsMax = 4096;  // tags of one quality record
constexpr base::Duration kStateCheckInterval = std::chrono::milliseconds(200);

uplink::UplinkOptions uplink_options(const EdgeOptions& options) {
    uplink::UplinkOptions made;
    made.plant = options.plant;
    made.name = options.name;
    made.destinations = options.destinations;
    made.link_timers = options.link_timers;
    made.sender_timers = options.sender_timers;
    made.process = options.seed;
    return made;
}

}  // namespace

EdgeCore::EdgeCore(EdgeOptions options, std::unique_ptr<spool::Spool> spool, base::Now now)
    : options_(std::move(options)),
      spool_(std::move(spool)),
      broker_(options_.broker, options_.seed),
      classifier_(options_.forwards, *spool_),
      uplink_(uplink_options(options_), *spool_, now) {
    std::vector<record::TagId> tags;
    for (record::TagId tag = 0; tags.size() < spool_->tag_count(); ++tag)
        if (spool_->topic(tag)) tags.push_back(tag);
    if (const auto change = publishers_.restarted(std::move(tags))) record_quality(*change, now);
}

void EdgeCore::opened(base::ConnectionId id, const base::Peer& peer, base::Now now) {
    if (base::is_dialled(id))
        uplink_.opened(id, peer, now);
    else
        broker_.opened(id, peer, now);
    settle(now);
}

void EdgeCore::received(base::ConnectionId id, base::ByteView bytes, base::Now now) {
    if (base::is_dialled(id))
        uplink_.received(id, bytes, now);
    else
        broker_.receive(id, bytes, now);
    settle(now);
}

void EdgeCore::progressed(base::ConnectionId id, base::Now now) {
    if (base::is_dialled(id)) uplink_.progressed(now);
}

void EdgeCore::closed(base::ConnectionId id, base::CloseCause cause, base::Now now) {
    if (base::is_dialled(id))
        uplink_.closed(cause, now);
    else
        broker_.closed(id, cause, now);
    settle(now);
}

void EdgeCore::expire(base::Now now) {
    broker_.expire(now);
    uplink_.expire(now);
    while (auto change = publishers_.expire(now)) record_quality(*change, now);
    settle(now);
}

std::optional<base::Instant> EdgeCore::next_deadline() const {
    const auto inside = base::earlier(broker_.next_deadline(), uplink_.next_deadline());
    return base::earlier(inside,
                         base::earlier(publishers_.next_deadline(), spool_->next_deadline()));
}

/// Carries what one input caused through the edge: events into the spool, room to who waits for it,
/// acknowledgements out, synced entries onto the link.
void EdgeCore::settle(base::Now now) {
    while (const auto event = broker_.next_event()) {
        if (const auto* published = std::get_if<mqtt::Published>(&*event)) {
            handle(*published, now);
        } else if (const auto* connected = std::get_if<mqtt::ClientConnected>(&*event)) {
            if (auto change = publishers_.connected(connected->client_id))
                record_quality(*change, now);
        } else if (const auto* gone = std::get_if<mqtt::ClientGone>(&*event)) {
            if (gone->taken_over) continue;
            if (auto change = publishers_.gone(gone->client_id, gone->by_disconnect, now))
                record_quality(*change, now);
        }
    }
    admit_waiting(now);
    release_acks(now);
    uplink_.pump(now);
    publish_tunnel_state(now);
}

void EdgeCore::handle(const mqtt::Published& published, base::Now now) {
    const auto acknowledge = [&](mqtt::ReasonCode reason) {
        if (published.qos != mqtt::Qos::at_most_once)
            broker_.acknowledge(published.token, reason, now);
    };
    if (published.topic.size() > tunnel::kTopicBytesMax && classifier_.rule_of(published.topic)) {
        ++refused_topics_;
        acknowledge(mqtt::ReasonCode::topic_name_invalid);
        return;
    }
    const auto tag = classifier_.classify(published.topic);
    if (!tag) {
        acknowledge(mqtt::ReasonCode::success);
        return;
    }
    if (*tag == 0) {
        if (refused_topics_++ == 0)
            notices_.add(base::NoticeLevel::alarm,
                         "the spool's tag limit is reached: new topics are refused (MQTT 3.1.1 "
                         "clients cannot be told)");
        acknowledge(mqtt::ReasonCode::quota_exceeded);
        return;
    }
    publishers_.published(published.client_id, *tag, published.is_will);
    tunnel::BatchRecord record;
    record.tag = *tag;
    record.flags = static_cast<std::uint16_t>(
        record::kHasValue | record::qos_bits(static_cast<unsigned>(published.qos)) |
        (published.retain ? record::kRetain : 0));
    record.source_time = record.arrival_time = now.wall;
    record.value = published.payload;
    record.properties = published.properties;
    accept(std::move(record), published, now);
}

void EdgeCore::accept(tunnel::BatchRecord record, const mqtt::Published& published, base::Now now) {
    const bool at_most_once = published.qos == mqtt::Qos::at_most_once;
    if (waiting_.empty()) {
        if (const auto seq = spool_->append(record, now)) {
            ++forwarded_;
            if (!at_most_once) pending_acks_.push_back({*seq, published.token});
            return;
        }
    }
    // QoS 0 is shed first. The sender of a QoS > 0 publish beyond the bound is cut off: it sends
    // again, on its next connection, what was not acknowledged.
    if (at_most_once)
        ++shed_qos0_;
    else if (wait_for_room(std::move(record), published.token))
        broker_.pause_publisher(published.token);
    else
        broker_.disconnect_publisher(published.token, mqtt::ReasonCode::quota_exceeded, now);
}

/// Keeps a copy in its turn behind what waits already; false beyond the bound.
bool EdgeCore::wait_for_room(tunnel::BatchRecord record, mqtt::AckToken token) {
    const auto bytes = sizeof(WaitingRecord) + record.value.size() + record.properties.size() +
                       record.also_tags.size() * sizeof(record::TagId);
    if (waiting_bytes_ + bytes > options_.waiting_publish_bytes_max) return false;
    auto& kept = waiting_.emplace_back(WaitingRecord{std::move(record), {}, {}, token, bytes});
    kept.value.assign(kept.record.value.begin(), kept.record.value.end());
    kept.properties.assign(kept.record.properties.begin(), kept.record.properties.end());
    kept.record.value = kept.value;
    kept.record.properties = kept.properties;
    waiting_bytes_ += bytes;
    return true;
}

void EdgeCore::admit_waiting(base::Now now) {
    if (waiting_.empty()) return;
    while (!waiting_.empty()) {
        const auto& waiting = waiting_.front();
        const auto seq = spool_->append(waiting.record, now);
        if (!seq) return;
        if (waiting.token.session != 0) {
            ++forwarded_;
            pending_acks_.push_back({*seq, waiting.token});
        }
        waiting_bytes_ -= waiting.bytes;
        waiting_.pop_front();
    }
    broker_.resume_publishers(now);
}

void EdgeCore::record_quality(const ingest::QualityChange& change, base::Now now) {
    for (std::size_t at = 0; at < change.tags.size(); at += kQualityTagsMax) {
        const auto end = std::min(change.tags.size(), at + kQualityTagsMax);
        const auto first = change.tags.begin() + static_cast<std::ptrdiff_t>(at);
        const auto last = change.tags.begin() + static_cast<std::ptrdiff_t>(end);
        tunnel::BatchRecord record;
        record.quality = change.quality;
        record.tag = *first;
        record.also_tags.assign(first + 1, last);
        record.source_time = record.arrival_time = now.wall;
        if (waiting_.empty() && spool_->append(record, now)) continue;
        if (!wait_for_room(std::move(record), {}))
            notices_.add(base::NoticeLevel::alarm,
                         "a change of quality is lost: too much waits for the spool's disk");
    }
}

void EdgeCore::release_acks(base::Now now) {
    const auto synced = spool_->synced();
    while (!pending_acks_.empty() && pending_acks_.front().seq <= synced) {
        broker_.acknowledge(pending_acks_.front().token, mqtt::ReasonCode::success, now);
        pending_acks_.pop_front();
    }
}

/// `sallyport/tunnel`, retained: what local clients can know of the way to IT. Told on change only.
void EdgeCore::publish_tunnel_state(base::Now now) {
    if (options_.destinations.empty() || now.instant < next_state_check_) return;
    next_state_check_ = now.instant + kStateCheckInterval;
    const auto status = uplink_.status(now);
    std::string state = fmt::format(R"({{"link":"{}","destinations":{{)", status.link);
    for (std::size_t i = 0; i < status.destinations.size(); ++i)
        state +=
            fmt::format(R"({}"{}":"{}")", i == 0 ? "" : ",", status.destinations[i].destination,
                        to_string(status.destinations[i].state));
    state += "}";
    if (state == told_tunnel_state_) return;
    told_tunnel_state_ = state;
    state += fmt::format(R"(,"since":"{}"}})", base::to_rfc3339(now.wall));
    broker_.publish({"sallyport/tunnel", base::as_bytes(state), {}, mqtt::Qos::at_least_once, true},
                    now);
}

std::optional<base::Command> EdgeCore::next_command() {
    if (auto command = uplink_.next_command()) return command;
    return broker_.next_command();
}

bool EdgeCore::take_output(base::ConnectionId id, base::Bytes& out) {
    return base::is_dialled(id) ? uplink_.take_output(out) : broker_.take_output(id, out);
}

std::optional<spool::DiskJob> EdgeCore::next_job(base::Now now) {
    return spool_->next_job(now);
}

void EdgeCore::complete(spool::DiskDone done, base::Now now) {
    spool_->complete(std::move(done), now);
    const auto failing = spool_->stats().failing;
    if (failing != told_disk_error_) {
        told_disk_error_ = failing;
        notices_.add(failing ? base::NoticeLevel::alarm : base::NoticeLevel::info,
                     failing ? fmt::format("the spool's disk fails: {}; forwarded publishes wait "
                                           "for their acknowledgement",
                                           to_string(*failing))
                             : "the spool's disk works again");
    }
    settle(now);
}

void EdgeCore::shut_down(base::Now now) {
    uplink_.shut_down();
    broker_.shut_down(now);
}

std::optional<base::Notice> EdgeCore::next_notice() {
    if (auto notice = uplink_.next_notice()) return notice;
    return notices_.next();
}

EdgeStatus EdgeCore::status(base::Now now) const {
    EdgeStatus status;
    status.broker = broker_.counters();
    status.spool = spool_->stats();
    status.tags = spool_->tag_count();
    status.forwarded = forwarded_;
    status.shed_qos0 = shed_qos0_;
    status.pending_acks = pending_acks_.size();
    status.refused_topics = refused_topics_;
    status.epoch = spool_->epoch();
    status.uplink = uplink_.status(now);
    return status;
}

}  // namespace sallyport::edge_core
