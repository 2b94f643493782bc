#include "edge-agent/core/edge_core.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "common/base/mutants.hpp"
#include "common/tunnel/frame.hpp"

namespace sallyport::edge_core {
namespace {

constexpr std::size_t kQualityTagsMax = 4096;  // tags of one quality record
constexpr bool kOwnerKeepsRetained = true;     // told afresh by every start
constexpr base::Duration kStateCheckInterval = std::chrono::milliseconds(200);
/// Of the spool's growth: longer than that of records, for a plant's minute tells more of its days.
constexpr base::Duration kGrowthTimeConstant = std::chrono::seconds(60);

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

std::vector<ingest::QualityPolicy> policies_of(const std::vector<ingest::ForwardRule>& rules) {
    std::vector<ingest::QualityPolicy> policies;
    policies.reserve(rules.size());
    for (const auto& rule : rules) policies.push_back(rule.quality);
    return policies;
}

std::vector<std::optional<ingest::JsonCodec>> codecs_of(
    const std::vector<ingest::ForwardRule>& rules) {
    std::vector<std::optional<ingest::JsonCodec>> codecs;
    for (const auto& rule : rules) {
        auto& codec = codecs.emplace_back();
        if (rule.json) codec.emplace(*rule.json);
    }
    return codecs;
}

/// What the log keeps of a QoS 2 publish, so that its resend after a restart is no second record.
/// Of a session that dies with the process nothing is sent again.
std::optional<spool::Receipt> receipt_of(const mqtt::Published& published, bool awaits_delivery) {
    if (published.token.session == 0) return std::nullopt;  // a will: nobody waits, or sends again
    if (awaits_delivery && published.qos != mqtt::Qos::at_most_once)
        return DeliveryAcks::receipt_of(published);
    if (published.qos != mqtt::Qos::exactly_once || !published.session_is_lasting)
        return std::nullopt;
    spool::Receipt receipt;
    receipt.session = published.token.session;
    receipt.packet_id = published.token.packet_id;
    return receipt;
}

}  // namespace

EdgeCore::EdgeCore(EdgeOptions options, std::unique_ptr<spool::Spool> spool,
                   const std::vector<ingest::TagPublisher>& publishers, base::Now now)
    : options_(std::move(options)),
      spool_(std::move(spool)),
      broker_(options_.broker, options_.seed,
              {.keeps_state = options_.keeps_broker_state,
               .owner_keeps_receipts = options_.keeps_broker_state}),
      broker_saver_(broker_),
      classifier_(options_.forwards, *spool_),
      codecs_(codecs_of(options_.forwards)),
      has_latest_(std::ranges::find(options_.forwards, ingest::DeliveryClass::latest,
                                    &ingest::ForwardRule::delivery_class) !=
                  options_.forwards.end()),
      publishers_(policies_of(options_.forwards)),
      publisher_saves_(publishers_),
      uplink_(uplink_options(options_), *spool_, now),
      delivery_acks_(*spool_, broker_),
      waiting_({options_.waiting_publish_bytes_max, options_.waiting_publishes_per_client}),
      started_(now.wall),
      spool_since_(now.wall),
      spool_bytes_in_(now.instant, kGrowthTimeConstant) {
    start(publishers, now);
}

/// What was good when the edge stopped may have changed unseen.
void EdgeCore::start(const std::vector<ingest::TagPublisher>& publishers, base::Now now) {
    std::unordered_map<std::string_view, std::string_view> publisher_of;
    for (const auto& each : publishers) publisher_of.emplace(each.topic, each.client);
    std::vector<ingest::KnownTag> tags;
    for (record::TagId tag = 0; tags.size() < spool_->tag_count(); ++tag) {
        const auto topic = spool_->topic(tag);
        if (!topic) continue;
        const auto publisher = publisher_of.find(*topic);
        tags.push_back({tag, classifier_.rule_of(*topic),
                        std::string(publisher == publisher_of.end() ? "" : publisher->second)});
    }
    if (!tags.empty()) newest_.resize(tags.back().tag + 1);
    record_quality(publishers_.restarted(tags, now), now);
    for (const auto& freed : spool_->report().freed_cursors)
        notices_.add(base::NoticeLevel::warning,
                     fmt::format("audit: {} is no destination any more: its cursor is freed, what "
                                 "it had not taken is in the ledger",
                                 freed));
}

void EdgeCore::restore(const mqtt::DurableState& state, base::Now now) {
    broker_.restore(state, now);
    delivery_acks_.restore();
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
    record_quality(publishers_.expire(now), now);
    publisher_saves_.expire(now);
    settle(now);
}

std::optional<base::Instant> EdgeCore::next_deadline() const {
    auto deadline = base::earlier(broker_.next_deadline(), uplink_.next_deadline());
    deadline = base::earlier(deadline, spool_->next_deadline());
    deadline = base::earlier(deadline, publishers_.next_deadline());
    deadline = base::earlier(deadline, broker_saver_.next_deadline());
    return base::earlier(deadline, publisher_saves_.next_deadline());
}

/// Carries what one input caused through the edge: events into the spool, room to who waits for it,
/// acknowledgements out, synced entries onto the link.
void EdgeCore::settle(base::Now now) {
    take_events(now);
    admit_waiting(now);
    release_acks(now);
    uplink_.pump(now);
    publish_tunnel_state(now);
}

void EdgeCore::take_events(base::Now now) {
    // A client's will comes right behind its end, and is no value that the end makes bad: it goes
    // first.
    std::optional<mqtt::ClientGone> gone;
    while (const auto event = broker_.next_event()) {
        const auto* published = std::get_if<mqtt::Published>(&*event);
        if (gone && (published == nullptr || !published->is_will))
            handle(*std::exchange(gone, std::nullopt), now);
        if (published != nullptr)
            handle(*published, now);
        else if (const auto* connected = std::get_if<mqtt::ClientConnected>(&*event))
            record_quality(publishers_.connected(connected->client_id), now);
        else if (const auto* released = std::get_if<mqtt::Released>(&*event))
            handle(*released, now);
        else
            gone = std::get<mqtt::ClientGone>(*event);
    }
    if (gone) handle(*gone, now);
}

void EdgeCore::handle(const mqtt::ClientGone& gone, base::Now now) {
    if (!gone.taken_over)
        record_quality(publishers_.gone(gone.client_id, gone.by_disconnect, now), now);
}

void EdgeCore::handle(const mqtt::Released& released, base::Now now) {
    delivery_acks_.released(released.token);
    const auto ticket = spool_->release(released.token.session, released.packet_id);
    if (spool_->is_released(ticket))
        broker_.acknowledge_release(released.token, now);
    else
        pending_releases_.push_back({ticket, released.token});
}

void EdgeCore::handle(const mqtt::Published& published, base::Now now) {
    const auto acknowledge = [&](mqtt::ReasonCode reason) {
        if (published.qos != mqtt::Qos::at_most_once)
            broker_.acknowledge(published.token, reason, now);
    };
    if (published.already_yours) {
        acknowledge(mqtt::ReasonCode::success);
        return;
    }
    if (delivery_acks_.join(published)) return;
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
    tunnel::BatchRecord record;
    record.tag = *tag;
    record.flags = static_cast<std::uint16_t>(
        record::kHasValue | record::qos_bits(static_cast<unsigned>(published.qos)) |
        (published.retain ? record::kRetain : 0));
    record.source_time = record.arrival_time = now.wall;
    record.value = published.payload;
    record.properties = published.properties;
    const auto rule = classifier_.rule_of_tag(*tag);
    if (options_.forwards[rule].delivery_class == ingest::DeliveryClass::latest)
        record.flags |= record::kLatest;
    read_payload(record, rule);
    const ingest::Update update{published.client_id, *tag, rule, record.quality, published.is_will};
    if (accept(std::move(record), published, rule, now)) publishers_.published(update, now);
}

/// What the payload says of its value, where the rule has a codec.
void EdgeCore::read_payload(tunnel::BatchRecord& record, std::size_t rule) {
    const auto& codec = codecs_[rule];
    // An empty retained payload is no value: it clears the topic.
    const bool clears = record.value.empty() && (record.flags & record::kRetain) != 0;
    if (!codec || clears) return;
    const auto reading = codec->read(record.value, record.arrival_time);
    record.quality = reading.quality;
    if (reading.source_time) record.source_time = *reading.source_time;
    if (!reading.is_readable) ++unreadable_payloads_;
    if (!reading.is_time_believed) ++unbelieved_times_;
}

/// False: shed, or its sender is cut off; then the far side is told nothing of it. Or it is in the
/// queue already: then what was told of its tag since comes behind it, and stands.
bool EdgeCore::accept(tunnel::BatchRecord record, const mqtt::Published& published,
                      std::size_t rule, base::Now now) {
    if (waiting_.join(record, published)) return false;
    const bool at_most_once = published.qos == mqtt::Qos::at_most_once;
    const auto receipt = receipt_of(published, options_.forwards[rule].ack_delivered);
    const bool must_stay = receipt && receipt->awaits_delivery;
    if (must_stay && !delivery_acks_.has_room()) {
        refuse(published, now);
        return false;
    }
    if (waiting_.empty()) {
        if (const auto seq = spool_->append(record, now, receipt)) {
            ++forwarded_;
            record.seq = *seq;
            note_value(record);
            if (!at_most_once) await_ack(*seq, published.token, receipt);
            return true;
        }
    }
    // QoS 0 is shed first. Who can be told that the log is full is told; others wait. The sender of
    // a QoS > 0 publish beyond the bound is cut off: it sends again, on its next connection, what
    // was not acknowledged.
    if (at_most_once) {
        shed_qos0_ += base::mutant(base::Mutant::shed_not_counted) ? 0 : 1;
        return false;
    }
    // What must stay is refused where a full log goes on by dropping others, and stands in nobody's
    // way.
    const bool is_alone = must_stay && !spool_->refuses(record);
    if (spool_->refuses(record, must_stay) && (published.may_be_refused || is_alone)) {
        refuse(published, now);
        return false;
    }
    if (!waiting_.add(std::move(record), published, receipt)) {
        broker_.disconnect_publisher(published.token, mqtt::ReasonCode::quota_exceeded, now);
        return false;
    }
    note_value(waiting_.back().record);
    if (waiting_.fills_window(published)) broker_.pause_publisher(published.token);
    return true;
}

/// Who cannot be told is cut off: it sends again, on its next connection.
void EdgeCore::refuse(const mqtt::Published& published, base::Now now) {
    ++refused_full_;
    if (published.may_be_refused)
        broker_.acknowledge(published.token, mqtt::ReasonCode::quota_exceeded, now);
    else
        broker_.disconnect_publisher(published.token, mqtt::ReasonCode::quota_exceeded, now);
}

void EdgeCore::await_ack(record::Seq seq, mqtt::AckToken token,
                         std::optional<spool::Receipt> receipt) {
    if (!receipt || !receipt->awaits_delivery) {
        pending_acks_.push_back({seq, token});
        return;
    }
    receipt->seq = seq;
    delivery_acks_.wait(*receipt, token);
}

/// For whoever asks for the tags; a value that waits for room has its number when it has it.
void EdgeCore::note_value(const tunnel::BatchRecord& record) {
    if (record.tag >= newest_.size())
        newest_.resize(std::max<std::size_t>(record.tag + 1, newest_.size() * 2));
    newest_[record.tag].set(record.seq, record.value, record.source_time, record.arrival_time);
}

void EdgeCore::admit_waiting(base::Now now) {
    if (waiting_.empty()) return;
    while (!waiting_.empty()) {
        const auto& waiting = waiting_.front();
        const auto seq = spool_->append(waiting.record, now, waiting.receipt);
        if (!seq) return;
        if (waiting.token.session != 0 && !base::mutant(base::Mutant::waiting_publish_lost)) {
            ++forwarded_;
            newest_[waiting.record.tag].seq = *seq;
            await_ack(*seq, waiting.token, waiting.receipt);
        }
        if (const auto reads_on = waiting_.pop_front()) broker_.resume_publisher(*reads_on, now);
    }
}

void EdgeCore::record_quality(const ingest::QualityChanges& changes, base::Now now) {
    for (const auto& change : changes) record_quality(change, now);
}

bool EdgeCore::is_latest(record::TagId tag) const {
    return has_latest_ && classifier_.class_of_tag(tag) == ingest::DeliveryClass::latest;
}

void EdgeCore::record_quality(const ingest::QualityChange& change, base::Now now) {
    if (base::mutant(base::Mutant::quality_record_dropped)) return;
    for (std::size_t at = 0; at < change.tags.size(); at += kQualityTagsMax) {
        const auto end = std::min(change.tags.size(), at + kQualityTagsMax);
        const auto first = change.tags.begin() + static_cast<std::ptrdiff_t>(at);
        const auto last = change.tags.begin() + static_cast<std::ptrdiff_t>(end);
        tunnel::BatchRecord record;
        record.quality = change.quality;
        record.tag = *first;
        record.also_tags.assign(first + 1, last);
        if (std::all_of(first, last, [this](auto tag) { return is_latest(tag); }))
            record.flags |= record::kLatest;
        record.source_time = record.arrival_time = now.wall;
        if (waiting_.empty() && spool_->append(record, now)) continue;
        if (!waiting_.add(std::move(record)))
            notices_.add(base::NoticeLevel::alarm,
                         "a change of quality is lost: too much waits for the spool's disk");
    }
}

void EdgeCore::release_acks(base::Now now) {
    const auto synced =
        base::mutant(base::Mutant::ack_before_sync) ? ~record::Seq{0} : spool_->synced();
    while (!pending_acks_.empty() && pending_acks_.front().seq <= synced) {
        broker_.acknowledge(pending_acks_.front().token, mqtt::ReasonCode::success, now);
        pending_acks_.pop_front();
    }
    delivery_acks_.settle(now);
    while (!pending_releases_.empty() && spool_->is_released(pending_releases_.front().ticket)) {
        broker_.acknowledge_release(pending_releases_.front().token, now);
        pending_releases_.pop_front();
    }
}

/// `sallyport/tunnel`, retained: what local clients can know of the way to IT. Told on change only.
void EdgeCore::publish_tunnel_state(base::Now now) {
    if (options_.destinations.empty() || now.instant < next_state_check_) return;
    next_state_check_ = now.instant + kStateCheckInterval;
    const auto status = uplink_.status(now);
    std::string state = fmt::format(R"({{"link":"{}","destinations":{{)", status.link.state);
    for (std::size_t i = 0; i < status.destinations.size(); ++i)
        state +=
            fmt::format(R"({}"{}":"{}")", i == 0 ? "" : ",", status.destinations[i].destination,
                        to_string(status.destinations[i].state));
    state += "}";
    if (state == told_tunnel_state_) return;
    told_tunnel_state_ = state;
    state += fmt::format(R"(,"since":"{}"}})", base::to_rfc3339(now.wall));
    broker_.publish({"sallyport/tunnel",
                     base::as_bytes(state),
                     {},
                     mqtt::Qos::at_least_once,
                     true,
                     kOwnerKeepsRetained},
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
    const auto& stats = spool_->stats();
    spool_bytes_in_.add(stats.entry_bytes - spool_bytes_, now.instant);
    spool_bytes_ = stats.entry_bytes;
    const auto failing = stats.failing;
    if (failing != told_disk_error_) {
        if (failing.has_value() != told_disk_error_.has_value()) spool_since_ = now.wall;
        told_disk_error_ = failing;
        notices_.add(failing ? base::NoticeLevel::alarm : base::NoticeLevel::info,
                     failing ? fmt::format("the spool's disk fails: {}; forwarded publishes wait "
                                           "for their acknowledgement",
                                           to_string(*failing))
                             : "the spool's disk works again");
    }
    const bool full = spool_->is_full();
    if (full != told_full_) {
        told_full_ = full;
        notices_.add(full ? base::NoticeLevel::alarm : base::NoticeLevel::info,
                     full ? "the spool is full: MQTT 5 publishes are refused, others wait"
                          : "the spool has room again");
    }
    settle(now);
}

std::optional<ingest::PublisherJob> EdgeCore::next_publisher_job(base::Now now) {
    return publisher_saves_.next_job([this](record::TagId tag) { return spool_->topic(tag); }, now);
}

void EdgeCore::complete(const ingest::PublisherDone& done, base::Now now) {
    publisher_saves_.complete(done, now);
    if (done.error && !std::exchange(told_publisher_error_, true))
        notices_.add(base::NoticeLevel::warning,
                     fmt::format("who publishes what cannot be stored: {}; after a restart the "
                                 "absence of a device would not show",
                                 *done.error));
    if (!done.error) told_publisher_error_ = false;
}

void EdgeCore::complete(const BrokerDone& done, base::Now now) {
    const bool was_failing = broker_saver_.is_failing();
    broker_saver_.complete(done, now);
    if (was_failing != broker_saver_.is_failing())
        notices_.add(done.error ? base::NoticeLevel::alarm : base::NoticeLevel::info,
                     done.error
                         ? fmt::format("the broker's store refuses: {}; what lasting sessions "
                                       "and retained messages need of it waits",
                                       *done.error)
                         : "the broker's store works again");
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

}  // namespace sallyport::edge_core
